/** Projections for the faces: a run in full, and runs in one line each. Settled runs are folded from their own rows. */
import { existsSync } from "node:fs";
import type { RunDetail, RunSummary, TaskDetail } from "../api/service.ts";
import type { Event } from "../core/events.ts";
import { fold } from "../core/evolve/evolve.ts";
import { Fault } from "../core/fault.ts";
import type { RunId } from "../core/ids.ts";
import type { Ledger } from "../core/ports.ts";
import { openAsks } from "../core/queries.ts";
import type { Attempt } from "../core/attempt.ts";
import { type Run, type State, type Task, emptyState } from "../core/state.ts";
import { type RunView, runView } from "../core/view.ts";

export interface Found {
  readonly state: State;
  readonly run: Run;
  /** Settled: no longer in the engine's state. */
  readonly settled: boolean;
}

/** A run by id or unique prefix (with or without `run_`). Throws Fault `not_found`. */
export async function findRun(open: State, ledger: Ledger, wanted: string): Promise<Found> {
  const exact = wanted.startsWith("run_") ? wanted : `run_${wanted}`;
  const live = open.runs.get(exact as RunId);
  if (live !== undefined) return { state: open, run: live, settled: false };
  const ids: RunId[] = [];
  for await (const event of ledger.read(0, { types: ["run.started"] }))
    if ("run" in event && (event.run === exact || event.run.startsWith(exact))) ids.push(event.run);
  const [id, second] = ids.includes(exact as RunId) ? [exact as RunId] : ids;
  if (id === undefined)
    throw new Fault("not_found", `no run ${wanted}`, { remedy: "muster ls --all" });
  if (second !== undefined)
    throw new Fault("usage", `${wanted} names more than one run: ${ids.slice(0, 3).join(", ")}`, {
      remedy: "muster ls --all",
    });
  const found = open.runs.get(id);
  return found === undefined
    ? readSettled(ledger, id)
    : { state: open, run: found, settled: false };
}

/** Folds a run from its own rows, up to its last settling. */
export async function readSettled(ledger: Ledger, id: RunId): Promise<Found> {
  const rows: Event[] = [];
  for await (const event of ledger.read(0, { run: id })) rows.push(event);
  const state = fold(emptyState, rows.at(-1)?.type === "run.settled" ? rows.slice(0, -1) : rows);
  const run = state.runs.get(id);
  if (run === undefined)
    throw new Fault("not_found", `no run ${id}`, { remedy: "muster ls --all" });
  return { state, run, settled: true };
}

/** Throws Fault `not_found`. */
export function requireTask(run: Run, key: string): Task {
  const task = run.tasks.get(key);
  if (task === undefined)
    throw new Fault("not_found", `no task ${key} in ${run.id}`, {
      remedy: `muster show ${run.id}`,
    });
  return task;
}

export function runDetail(
  { state, run, settled }: Found,
  now: number,
): Omit<RunDetail, "unrecorded"> {
  return {
    run: withoutCleaned(runView(state, run, now)),
    name: run.name,
    startedAt: run.startedAt,
    parallel: run.parallel,
    usd: run.usd,
    paused: run.paused,
    pausedFor: run.pausedFor,
    settled,
    tasks: [...run.tasks.values()].map((task) => taskDetail(state, run, task)),
  };
}

/** A kept worktree that was cleaned up since is no event: what is not on disk any more is not shown. */
function withoutCleaned(view: RunView): RunView {
  const isGone = ({ worktree }: RunView["tasks"][number]): boolean =>
    worktree !== null && !existsSync(worktree);
  return {
    ...view,
    tasks: view.tasks.map((task) => (isGone(task) ? { ...task, worktree: null } : task)),
  };
}

function taskDetail(state: State, run: Run, task: Task): TaskDetail {
  const attempts = task.attempts
    .map((id) => state.attempts.get(id) ?? run.past.get(id))
    .filter((a) => a !== undefined);
  const latest = attempts.at(-1);
  return {
    key: task.spec.key,
    prompt: task.spec.prompt,
    needs: task.spec.needs.map(({ key }) => key),
    detail: task.state.is === "failed" ? task.state.detail : (latest?.park?.detail ?? null),
    attempts: attempts.map(attemptDetail),
    asks: (latest === undefined ? [] : openAsks(latest)).map(
      ({ id, kind, text, deadlineAt, openedAt }) => ({
        id,
        kind,
        text,
        openedAt,
        deadline: deadlineAt === null ? null : new Date(deadlineAt).toISOString(),
      }),
    ),
  };
}

function attemptDetail({
  id,
  session,
  formerSessions,
  phase,
  base,
  kept,
  process,
  snapshots,
  gates,
  worktree,
}: Attempt): TaskDetail["attempts"][number] {
  return {
    id,
    session,
    formerSessions,
    phase: phase.at,
    base,
    kept: worktree !== null && existsSync(worktree.path) ? kept : null,
    process: process.is,
    snapshots,
    logs: gates.map(({ log }) => log).filter((log) => log !== null),
  };
}

export function runSummary({ state, run }: Found, now: number): RunSummary {
  const view = runView(state, run, now);
  const counts: Record<string, number> = {};
  for (const { state: name } of view.tasks) counts[name] = (counts[name] ?? 0) + 1;
  return {
    id: run.id,
    name: run.name,
    state: view.state,
    startedAt: run.startedAt,
    durationMs: view.durationMs,
    costUsd: view.costUsd,
    projects: [...new Set(view.tasks.map(({ project }) => project))],
    counts,
    asking: asking(state, run),
  };
}

function asking(state: State, run: Run): RunSummary["asking"] {
  return [...run.tasks.values()].flatMap((task) => {
    const attempt = task.state.is === "active" ? state.attempts.get(task.state.attempt) : undefined;
    return (attempt === undefined ? [] : openAsks(attempt)).map(({ id, kind, text }) => ({
      task: task.spec.key,
      id,
      kind,
      text,
    }));
  });
}

/** Every open run and the latest settled ones among the newest `limit`, newest first. */
export async function listRuns(
  open: State,
  ledger: Ledger,
  now: number,
  limit: number,
): Promise<RunSummary[]> {
  const ids: RunId[] = [];
  for await (const event of ledger.read(0, { types: ["run.started"] }))
    if ("run" in event) ids.push(event.run);
  const summaries: RunSummary[] = [];
  const wanted = ids.toReversed().filter((id, i) => i < limit || open.runs.has(id));
  for (const id of wanted) {
    const run = open.runs.get(id);
    summaries.push(
      runSummary(
        run === undefined ? await readSettled(ledger, id) : { state: open, run, settled: false },
        now,
      ),
    );
  }
  return summaries;
}
