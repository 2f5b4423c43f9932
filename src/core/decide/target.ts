/** What a command names: a run, a task of it, or a task's open attempt. */
import type { Decision } from "./decision.ts";
import { Fault } from "../fault.ts";
import type { RunId, TaskKey } from "../ids.ts";
import type { Attempt } from "../attempt.ts";
import type { Run, Task } from "../state.ts";

export function requireRun(d: Decision, id: RunId): Run {
  const run = d.state.runs.get(id);
  if (run === undefined) throw new Fault("not_found", `no open run ${id}`, { remedy: "muster ls" });
  return run;
}

export function requireTask(d: Decision, id: RunId, key: TaskKey): Task {
  const task = requireRun(d, id).tasks.get(key);
  if (task === undefined)
    throw new Fault("not_found", `no task ${key} in ${id}`, { remedy: `muster show ${id}` });
  return task;
}

/** The open attempt of a task. Throws `refused` where the task is settled or has not started. */
export function requireActive(d: Decision, id: RunId, key: TaskKey): Attempt {
  const { state } = requireTask(d, id, key);
  const attempt = state.is === "active" ? d.state.attempts.get(state.attempt) : undefined;
  if (attempt === undefined)
    throw new Fault("refused", `${id}/${key} has no session: it is ${state.is}`, {
      remedy: `muster show ${id}`,
    });
  return attempt;
}

export function targets(
  d: Decision,
  { run, task }: { run: RunId; task: TaskKey | null },
): [TaskKey, Task][] {
  if (task !== null) return [[task, requireTask(d, run, task)]];
  return [...requireRun(d, run).tasks];
}
