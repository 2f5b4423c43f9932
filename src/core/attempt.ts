/** An attempt: where its work is (`Phase`), what holds it up (questions, a park), its session's process and mail. Times are wall-clock ms. */
import type { AttemptId, RunId, Sha, TaskKey, Uuid } from "./ids.ts";
import type { RunnerName } from "./plan.ts";

export type FailureReason =
  | "gate_failed"
  | "agent_error"
  | "timed_out"
  | "stalled"
  | "budget_exhausted"
  | "conflict"
  | "provision_failed"
  | "needs_failed"
  | "crashed"
  | "rejected"
  | "worktree_gone";

export type Outcome =
  | { readonly is: "landed"; readonly commit: Sha; readonly head: Sha }
  | { readonly is: "done"; readonly reason: "no_changes" | "not_landed"; readonly head: Sha }
  | { readonly is: "failed"; readonly reason: FailureReason; readonly detail: string }
  | { readonly is: "canceled" };

export interface Head {
  readonly commit: Sha;
  readonly tree: Sha;
}

export interface Worktree {
  readonly path: string;
  readonly gitDir: string;
  readonly branch: string;
  readonly base: Sha;
  readonly baseTree: Sha;
  /** The target's head then: whose `muster.yaml` and `CLAUDE.md` count, not those of commits that have not landed. */
  readonly config: Sha;
  /** The verified commits it stands on, by task. */
  readonly basis: Readonly<Record<TaskKey, Sha>>;
}

export interface Merge {
  readonly target: Sha;
  readonly commit: Sha;
  readonly tree: Sha;
}

export type Phase =
  | { readonly at: "provisioning"; readonly try: number }
  /** Has a message for the session, or a question that outlived its process, and waits; `saved`: its worktree is in a snapshot. */
  | { readonly at: "idle"; readonly saved: boolean }
  /** A round is in flight; `unsaved`: what is to be said in the middle of it waits for a snapshot. */
  | { readonly at: "working"; readonly since: number; readonly unsaved?: true }
  /** Between a round's end and its gate: snapshot, look, and where needed commit what was left. */
  | {
      readonly at: "settling";
      readonly step: "snapshot" | "inspect" | "commit";
      /** muster committed what was left: what is dirty now can't be committed. */
      readonly committed: boolean;
    }
  | {
      readonly at: "verifying";
      readonly head: Head;
      readonly admitted: boolean;
      readonly try: number;
    }
  /** Proved, but not in the queue: waits for an approval, or for what it needs to land. */
  | { readonly at: "verified"; readonly head: Head; readonly approved: boolean }
  | {
      readonly at: "queued";
      readonly head: Head;
      readonly since: number;
      readonly step: QueueStep;
      readonly try: number;
    }
  /** On the way out: the process ends, a snapshot is taken, then the outcome is final. */
  | { readonly at: "ending"; readonly outcome: Outcome; readonly saved: boolean }
  /** Final; the worktree is still to be retired (or kept, for a person to look at). */
  | { readonly at: "ended"; readonly outcome: Outcome };

export type QueueStep =
  | { readonly is: "waiting" }
  | { readonly is: "merging" }
  | { readonly is: "gating"; readonly merge: Merge; readonly admitted: boolean }
  | { readonly is: "landing"; readonly merge: Merge };

export type Process =
  | { readonly is: "none" }
  | { readonly is: "starting"; readonly n: number; readonly resume: boolean }
  | { readonly is: "live"; readonly n: number; readonly pid: number }
  | {
      readonly is: "ending";
      readonly n: number;
      readonly pid: number;
      readonly interrupt: boolean;
      readonly why: string;
    };

export type MessageKind =
  | "prompt"
  | "fix"
  | "commit"
  | "conflict"
  | "tell"
  | "continue"
  | "answer"
  /** Asks a long session to write down what the next one needs to know. */
  | "handover";

export interface Message {
  readonly uuid: Uuid;
  readonly kind: MessageKind;
  readonly text: string;
  /** `taken` by the session, but its round is not over. */
  readonly taken: boolean;
}

export type AskKind = "permission" | "question" | "approval" | "conflict" | "stalled" | "trust";

export type Answer =
  | {
      readonly is: "allow";
      readonly text: string | null;
      readonly answers: Readonly<Record<string, string>> | null;
    }
  | { readonly is: "deny"; readonly because: string };

export interface Ask {
  readonly id: string;
  readonly kind: AskKind;
  readonly text: string;
  readonly tool: string | null;
  readonly input: unknown;
  /** What an answer is remembered under; null = not remembered. */
  readonly rule: string | null;
  /** The exact commit an approval is for. */
  readonly commit: Sha | null;
  readonly openedAt: number;
  readonly deadlineAt: number | null;
  /** Answered, but not yet with the session. */
  readonly answer: Answer | null;
  /** The process that asked is gone: the answer goes to the resumed session as a message. */
  readonly detached?: true;
}

export interface GateEvidence {
  readonly command: string;
  readonly exit: number | null;
  readonly commit: Sha;
  readonly tree: Sha;
  readonly on: "head" | "merge";
  readonly durationMs: number;
  readonly log: string | null;
  readonly logSha: string | null;
  /** The end of the log, for the message to the session. */
  readonly tail: string;
  /** Set where the evidence of the same tree and commands was used again. */
  readonly reusedFrom: Sha | null;
}

export type ParkReason =
  | "rate_limit"
  | "outage"
  | "budget"
  | "disk"
  | "memory"
  | "credentials"
  | "checkout"
  | "backoff";

export interface Park {
  readonly reason: ParkReason;
  readonly detail: string;
  /** null = until a person resumes. */
  readonly until: number | null;
  /** What is there could not be kept: that is not tried again before this is over. */
  readonly unsaved?: true;
}

export interface Usage {
  readonly turns: number;
  readonly usd: number;
}

/** What a session that had grown long wrote down for the next one of its attempt. */
export interface Handover {
  readonly from: Uuid;
  readonly text: string;
}

export interface Attempt {
  readonly id: AttemptId;
  readonly run: RunId;
  readonly task: TaskKey;
  readonly session: Uuid;
  /** Its sessions before this one, oldest first: they can still be asked. */
  readonly formerSessions: readonly Uuid[];
  /** The newest one; once its session is replaced, what the next one begins with. */
  readonly handover: Handover | null;
  /** Tokens of its session's context at the last turn; 0 = not known. */
  readonly context: number;
  /** Feeds the uuids of this attempt's messages. */
  readonly seed: Uuid;
  readonly seedUsed: number;
  readonly runner: RunnerName;
  readonly admittedAt: number;
  readonly endedAt: number | null;
  /** Counts against `parallel`. */
  readonly slot: boolean;
  readonly phase: Phase;
  readonly process: Process;
  /** The credential that its newest start was given. */
  readonly credential: string;
  /** Starts so far; the next start is `starts + 1`. */
  readonly starts: number;
  /** Bytes of the current start's stream that are folded into events. */
  readonly offset: number;
  /** The commits of what it needs, as they were when it was admitted: what it stands on. */
  readonly basis: Readonly<Record<TaskKey, Sha>>;
  readonly worktree: Worktree | null;
  /** The branch it was given, also after its worktree is gone. */
  readonly branch: string | null;
  /** The commit it started from, also after its worktree is gone. */
  readonly base: Sha | null;
  readonly mail: readonly Message[];
  /** How its process ended in the middle of a round, until its session is told; null where there is nothing to tell. */
  readonly cutOff: string | null;
  readonly asks: readonly Ask[];
  /** Questions of muster's own so far; the next one's id ends in the next number. */
  readonly questions: number;
  readonly usage: Usage;
  /** Rounds that are over. */
  readonly rounds: number;
  /** Time spent in finished rounds. */
  readonly workedMs: number;
  readonly head: Head | null;
  readonly gates: readonly GateEvidence[];
  /** Snapshots so far; the next ref ends in `snapshots + 1`. */
  readonly snapshots: number;
  /** Gates in a row that could not be run. */
  readonly brokenGates: number;
  readonly fixes: number;
  readonly reminders: number;
  readonly conflicts: number;
  /** Parks for an error, a crash or memory since it was provisioned, or since the last good round. */
  readonly recoveries: number;
  /** Parks since its worktree could last be looked at, or kept. */
  readonly unread: number;
  /** When it was resumed after a silence, oldest first; those of `stallWindowMs`, since a person was last asked about one. */
  readonly stalls: readonly number[];
  /** Parks for an outage or a rate limit since the last good round. */
  readonly outages: number;
  readonly park: Park | null;
  readonly cancelRequested: boolean;
  /** A person said that this head may land unsigned. */
  readonly unsigned: boolean;
  /** Why a worktree was left where it is. */
  readonly kept: string | null;
}
