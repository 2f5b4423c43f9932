/**
 * Effects: what should be happening now. Each has a key made of ids in the state and a try number; the host starts a key once,
 * performs it idempotently, and reports with that key. Nothing here is stored: effects are derived from the state by `due`.
 */
import type { AttemptId, Sha, TaskKey } from "./ids.ts";
import type { TaskSpec } from "./plan.ts";
import type { Answer, Attempt, Head, Merge, Message, Outcome } from "./attempt.ts";

export interface Basis {
  readonly key: TaskKey;
  readonly head: Sha;
}

/** Artifacts handed over from a needed task: read-only copies of files at a commit of another repository. */
export interface Handover {
  readonly key: TaskKey;
  readonly root: string;
  readonly commit: Sha;
  readonly artifacts: readonly string[];
}

interface ForAttempt {
  readonly key: string;
  readonly att: AttemptId;
  readonly attempt: Attempt;
  readonly spec: TaskSpec;
}

export type Effect =
  /** Make the worktree on the target's head plus `basis`, run setup, hand artifacts over. */
  | (ForAttempt & {
      readonly do: "provision";
      readonly basis: readonly Basis[];
      readonly handovers: readonly Handover[];
      /** Tree hashes of the project's own Claude configuration that count. */
      readonly trusted: readonly string[];
    })
  /** Have start `n` of the session live and followed until it exits: starts, adopts or finishes it, whatever the disk says. */
  | (ForAttempt & {
      readonly do: "session";
      readonly n: number;
      readonly resume: boolean;

      /** What is left of the attempt's and the run's budget. */ readonly usd: number;
    })
  | (ForAttempt & { readonly do: "send"; readonly n: number; readonly message: Message })
  | (ForAttempt & {
      readonly do: "answer";
      readonly n: number;
      readonly ask: string;
      readonly answer: Answer;
    })
  | (ForAttempt & { readonly do: "end_session"; readonly n: number; readonly interrupt: boolean })
  | (ForAttempt & { readonly do: "snapshot"; readonly ref: string })
  | (ForAttempt & { readonly do: "inspect" })
  | (ForAttempt & { readonly do: "commit" })
  | (ForAttempt & {
      readonly do: "gate";
      readonly head: Head;
      readonly on: "head" | "merge";
      readonly commands: readonly string[];
    })
  /** `unsigned`: a person said that it may land without a signature. */
  | (ForAttempt & { readonly do: "merge"; readonly head: Head; readonly unsigned: boolean })
  | (ForAttempt & { readonly do: "land"; readonly head: Head; readonly merge: Merge })
  | (ForAttempt & { readonly do: "retire"; readonly outcome: Outcome });

export type EffectName = Effect["do"];

export interface Due {
  readonly effects: readonly Effect[];
  /** When time itself makes the next difference; null = never. */
  readonly wakeAt: number | null;
}
