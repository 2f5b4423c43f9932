/**
 * Edit: a state being rewritten. Maps are copied once per edit and then written in place, so a batch of events on a run of
 * 10,000 tasks costs one copy, not one per event. The state it came from is never touched.
 */
import { assert } from "../fault.ts";
import type { AttemptId, ProjectId, RunId, TaskKey } from "../ids.ts";
import type { Attempt } from "../attempt.ts";
import type { Breaker, Project, Run, State, Task } from "../state.ts";

export interface Edit {
  readonly state: State;
  run(id: RunId): Run;
  setRun(run: Run): void;
  dropRun(id: RunId): void;
  setTask(run: RunId, key: TaskKey, task: Task): void;
  task(run: RunId, key: TaskKey): Task;
  attempt(id: AttemptId): Attempt;
  setAttempt(attempt: Attempt): void;
  /** Moves an attempt out of the open ones into its run's past. */
  closeAttempt(id: AttemptId): void;
  setProject(id: ProjectId, project: Project): void;
  setBreaker(breaker: Breaker): void;
  dropBreaker(key: string): void;
  advance(seq: number, at: number): void;
}

/** Gives every map's copy that this edit may write in: made at the first asking, the same one after that. */
function ownership(): <K, V>(map: ReadonlyMap<K, V>) => Map<K, V> {
  const owned = new Set<object>();
  return <K, V>(map: ReadonlyMap<K, V>): Map<K, V> => {
    if (owned.has(map)) return map as Map<K, V>;
    const copy = new Map(map);
    owned.add(copy);
    return copy;
  };
}

function found<T>(value: T | undefined, why: string): T {
  assert(value !== undefined, why);
  return value;
}

/** Opens an edit on `from`; read `state` when done. */
export function edit(from: State): Edit {
  let state = from;
  const own = ownership();

  const run = (id: RunId): Run => found(state.runs.get(id), `run ${id} is open`);
  const attempt = (id: AttemptId): Attempt =>
    found(state.attempts.get(id), `attempt ${id} is open`);
  const setRun = (next: Run): void => {
    const runs = own(state.runs);
    runs.set(next.id, next);
    if (runs !== state.runs) state = { ...state, runs };
  };
  return {
    get state() {
      return state;
    },
    run,
    setRun,
    dropRun(id) {
      const runs = own(state.runs);
      runs.delete(id);
      state = { ...state, runs };
    },
    task: (id, key) => found(run(id).tasks.get(key), `task ${id}/${key} exists`),
    setTask(id, key, task) {
      const of = run(id);
      const tasks = own(of.tasks);
      tasks.set(key, task);
      if (tasks !== of.tasks) setRun({ ...of, tasks });
    },
    attempt,
    setAttempt(next) {
      const attempts = own(state.attempts);
      attempts.set(next.id, next);
      if (attempts !== state.attempts) state = { ...state, attempts };
    },
    closeAttempt(id) {
      const closed = attempt(id);
      const attempts = own(state.attempts);
      attempts.delete(id);
      state = { ...state, attempts };
      const of = run(closed.run);
      const past = own(of.past);
      past.set(id, closed);
      if (past !== of.past) setRun({ ...of, past });
    },
    setProject(id, project) {
      state = { ...state, projects: own(state.projects).set(id, project) };
    },
    setBreaker(breaker) {
      state = { ...state, breakers: own(state.breakers).set(breaker.key, breaker) };
    },
    dropBreaker(key) {
      const breakers = own(state.breakers);
      breakers.delete(key);
      state = { ...state, breakers };
    },
    advance(seq, at) {
      state = { ...state, seq, now: Math.max(state.now, at) };
    },
  };
}
