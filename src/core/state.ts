/**
 * State: the fold of all events. Only open runs are in it; a settled run is folded from its own rows when asked for. A task's
 * display state is derived (`view.ts`): what is stored is where the work is (`Phase`), what holds it up (asks, a park, a
 * pause) and the session's process. Times are wall-clock ms.
 */
import type { Attempt, Outcome, ParkReason } from "./attempt.ts";
import type { AttemptId, ProjectId, RunId, TaskKey } from "./ids.ts";
import type { TaskSpec } from "./plan.ts";

export interface State {
  /** The last event folded in. */
  readonly seq: number;
  /** The latest time seen; `now` never goes back. */
  readonly now: number;
  readonly runs: ReadonlyMap<RunId, Run>;
  /** Attempts that are not retired yet: what `due` looks at. */
  readonly attempts: ReadonlyMap<AttemptId, Attempt>;
  readonly projects: ReadonlyMap<ProjectId, Project>;
  /** Open breakers, by what they hold up. */
  readonly breakers: ReadonlyMap<string, Breaker>;
}

export const emptyState: State = {
  seq: 0,
  now: 0,
  runs: new Map(),
  attempts: new Map(),
  projects: new Map(),
  breakers: new Map(),
};

export interface Project {
  /** The gate that a person accepted for a project that configures none. */
  readonly gate: readonly string[] | null;
  /** Tree hashes of the project's own Claude configuration that a person has trusted. */
  readonly trusted: readonly string[];
}

/** A project that nobody has said anything of. */

export const unknownProject: Project = { gate: null, trusted: [] };

/** What one session met of a limit, an outage or a refused key, so that others need not meet it. */

export interface Breaker {
  /** `<credential> <model>`, or `<credential> *` for all of its models. */
  readonly key: string;
  readonly reason: ParkReason;
  readonly detail: string;
  /** null = until a person resumes. */
  readonly until: number | null;
  /** How often in a row it was opened. */
  readonly opened: number;
  /** The attempt whose round went first when the time was over. */
  readonly probe: AttemptId | null;
}

export interface Run {
  readonly id: RunId;
  readonly name: string;
  /** A name for the credential of its sessions, which tells it from others and gives nothing away. */
  readonly credential: string;
  readonly startedAt: number;
  readonly endedAt: number | null;
  readonly parallel: number;
  readonly usd: number;
  /** Plans by id, with their own bounds. */
  readonly plans: ReadonlyMap<
    string,
    { readonly parallel: number | null; readonly usd: number | null }
  >;
  /** How long a permission question waits by default; null = for ever. */
  readonly waitMs: number | null;
  /** False once a deadline has passed: questions are denied at once until a person shows up. */
  readonly attended: boolean;
  readonly paused: boolean;
  /** Why muster paused it itself; null where a person did, or nobody. */
  readonly pausedFor: string | null;
  /** Answers that hold for the same rule in this run. */
  readonly remembered: ReadonlyMap<string, boolean>;
  readonly tasks: ReadonlyMap<TaskKey, Task>;
  /** Attempts made so far, for the next id. */
  readonly attempts: number;
  /** Attempts that are retired, for the projection. */
  readonly past: ReadonlyMap<AttemptId, Attempt>;
}

/** How an attempt ends; final. */

export type TaskState =
  /** Waits for needs or for a slot; which of the two is derived. */
  { readonly is: "pending" } | { readonly is: "active"; readonly attempt: AttemptId } | Outcome;

export interface Task {
  readonly spec: TaskSpec;
  readonly state: TaskState;
  readonly attempts: readonly AttemptId[];
  readonly paused: boolean;
  /** Its needs' verified commits conflict with each other: wait until they have landed. */
  readonly waitsForLanding: boolean;
}
