/**
 * The three inputs of the core: a command (what someone asks), an observation (what an effect or a look returned), a tick (time
 * has passed). Every input brings one fresh random uuid as `seed`; the core derives what ids it needs from it and records them
 * in events before anything uses them.
 */
import type { AttemptId, ProjectId, RunId, Sha, TaskKey, Uuid } from "./ids.ts";
import type { TaskSpec } from "./plan.ts";
import type { AskKind, GateEvidence, Head, Merge, ParkReason, Worktree } from "./attempt.ts";
import type { Run } from "./state.ts";

/** A task of a run, or the whole run where `task` is null. */
export interface Target {
  readonly run: RunId;
  readonly task: TaskKey | null;
}

export type Command =
  | {
      readonly type: "run.start";
      readonly run: RunId;
      readonly name: string;
      readonly parallel: number;
      readonly usd: number;
      readonly plans: readonly {
        readonly id: string;
        readonly parallel: number | null;
        readonly usd: number | null;
      }[];
      readonly tasks: readonly TaskSpec[];
      readonly waitMs: number | null;
      readonly attended: boolean;
      /** Names the credential of its sessions. */
      readonly credential: string;
      /** True where the person said yes to the gates that muster proposes. */
      readonly acceptGates: boolean;
    }
  /** Tasks that an edited plan has more than the run. */
  | {
      readonly type: "run.extend";
      readonly run: RunId;
      readonly tasks: readonly TaskSpec[];
      /** Brings a settled run's state back; null where the run is open. */
      readonly settled: Run | null;
      /** The run's budget from here on; null = what it was. */
      readonly usd: number | null;
      readonly credential: string;
      readonly attended: boolean;
      readonly acceptGates: boolean;
    }
  | ({ readonly type: "stop" } & Target)
  | ({
      readonly type: "pause";
      readonly interrupt: boolean;
      /** Why muster itself pauses a run; absent where a person does. */
      readonly why?: string;
    } & Target)
  | ({
      readonly type: "resume";
      readonly usd: number | null;
      /** Names the credential that it goes on with; absent = the one it had. */
      readonly credential?: string;
    } & Target)
  /** `settled` brings a settled run's state back; null where the run is open. */
  | ({
      readonly type: "retry";
      readonly settled: Run | null;
      readonly credential?: string;
    } & Target)
  | { readonly type: "tell"; readonly run: RunId; readonly task: TaskKey; readonly text: string }
  | {
      readonly type: "answer";
      readonly run: RunId;
      readonly task: TaskKey;
      /** null = the oldest open question. */
      readonly ask: string | null;
      readonly answer:
        | { readonly is: "allow" }
        | { readonly is: "deny"; readonly because: string }
        | { readonly is: "text"; readonly text: string };
    }
  | {
      readonly type: "approve";
      readonly run: RunId;
      readonly task: TaskKey;
      readonly gate: boolean;
    }
  | {
      readonly type: "reject";
      readonly run: RunId;
      readonly task: TaskKey;
      readonly because: string;
    }
  | { readonly type: "attend"; readonly run: RunId }
  | { readonly type: "trust"; readonly project: ProjectId; readonly tree: string };

export type Observation = { readonly att: AttemptId; readonly key: string } & Observed;

/** Why a round ended in error, told from `is_error`, `terminal_reason` and `api_error_status`, never from an exit code. */
export type RoundFailure =
  | { readonly is: "interrupted" }
  | { readonly is: "max_turns" }
  | { readonly is: "max_budget" }
  /** `park`: the world is busy (429, 529, 5xx, network), come back at `retryAt` (wall-clock ms) or after a back-off. */
  | {
      readonly is: "unavailable";
      readonly reason: ParkReason;
      readonly status: number | null;
      readonly retryAt: number | null;
      readonly detail: string;
    }
  /** 401, 403: a person must see to it. */
  | { readonly is: "credentials"; readonly detail: string }
  | { readonly is: "agent"; readonly detail: string };

export type Observed =
  | { readonly saw: "provisioned"; readonly worktree: Worktree }
  /** `worktree`: it was made, but its setup failed. */
  | {
      readonly saw: "provision_failed";
      readonly why: string;
      readonly retry: boolean;
      readonly worktree?: Worktree | null;
      /** There is no space for it. */
      readonly disk?: true;
    }
  /** The project's own Claude configuration is not what a person has trusted; nothing was made. */
  | { readonly saw: "untrusted"; readonly tree: string; readonly files: readonly string[] }
  /** The needs' verified commits conflict with each other or with the target. */
  | { readonly saw: "provision_conflicts"; readonly paths: readonly string[] }
  | {
      readonly saw: "session_started";
      readonly n: number;
      readonly pid: number;
      readonly version: string | null;
    }
  | {
      readonly saw: "session_failed_to_start";
      readonly n: number;
      readonly why: string;
      readonly credentials: boolean;
      /** There is no space for what a start writes. */
      readonly disk?: true;
      /** Its worktree is not there any more. */
      readonly gone?: true;
      /** A terminal has the session. */
      readonly held?: true;
    }
  | { readonly saw: "message_taken"; readonly uuid: Uuid; readonly offset: number }
  | {
      readonly saw: "asked";
      readonly ask: string;
      readonly kind: AskKind;
      readonly tool: string;
      readonly text: string;
      readonly input: unknown;
      readonly rule: string | null;
      readonly offset: number;
    }
  | { readonly saw: "ask_withdrawn"; readonly ask: string; readonly offset: number }
  | { readonly saw: "answer_taken"; readonly ask: string }
  | {
      readonly saw: "used";
      readonly turns: number;
      readonly usd: number;
      /** Tokens of the session's context, where its stream says so. */
      readonly context?: number;
      readonly offset: number;
    }
  | {
      readonly saw: "round_ended";
      /** null = completed; `void` = the session had the message already and did nothing. */
      readonly failure: RoundFailure | "void" | null;
      readonly text: string;
      readonly turns: number;
      readonly usd: number;
      readonly offset: number;
    }
  | {
      readonly saw: "stalled";
      readonly silentMs: number;
      readonly during: "model" | "tool" | "start";
      /** The tool call that has not come back. */
      readonly tool?: string;
    }
  | {
      readonly saw: "session_exited";
      readonly n: number;
      readonly code: number | null;
      readonly signal: string | null;
      readonly why: string;
      /** The disk was full when it ended. */
      readonly disk?: true;
      /** It was killed, not by us, and the kernel killed for want of memory at that time. */
      readonly memory?: true;
    }
  | { readonly saw: "snapshot"; readonly ref: string; readonly commit: Sha; readonly left: number }
  /** `disk`: there was no space. `locked`: somebody's git is at work there. */
  | {
      readonly saw: "snapshot_failed";
      readonly why: string;
      readonly disk?: true;
      readonly locked?: true;
    }
  | {
      readonly saw: "inspected";
      readonly head: Head;
      readonly dirty: boolean;
      readonly related: boolean;
      /** HEAD is the target branch, or the target moved to a commit of this worktree. */
      readonly onTarget: boolean;
      readonly outside: readonly string[];
      readonly missing: readonly string[];
    }
  /** `gone`: there is no worktree any more; no waiting brings it back. `disk` and `locked`: as above. */
  | {
      readonly saw: "inspect_failed";
      readonly why: string;
      readonly gone?: true;
      readonly disk?: true;
      readonly locked?: true;
    }
  | { readonly saw: "committed"; readonly head: Head }
  | {
      readonly saw: "gated";
      readonly head: Head;
      readonly evidence: readonly GateEvidence[];
      readonly passed: boolean;
    }
  /** It failed while there was no space (`disk`), or while the kernel killed for want of memory: nothing is said of the commit. */
  | {
      readonly saw: "gate_broken";
      readonly commit: Sha;
      readonly why: string;
      readonly disk?: true;
      readonly memory?: true;
    }
  | { readonly saw: "merged"; readonly merge: Merge }
  | { readonly saw: "merge_conflicts"; readonly target: Sha; readonly paths: readonly string[] }
  /** `disk`: there was no space for the merge; nothing is said of the target. */
  | { readonly saw: "target_missing"; readonly why: string; readonly disk?: true }
  /** The project wants its commits signed, and that does not work without a prompt. */
  | { readonly saw: "signing_failed"; readonly why: string }
  | { readonly saw: "landed"; readonly commit: Sha; readonly followed: string | null }
  | { readonly saw: "target_moved"; readonly expected: Sha; readonly now: Sha | null }
  | { readonly saw: "checkout_in_the_way"; readonly detail: string }
  /** What the effect needs was lost with a daemon: a person must bring it again. */
  | { readonly saw: "needs_credentials"; readonly why: string }
  | { readonly saw: "retired"; readonly ref: string | null }
  | { readonly saw: "kept"; readonly why: string };

export type Input =
  | { readonly is: "command"; readonly command: Command; readonly seed: Uuid }
  | { readonly is: "observation"; readonly observation: Observation; readonly seed: Uuid }
  /** `sleptMs`: how much more time the wall clock says has passed since the last tick than a clock that stops with the machine. */
  | {
      readonly is: "tick";
      readonly capacity: Capacity;
      readonly seed: Uuid;
      readonly sleptMs?: number;
    };

/** What the host can carry; given with every tick, so that the core never reads a machine. */
export interface Capacity {
  /** Rounds in flight over all runs. */
  readonly parallel: number;
  /** Live session processes. */
  readonly resident: number;
  /** Gates at once. */
  readonly gates: number;
}

/** Host default: 16 rounds over all runs (design §6). */
export const defaultHostParallel = 16;
