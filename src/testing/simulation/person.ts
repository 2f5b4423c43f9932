/** A simulated person: at random, or cooperative, who looks only at what a face shows and does what it asks for. */
import type { RunId, TaskKey } from "../../core/ids.ts";
import type { Command } from "../../core/inputs.ts";
import { spent } from "../../core/queries.ts";
import type { Run, State } from "../../core/state.ts";
import { type TaskView, runView } from "../../core/view.ts";
import type { Random } from "./random.ts";

/** Any command, sensible or not; undefined where there is no run to speak of. */
export function randomCommand(
  r: Random,
  state: State,
  settled: ReadonlyMap<RunId, Run>,
): Command | undefined {
  const runs = [...state.runs.values()];
  if (settled.size > 0 && (runs.length === 0 || r.chance(0.03))) {
    const old = r.pick([...settled.values()]);
    if (r.chance(0.3)) return extend(old, r.pick([...old.tasks.keys()]), old);
    return { type: "retry", run: old.id, task: null, settled: old };
  }
  if (runs.length === 0) return undefined;
  const open = r.pick(runs);
  const { id: run, tasks } = open;
  const task = r.pick([...tasks.keys()]);
  const some = r.chance(0.8) ? task : null;
  const all: readonly (() => Command)[] = [
    () => ({ type: "stop", run, task: r.chance(0.9) ? task : null }),
    () => ({ type: "pause", run, task: some, interrupt: r.chance(0.5) }),
    () => ({ type: "resume", run, task: some, usd: r.chance(0.2) ? 20 : null }),
    () => ({ type: "resume", run, task: some, usd: null }),
    () => ({ type: "resume", run, task: some, usd: null, credential: r.pick(["key", "login"]) }),
    () => ({ type: "retry", run, task: some, settled: null }),
    () => ({ type: "tell", run, task, text: "and mind the tests" }),
    () => ({ type: "tell", run, task: "nobody", text: "hello" }),
    () => ({
      type: "answer",
      run,
      task,
      ask: r.chance(0.9) ? null : "ask-9",
      answer: r.pick([
        { is: "allow" as const },
        { is: "deny" as const, because: "no" },
        { is: "text" as const, text: "the second" },
      ]),
    }),
    () => ({ type: "approve", run, task, gate: r.chance(0.3) }),
    () => ({ type: "reject", run, task, because: "not like this" }),
    () => ({ type: "attend", run }),
    () => ({ type: "trust", project: "/project/.git", tree: r.uuid() }),
    () => extend(open, task, null),
  ];
  return r.pick(all)();
}

/** An edited plan: one more task, like `key` and in need of it. */
function extend({ id: run, tasks, credential }: Run, key: TaskKey, settled: Run | null): Command {
  const like = tasks.get(key)?.spec;
  if (like === undefined) throw new Error(`${run} has a task ${key}`);
  const merge = like.land !== "none";
  const more = { ...like, key: `${key}n`, id: `${like.id}n` };
  const needs = [{ key, when: like.approval ? ("landed" as const) : ("verified" as const), merge }];
  return {
    type: "run.extend",
    run,
    tasks: [{ ...more, needs }],
    settled,
    usd: null,
    credential,
    attended: false,
    acceptGates: false,
  };
}

/** The next thing that a helpful person does; undefined where no face asks for anything. */
export function helpfulCommand(state: State, now: number): Command | undefined {
  for (const run of state.runs.values()) {
    if (run.paused) return { type: "resume", run: run.id, task: null, usd: null };
    const view = runView(state, run, now);
    for (const task of view.tasks) {
      const key = [...run.tasks].find(
        ([, { spec }]) => spec.id === task.id && spec.plan === task.plan,
      )?.[0];
      if (key === undefined) throw new Error(`${task.id} is shown but not there`);
      const command = help(run.id, key, task);
      if (command !== undefined) return command;
    }
    if (view.state === "needs_attention" && spent(state, run) >= run.usd)
      return { type: "resume", run: run.id, task: null, usd: spent(state, run) + 10 };
  }
  return undefined;
}

function help(run: RunId, task: string, view: TaskView): Command | undefined {
  const { asking, state, reason } = view;
  if (asking !== null) {
    const isOpen = asking.kind === "conflict" || asking.kind === "stalled";
    const text = isOpen || asking.kind === "question";
    const answer = text ? ({ is: "text", text: "go on" } as const) : ({ is: "allow" } as const);
    return { type: "answer", run, task, ask: asking.id, answer };
  }
  if (state === "paused" || reason === "credentials")
    return { type: "resume", run, task, usd: null };
  return undefined;
}
