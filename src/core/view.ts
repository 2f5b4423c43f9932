/** Views: what a face shows, derived from the state and never stored. The run object is the one of `run --json` (design §8). */
import { breakersOf } from "./breakers.ts";
import type { Sha } from "./ids.ts";
import {
  attemptsOf,
  hasLandedBasis,
  isHeld,
  isSettled,
  latestAttempt,
  needState,
  openAsks,
  spent,
} from "./queries.ts";
import type { Ask, Attempt } from "./attempt.ts";
import type { Run, State, Task } from "./state.ts";

export type TaskStateName =
  | "waiting"
  | "ready"
  | "provisioning"
  | "working"
  | "asking"
  | "parked"
  | "paused"
  | "verifying"
  | "queued"
  | "landed"
  | "done"
  | "failed"
  | "canceled";

export type RunStateName = "running" | "needs_attention" | "succeeded" | "failed" | "canceled";

export interface AskView {
  readonly id: string;
  readonly kind: Ask["kind"];
  readonly text: string;
  readonly tool: string | null;
  readonly input: unknown;
  /** ISO 8601, or null where it waits for ever. */
  readonly deadline: string | null;
}

export interface TaskView {
  readonly id: string;
  readonly plan: string;
  readonly project: string;
  readonly target: string;
  readonly state: TaskStateName;
  readonly reason: string | null;
  readonly attempts: number;
  readonly session: string | null;
  readonly runner: string;
  readonly branch: string | null;
  readonly worktree: string | null;
  readonly head: Sha | null;
  readonly landed: Sha | null;
  readonly gates: readonly {
    readonly command: string;
    readonly exit: number | null;
    readonly commit: Sha;
    readonly on: "head" | "merge";
  }[];
  readonly asking: AskView | null;
  readonly asks: number;
  readonly turns: number;
  readonly costUsd: number;
  readonly durationMs: number;
}

export interface RunView {
  readonly id: string;
  readonly state: RunStateName;
  readonly costUsd: number;
  readonly durationMs: number;
  readonly tasks: readonly TaskView[];
}

/** The word a face shows for a task. */
export function taskStateName(state: State, run: Run, task: Task): TaskStateName {
  if (task.state.is === "pending") {
    if (task.paused || run.paused) return "paused";
    return task.spec.needs.every((need) => needState(state, run, task, need) === "met")
      ? "ready"
      : "waiting";
  }
  if (task.state.is !== "active") return task.state.is;
  const attempt = state.attempts.get(task.state.attempt) ?? run.past.get(task.state.attempt);
  return attempt === undefined ? "working" : attemptStateName(state, attempt);
}

function attemptStateName(state: State, attempt: Attempt): TaskStateName {
  if (openAsks(attempt).length > 0) return "asking";
  if (attempt.park !== null) return "parked";
  const { phase } = attempt;
  if (isHeld(state, attempt) && rests(attempt)) return "paused";
  switch (phase.at) {
    case "provisioning":
      return "provisioning";
    case "idle":
    case "working":
      return "working";
    case "settling":
    case "verifying":
      return "verifying";
    case "verified":
    case "queued":
      return "queued";
    case "ending":
      return "working"; // Its process ends and its work is kept: not final, so not to be retried yet.
    case "ended":
      return phase.outcome.is;
  }
}

/** True where a pause takes hold: nothing of the attempt is under way. */
function rests({ phase, slot }: Attempt): boolean {
  switch (phase.at) {
    case "working":
      return !slot;
    case "verifying":
      return !phase.admitted;
    case "queued":
      return phase.step.is === "waiting";
    case "idle":
    case "verified":
      return true;
    case "provisioning":
    case "settling":
    case "ending":
    case "ended":
      return false;
  }
}

/** Why it ended so, or what holds it up: its own park, or a breaker that it would run into. */
function reasonOf(state: State, run: Run, task: Task, now: number): string | null {
  if (task.state.is === "failed" || task.state.is === "done") return task.state.reason;
  const park = latestAttempt(state, run, task)?.park;
  if (task.state.is !== "pending") return park?.reason ?? null;
  if (taskStateName(state, run, task) !== "ready") return null;
  const shut = breakersOf(state, run, task.spec).find(({ until }) => until === null || until > now);
  return shut?.reason ?? null;
}

/** A task as `--json` prints it. */
export function taskView(state: State, run: Run, task: Task, now: number): TaskView {
  const attempt = latestAttempt(state, run, task);
  const [ask, ...others] = attempt === undefined ? [] : openAsks(attempt);
  const all = task.attempts
    .map((id) => state.attempts.get(id) ?? run.past.get(id))
    .filter((a) => a !== undefined);
  const started = all[0]?.admittedAt;
  return {
    id: task.spec.id,
    plan: task.spec.plan,
    project: task.spec.root,
    target: task.spec.target,
    state: taskStateName(state, run, task),
    reason: reasonOf(state, run, task, now),
    attempts: task.attempts.length,
    session: attempt?.session ?? null,
    runner: task.spec.runner,
    branch: branchOf(all),
    worktree: attempt?.worktree?.path ?? null,
    head:
      task.state.is === "landed" || task.state.is === "done"
        ? task.state.head
        : (attempt?.head?.commit ?? null),
    landed: task.state.is === "landed" ? task.state.commit : null,
    gates: (attempt?.gates ?? []).map(({ command, exit, commit, on }) => ({
      command,
      exit,
      commit,
      on,
    })),
    asking: ask === undefined ? null : askView(ask),
    asks: ask === undefined ? 0 : others.length + 1,
    turns: all.reduce((sum, { usage }) => sum + usage.turns, 0),
    costUsd: round(all.reduce((sum, { usage }) => sum + usage.usd, 0)),
    durationMs: started === undefined ? 0 : (attempt?.endedAt ?? now) - started,
  };
}

function branchOf(attempts: readonly Attempt[]): string | null {
  return attempts.findLast(({ branch }) => branch !== null)?.branch ?? null;
}

function askView({ id, kind, text, tool, input, deadlineAt }: Ask): AskView {
  return {
    id,
    kind,
    text,
    tool,
    input,
    deadline: deadlineAt === null ? null : new Date(deadlineAt).toISOString(),
  };
}

/** A run as `--json` prints it. */
export function runView(state: State, run: Run, now: number): RunView {
  return {
    id: run.id,
    state: runStateName(state, run),
    costUsd: round(spent(state, run)),
    durationMs: (isOver(run) ? (run.endedAt ?? now) : now) - run.startedAt,
    tasks: [...run.tasks.values()].map((task) => taskView(state, run, task, now)),
  };
}

function isOver(run: Run): boolean {
  return [...run.tasks.values()].every(isSettled);
}

/** Derived: `needs_attention` where some task asks and nothing else can move without a person. */
export function runStateName(state: State, run: Run): RunStateName {
  const tasks = [...run.tasks.values()];
  if (tasks.every(isSettled)) {
    if (tasks.some((task) => task.state.is === "failed")) return "failed";
    return tasks.some((task) => task.state.is === "canceled") ? "canceled" : "succeeded";
  }
  const left = spent(state, run) < run.usd;
  return tasks.some((task) => moves(state, run, task, left && isPlanFunded(state, run, task)))
    ? "running"
    : "needs_attention";
}

function isPlanFunded(state: State, run: Run, { spec: { plan } }: Task): boolean {
  const most = run.plans.get(plan)?.usd ?? null;
  return most === null || spent(state, run, plan) < most;
}

/** True where a task goes on by itself: time or a slot will move it. What waits for another task moves only with that. */
function moves(state: State, run: Run, task: Task, funded: boolean): boolean {
  if (isSettled(task)) return false;
  const name = taskStateName(state, run, task);
  if (name === "waiting" || name === "paused") return false;
  if (name === "ready")
    return funded && !breakersOf(state, run, task.spec).some(({ until }) => until === null);
  const attempt = latestAttempt(state, run, task);
  if (attempt === undefined) return true;
  if (name === "parked") return attempt.park?.until !== null;
  if (name === "asking") return openAsks(attempt).some(({ deadlineAt }) => deadlineAt !== null);
  if (attempt.phase.at === "idle" || (attempt.phase.at === "working" && !attempt.slot))
    return attempt.slot || funded;
  if (attempt.phase.at === "verified")
    return attempt.phase.approved && hasLandedBasis(run, task.spec);
  return true;
}

/** Every attempt of a run, for the detailed view. */
export function attemptsView(state: State, run: Run): readonly Attempt[] {
  return [...attemptsOf(state, run).values()];
}

/** Micro-dollars are the finest that a price table gives. */
function round(usd: number): number {
  return Math.round(usd * 1e6) / 1e6;
}
