/** Builders for tests of the core: specs, starts, and a drive that feeds inputs and folds what they lead to. */
import { decide, stamp } from "../core/decide/decide.ts";
import { due } from "../core/due.ts";
import type { Effect, EffectName } from "../core/effects.ts";
import type { Event, EventBody } from "../core/events.ts";
import { fold } from "../core/evolve/evolve.ts";
import type { AttemptId, RunId, TaskKey } from "../core/ids.ts";
import type { Capacity, Command, Input, Observation, Observed } from "../core/inputs.ts";
import { answered, phaseKey, sessionKey } from "../core/keys.ts";
import { defaultLimits, type TaskSpec } from "../core/plan.ts";
import type { Attempt } from "../core/attempt.ts";
import { type Run, type State, type Task, emptyState } from "../core/state.ts";

export const roomy: Capacity = { parallel: 16, resident: 32, gates: 4 };
export const runId: RunId = "run_a";

/** A task that runs as it is: gate `test`, lands on `main` of the project at `/project`. */
export function taskSpec(key: TaskKey, over: Partial<TaskSpec> = {}): TaskSpec {
  return {
    key,
    id: key,
    plan: "plan",
    project: "/project/.git",
    root: "/project",
    target: "main",
    standsFor: null,
    prompt: `do ${key}`,
    needs: [],
    runner: "claude-cli",
    model: "sonnet",
    profile: "isolated",
    gate: ["test"],
    gateFrom: "said",
    limits: defaultLimits,
    cwd: null,
    paths: null,
    artifacts: [],
    tools: null,
    permissions: { allow: [], ask: [], deny: [] },
    approval: false,
    land: "local",
    ...over,
  };
}

/** A need as the plan reader resolves it inside one project. */
export function need(
  key: TaskKey,
  over: Partial<TaskSpec["needs"][number]> = {},
): TaskSpec["needs"][number] {
  return { key, when: "verified", merge: true, ...over };
}

export type Start = Extract<Command, { type: "run.start" }>;

/** The command that starts a run of `tasks`. */
export function startOf(tasks: readonly TaskSpec[], over: Partial<Start> = {}): Start {
  const plans = [...new Set(tasks.map(({ plan }) => plan))];
  return {
    type: "run.start",
    run: runId,
    name: "a run",
    parallel: 3,
    usd: 10,
    plans: plans.map((id) => ({ id, parallel: null, usd: null })),
    tasks,
    waitMs: 900_000,
    credential: "key",
    attended: true,
    acceptGates: false,
    ...over,
  };
}

export interface Drive {
  readonly state: State;
  readonly events: readonly Event[];
  now: number;
  capacity: Capacity;
  run(id?: RunId): Run;
  task(key: TaskKey, run?: RunId): Task;
  /** The newest attempt of a task, open or past. */
  attempt(key: TaskKey, run?: RunId): Attempt;
  /** Feeds a command, then ticks; returns the types of all events that came of it. */
  command(command: Command): string[];
  /** Feeds an observation of the newest attempt of `task`, then ticks. Its key is that of its phase or session unless given. */
  see(task: TaskKey, seen: Observed, effect?: string, run?: RunId): string[];
  tick(afterMs?: number): string[];
  due(): readonly Effect[];
  /** The due effect of that name for a task; undefined where it is not due. */
  effect<N extends EffectName>(key: TaskKey, name: N): Extract<Effect, { do: N }> | undefined;
  keys(): string[];
}

function taskOf(state: State, key: TaskKey, run: RunId): Task {
  const found = state.runs.get(run)?.tasks.get(key);
  if (found === undefined) throw new Error(`no task ${run}/${key}`);
  return found;
}

function newestAttempt(state: State, key: TaskKey, run: RunId): Attempt {
  const id = taskOf(state, key, run).attempts.at(-1) as AttemptId;
  const found = state.attempts.get(id) ?? state.runs.get(run)?.past.get(id);
  if (found === undefined) throw new Error(`no attempt of ${run}/${key}`);
  return found;
}

/** Opens a drive on an empty state at 1,000,000 ms. */
export function drive(): Drive {
  let state: State = emptyState;
  let seeds = 0;
  const events: Event[] = [];

  const seed = (): string =>
    `${(seeds++).toString(16).padStart(8, "0")}-0000-4000-a000-000000000000`;
  const apply = (input: Input): EventBody[] => {
    const at = Math.max(self.now, state.now);
    const bodies = decide(state, input, self.now);
    const stamped = stamp(bodies, state.seq, at);
    state = fold(state, stamped);
    events.push(...stamped);
    return [...bodies];
  };
  const settle = (): string[] => {
    const types: string[] = [];
    for (let i = 0; i < 1000; i++) {
      const bodies = apply({ is: "tick", capacity: self.capacity, seed: seed() });
      if (bodies.length === 0) return types;
      types.push(...bodies.map(({ type }) => type));
    }
    throw new Error("the tick does not come to rest");
  };
  const feed = (input: Input): string[] => [...apply(input).map(({ type }) => type), ...settle()];
  const self: Drive = {
    get state() {
      return state;
    },
    events,
    now: 1_000_000,
    capacity: roomy,
    run(id = runId) {
      const found = state.runs.get(id);
      if (found === undefined) throw new Error(`no run ${id}`);
      return found;
    },
    task: (key, run = runId) => taskOf(state, key, run),
    attempt: (key, run = runId) => newestAttempt(state, key, run),
    command: (command) => feed({ is: "command", command, seed: seed() }),
    see(task, seen, effect, run = runId) {
      const of = newestAttempt(state, task, run);
      const ofPhase = answered[seen.saw] !== undefined || seen.saw === "inspect_failed";
      const key = effect ?? (ofPhase ? phaseKey(of) : sessionKey(of.id, of.starts)) ?? "";
      const observation = { att: of.id, key, ...seen } as Observation;
      return feed({ is: "observation", observation, seed: seed() });
    },
    tick(afterMs = 0) {
      self.now += afterMs;
      return settle();
    },
    due: () => due(state, self.now).effects,
    effect<N extends EffectName>(key: TaskKey, name: N) {
      const { id } = newestAttempt(state, key, runId);
      return due(state, self.now).effects.find((e) => e.att === id && e.do === name) as
        | Extract<Effect, { do: N }>
        | undefined;
    },
    keys: () => due(state, self.now).effects.map(({ key }) => key),
  };
  return self;
}
