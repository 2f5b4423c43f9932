/**
 * The runner port: the adapter that turns an attempt into a live session. Two of them, one contract, one conformance suite
 * (`testing/runner.suite.ts`). A session is never resumed by two processes: a runner holds a lock per session id.
 */
import type { AttemptId, Uuid } from "./ids.ts";
import type { RoundFailure } from "./inputs.ts";
import type { Permissions, Profile, RunnerName } from "./plan.ts";
import type { Answer, AskKind } from "./attempt.ts";

/** Everything a start needs, except secrets; written as `launch.json` beside the attempt's starts. */
export interface Launch {
  readonly att: AttemptId;
  readonly runner: RunnerName;
  /** The start's number, from 1, never reused. */
  readonly n: number;
  readonly session: Uuid;
  readonly resume: boolean;
  /** The attempt's own folder: `cfg/ tmp/ msg/ <n>/`. */
  readonly dir: string;
  readonly cwd: string;
  readonly model: string;
  /** `project`: the trusted configuration lies in `dir/project`. */
  readonly profile: Profile;
  readonly tools: readonly string[];
  readonly permissions: Pick<Permissions, "allow" | "ask" | "deny">;
  /** Text of CLAUDE.md of the base commit and of the person; empty for none. */
  readonly instructions: string;
  /** What is left of the attempt's limits. */
  readonly turns: number;
  readonly usd: number;
  /** Tokens of context at which the session is compacted. */
  readonly context: number;
  /** Folders outside of `cwd` that may be read (handed-over artifacts, long messages). */
  readonly readable: readonly string[];
}

/** A session's stream, folded to what a decision or a person needs. `offset` = bytes of the stream up to and including it. */
export type AgentEvent = { readonly offset: number } & (
  | { readonly is: "ready"; readonly version: string | null; readonly model: string | null }
  | { readonly is: "taken"; readonly uuid: Uuid }
  | { readonly is: "state"; readonly state: "running" | "requires_action" | "idle" }
  | { readonly is: "said"; readonly text: string }
  | { readonly is: "used_tool"; readonly tool: string; readonly text: string }
  | { readonly is: "tool_done" }
  | {
      readonly is: "asked";
      readonly ask: string;
      readonly kind: AskKind;
      readonly tool: string;
      readonly text: string;
      readonly input: unknown;
      readonly rule: string | null;
    }
  | { readonly is: "ask_withdrawn"; readonly ask: string }
  /** One model call of the main thread. `context`: tokens that it read and wrote; null where it does not say. */
  | { readonly is: "turn"; readonly context: number | null }
  | {
      readonly is: "limited";
      readonly status: string;
      readonly resetsAt: number | null;
      readonly window: string | null;
    }
  | {
      readonly is: "retrying";
      readonly status: number | null;
      readonly delayMs: number;
      readonly attempt: number;
    }
  | { readonly is: "compacting" }
  /** A line that says nothing but that the session lives. */
  | { readonly is: "alive" }
  | {
      readonly is: "round_ended";
      readonly failure: RoundFailure | "void" | null;
      readonly text: string;
      readonly usd: number;
    }
  /** The last one: the process is gone. */
  | {
      readonly is: "exited";
      readonly code: number | null;
      readonly signal: string | null;
      readonly why: string;
    }
);

export interface Live {
  readonly pid: number;
  /** Hands a message over; resolves once it is written, which is not yet `taken`. A uuid sent twice is one message. */
  send(message: { readonly uuid: Uuid; readonly text: string }): Promise<void>;
  /** Answers an open question; answering twice is harmless. */
  answer(ask: string, answer: Answer, input: unknown): Promise<void>;
  /** Ends the round in flight; the session stays usable. */
  interrupt(): Promise<void>;
  /** Ends the process: asked, then TERM after `graceMs`, then KILL, then a sweep of what it left. Idempotent. */
  stop(graceMs: number): Promise<void>;
  /** Lets go of the session without ending it (only where it outlives the daemon; else it is ended). */
  release(): Promise<void>;
}

/** What a session's process gets, whole; secrets are only ever in here, in memory. */
export interface SessionEnvironment {
  readonly env: Readonly<Record<string, string>>;
  /** Handed over on fd 3. */
  readonly apiKey: string | null;
  /** The person's own config dir, for a login that can't be reached from another one; null = the attempt's own. */
  readonly configDir: string | null;
}

export interface Runner {
  readonly name: RunnerName;
  /** True where a session goes on while the daemon is dead. */
  readonly outlivesDaemon: boolean;
  /**
   * Starts `launch`, or finds it: a start that was made before is adopted where it lives (or ended and reported as `exited` where
   * it can't be adopted), and its stream is folded again from the beginning. Events come in order, `exited` last, once.
   * `environment` is asked for only where a process is to be made; it may throw Fault `no_login`.
   * Throws Fault `no_claude`, `no_login`, `timed_out`, `not_found` where it can't be started.
   */
  start(
    launch: Launch,
    environment: () => SessionEnvironment,
    onEvent: (event: AgentEvent) => void,
  ): Promise<Live>;
}
