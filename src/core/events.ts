/**
 * Events: facts in the past tense, immutable, numbered by the ledger. This union is the product's public record; a new field is
 * optional, a new meaning is a new type. Raw agent streams never become events.
 */
import type { AttemptId, ProjectId, RunId, Sha, TaskKey, Uuid } from "./ids.ts";
import type { RunnerName, TaskSpec } from "./plan.ts";
import type {
  Answer,
  Ask,
  FailureReason,
  GateEvidence,
  Head,
  Merge,
  MessageKind,
  Outcome,
  Park,
  ParkReason,
  Worktree,
} from "./attempt.ts";
import type { Run } from "./state.ts";

interface OfRun {
  readonly run: RunId;
}
interface OfTask extends OfRun {
  readonly task: TaskKey;
}
interface OfAttempt extends OfTask {
  readonly att: AttemptId;
}

export type RunEvent =
  | ({
      readonly type: "run.started";
      readonly name: string;
      readonly parallel: number;
      readonly usd: number;
      readonly plans: readonly {
        readonly id: string;
        readonly parallel: number | null;
        readonly usd: number | null;
      }[];
      readonly waitMs: number | null;
      readonly attended: boolean;
      /** Names it; older ledgers do not. */
      readonly credential?: string;
    } & OfRun)
  | ({ readonly type: "run.credential_changed"; readonly credential: string } & OfRun)
  | ({
      readonly type: "run.paused";
      /** Why muster paused it itself. */
      readonly why?: string;
    } & OfRun)
  | ({ readonly type: "run.resumed" } & OfRun)
  | ({ readonly type: "run.attended" } & OfRun)
  | ({ readonly type: "run.unattended" } & OfRun)
  | ({ readonly type: "run.budget_raised"; readonly usd: number } & OfRun)
  | ({ readonly type: "run.reopened"; readonly snapshot: Run } & OfRun)
  | ({ readonly type: "run.settled"; readonly state: "succeeded" | "failed" | "canceled" } & OfRun)
  | ({
      readonly type: "answer.remembered";
      readonly rule: string;
      readonly allow: boolean;
    } & OfRun);

export type TaskEvent =
  | ({ readonly type: "task.added"; readonly spec: TaskSpec } & OfTask)
  | ({ readonly type: "task.paused" } & OfTask)
  | ({ readonly type: "task.resumed" } & OfTask)
  | ({ readonly type: "task.deferred"; readonly why: string } & OfTask)
  | ({
      readonly type: "task.landed";
      readonly att: AttemptId;
      readonly commit: Sha;
      readonly head: Sha;
      readonly followed: string | null;
    } & OfTask)
  | ({
      readonly type: "task.done";
      readonly att: AttemptId;
      readonly reason: "no_changes" | "not_landed";
      readonly head: Sha;
    } & OfTask)
  | ({
      readonly type: "task.failed";
      readonly reason: FailureReason;
      readonly detail: string;
    } & OfTask)
  | ({ readonly type: "task.canceled" } & OfTask)
  | ({ readonly type: "task.reopened" } & OfTask);

export type AttemptEvent =
  | ({
      readonly type: "attempt.admitted";
      readonly session: Uuid;
      readonly seed: Uuid;
      readonly runner: RunnerName;
      readonly basis: Readonly<Record<TaskKey, Sha>>;
    } & OfAttempt)
  | ({ readonly type: "attempt.provisioned"; readonly worktree: Worktree } & OfAttempt)
  | ({
      readonly type: "attempt.provision_failed";
      readonly why: string;
      /** Made, but not ready to work in. */
      readonly worktree?: Worktree;
    } & OfAttempt)
  | ({ readonly type: "attempt.cancel_requested" } & OfAttempt)
  | ({
      readonly type: "attempt.parked";
      readonly park: Park;
      /** For a while after a silence; it is resumed then. */
      readonly stalled?: true;
      /** Its worktree could not be looked at, or kept. */
      readonly unread?: true;
    } & OfAttempt)
  | ({ readonly type: "attempt.unparked" } & OfAttempt)
  | ({ readonly type: "attempt.ending"; readonly outcome: Outcome } & OfAttempt)
  | ({ readonly type: "attempt.ended"; readonly outcome: Outcome } & OfAttempt)
  | ({ readonly type: "attempt.retired"; readonly ref: string | null } & OfAttempt)
  | ({ readonly type: "attempt.kept"; readonly why: string } & OfAttempt)
  | ({
      readonly type: "attempt.used";
      readonly turns: number;
      readonly usd: number;
      /** Tokens of the session's context. */
      readonly context?: number;
      readonly offset: number;
    } & OfAttempt)
  | ({
      readonly type: "message.queued";
      readonly uuid: Uuid;
      readonly kind: MessageKind;
      readonly text: string;
    } & OfAttempt)
  | ({ readonly type: "message.taken"; readonly uuid: Uuid; readonly offset: number } & OfAttempt)
  | ({ readonly type: "round.admitted" } & OfAttempt)
  | ({
      readonly type: "round.ended";
      readonly outcome: "completed" | "void" | "error";
      readonly why: string | null;
      readonly text: string;
      readonly turns: number;
      readonly usd: number;
      readonly offset: number;
    } & OfAttempt)
  | ({
      readonly type: "session.planned";
      readonly n: number;
      readonly resume: boolean;
      /** Names what it logs in with; older ledgers do not. */
      readonly credential?: string;
      /** It is a new session, which takes the place of the one that handed over. */
      readonly session?: Uuid;
    } & OfAttempt)
  /** Its session wrote down what the next one begins with. */
  | ({ readonly type: "session.handed_over"; readonly text: string } & OfAttempt)
  | ({
      readonly type: "session.started";
      readonly n: number;
      readonly pid: number;
      readonly version: string | null;
    } & OfAttempt)
  | ({
      readonly type: "session.end_requested";
      readonly n: number;
      readonly why: string;
      readonly interrupt: boolean;
    } & OfAttempt)
  | ({
      readonly type: "session.exited";
      readonly n: number;
      readonly code: number | null;
      readonly signal: string | null;
      readonly why: string;
    } & OfAttempt)
  | ({ readonly type: "ask.opened"; readonly ask: Ask; readonly offset: number | null } & OfAttempt)
  | ({
      readonly type: "ask.answered";
      readonly ask: string;
      readonly answer: Answer;
      readonly by: "person" | "policy" | "deadline";
    } & OfAttempt)
  | ({ readonly type: "ask.closed"; readonly ask: string } & OfAttempt)
  /** The process that asked is gone; the question stays for the person. */
  | ({ readonly type: "ask.detached"; readonly ask: string } & OfAttempt)
  | ({ readonly type: "ask.withdrawn"; readonly ask: string; readonly why: string } & OfAttempt)
  | ({
      readonly type: "snapshot.taken";
      readonly ref: string;
      readonly commit: Sha;
      readonly left: number;
      /** Taken for something that is over: it holds what it holds, but a newer one is due. */
      readonly late?: true;
    } & OfAttempt)
  /** What was to be kept before a message that joins a round could not be: the message goes without. */
  | ({ readonly type: "snapshot.missed"; readonly why: string } & OfAttempt)
  | ({
      readonly type: "head.read";
      readonly head: Head;
      readonly dirty: boolean;
      readonly commitNext: boolean;
    } & OfAttempt)
  | ({ readonly type: "commit.made"; readonly head: Head } & OfAttempt)
  | ({
      readonly type: "gate.admitted";
      readonly commit: Sha;
      readonly on: "head" | "merge";
    } & OfAttempt)
  | ({ readonly type: "gate.passed"; readonly evidence: GateEvidence } & OfAttempt)
  | ({ readonly type: "gate.failed"; readonly evidence: GateEvidence } & OfAttempt)
  | ({ readonly type: "gate.broken"; readonly commit: Sha; readonly why: string } & OfAttempt)
  | ({ readonly type: "attempt.verified"; readonly head: Head } & OfAttempt)
  | ({
      readonly type: "attempt.approved";
      readonly commit: Sha;
      readonly gateless: boolean;
      /** It lands without the signature that the project asks for. */
      readonly unsigned?: true;
    } & OfAttempt)
  | ({ readonly type: "attempt.reverify" } & OfAttempt)
  | ({ readonly type: "queue.entered"; readonly head: Head } & OfAttempt)
  | ({ readonly type: "attempt.returned"; readonly why: string } & OfAttempt)
  | ({ readonly type: "landing.started" } & OfAttempt)
  | ({ readonly type: "merge.made"; readonly merge: Merge } & OfAttempt)
  | ({ readonly type: "merge.conflicted"; readonly paths: readonly string[] } & OfAttempt)
  | ({ readonly type: "merge.unsigned"; readonly why: string } & OfAttempt)
  | ({ readonly type: "merge.verified" } & OfAttempt)
  | ({
      readonly type: "target.moved";
      readonly expected: Sha;
      readonly now: Sha | null;
    } & OfAttempt);

interface OfProject {
  readonly project: ProjectId;
}

export type ProjectEvent =
  | ({ readonly type: "gate.accepted"; readonly commands: readonly string[] } & OfProject)
  /** A person saw the project's own Claude configuration and trusts it, as it is in the tree of this hash. */
  | ({ readonly type: "config.trusted"; readonly tree: string } & OfProject);

interface OfBreaker {
  readonly key: string;
}

export type BreakerEvent =
  | ({
      readonly type: "breaker.opened";
      readonly reason: ParkReason;
      readonly detail: string;
      readonly until: number | null;
      /** How often in a row. */
      readonly opened: number;
    } & OfBreaker)
  | ({ readonly type: "breaker.probed"; readonly att: AttemptId } & OfBreaker)
  | ({ readonly type: "breaker.closed" } & OfBreaker);

export type EventBody = BreakerEvent | RunEvent | TaskEvent | AttemptEvent | ProjectEvent;
export type EventType = EventBody["type"];

/** An event as the ledger holds it. */
export type Event = EventBody & {
  readonly seq: number;
  /** Wall-clock ms. */
  readonly at: number;
  readonly v: 1;
};
