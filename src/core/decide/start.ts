/** The start of a run: checked whole before the first event, so that nothing is half-started. */
import { trustCredential } from "./breaker.ts";
import type { Decision } from "./decision.ts";
import { Fault } from "../fault.ts";
import type { TaskKey } from "../ids.ts";
import type { Command } from "../inputs.ts";
import type { TaskSpec } from "../plan.ts";
import type { Run, State } from "../state.ts";

type Start = Extract<Command, { type: "run.start" }>;

/** Throws `bad_plan` for duplicate ids, unknown needs and cycles, `refused` for a run id that is taken. */
export function checkStart(state: State, { run, tasks }: Start): void {
  if (state.runs.has(run))
    throw new Fault("refused", `run ${run} exists`, { remedy: `muster show ${run}` });
  if (tasks.length === 0)
    throw new Fault("bad_plan", "the plan has no task", { remedy: "muster schema plan" });
  checkTasks(tasks);
}

/** Throws `bad_plan` for duplicate ids, unknown needs and cycles among the tasks of one run. */
export function checkTasks(tasks: readonly TaskSpec[]): void {
  const byKey = new Map<TaskKey, TaskSpec>();
  for (const task of tasks) {
    if (byKey.has(task.key))
      throw new Fault("bad_plan", `task ${task.key} is there twice`, { remedy: "muster plan" });
    byKey.set(task.key, task);
  }
  for (const task of tasks)
    for (const { key } of task.needs)
      if (!byKey.has(key))
        throw new Fault("bad_plan", `task ${task.key} needs ${key}, which is not there`, {
          remedy: "muster plan",
        });
  const cycle = findCycle(byKey);
  if (cycle !== undefined)
    throw new Fault("bad_plan", `needs form a cycle: ${cycle.join(" → ")}`, {
      remedy: "muster plan",
    });
}

/** One cycle of needs, its first key repeated at the end; undefined where there is none. Iterative: plans may be long. */
export function findCycle(
  tasks: ReadonlyMap<TaskKey, Pick<TaskSpec, "needs">>,
): TaskKey[] | undefined {
  const done = new Set<TaskKey>();
  for (const start of tasks.keys()) {
    const path: { key: TaskKey; next: number }[] = [{ key: start, next: 0 }];
    const onPath = new Set([start]);
    while (path.length > 0) {
      const top = path[path.length - 1] as { key: TaskKey; next: number };
      const need = done.has(top.key) ? undefined : tasks.get(top.key)?.needs[top.next++];
      if (need === undefined) {
        done.add(top.key);
        onPath.delete(top.key);
        path.pop();
      } else if (onPath.has(need.key)) {
        const keys = path.map(({ key }) => key);
        return [...keys.slice(keys.indexOf(need.key)), need.key];
      } else if (!done.has(need.key)) {
        onPath.add(need.key);
        path.push({ key: need.key, next: 0 });
      }
    }
  }
  return undefined;
}

export function startRun(d: Decision, start: Start): void {
  const { run, name, parallel, usd, plans, waitMs, attended, credential } = start;
  d.emit({ type: "run.started", run, name, parallel, usd, plans, waitMs, attended, credential });
  trustCredential(d, run);
  for (const spec of start.tasks) d.emit({ type: "task.added", run, task: spec.key, spec });
  if (start.acceptGates) acceptGates(d, start.tasks);
}

/** Brings a settled run back; a pause that it was settled under is not what whoever gives it work means. */
export function reopenRun(d: Decision, settled: Run): void {
  d.emit({ type: "run.reopened", run: settled.id, snapshot: settled });
  if (settled.paused) d.emit({ type: "run.resumed", run: settled.id });
}

/** The person said yes to the gates that muster proposes, once for each project. */
export function acceptGates(d: Decision, tasks: readonly TaskSpec[]): void {
  const accepted = new Set<string>();
  for (const { project, gate, gateFrom } of tasks) {
    if (gateFrom !== "proposed" || gate === null || accepted.has(project)) continue;
    accepted.add(project);
    d.emit({ type: "gate.accepted", project, commands: gate });
  }
}
