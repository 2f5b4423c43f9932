/**
 * The needs of one run's tasks: every need names a task that is there, and none comes back to where it started. A need is
 * `task` for a task of the same plan, `plan.task` for one of another. Everything is iterative: 10,000 tasks may need each other
 * in one chain.
 */
import { Fault, assert } from "../core/fault.ts";
import type { TaskKey } from "../core/ids.ts";
import type { Plan, PlannedTask } from "../core/plan.ts";
import { refuse } from "./problem.ts";
import type { Problem } from "./problem.ts";
import { count, quote, suggest } from "../core/words.ts";

/** Tasks of one run (issue: "10,000-task plan"). */
export const maxTasks = 10_000;
/** More problems than anybody reads; each costs a search for the word that was meant. */
const maxProblems = 100;
const maxCycleShown = 8;

export interface NeedProblem {
  readonly task: PlannedTask;
  /** Index of the need in the task. */
  readonly need: number;
  readonly text: string;
}

interface Node {
  readonly plan: string;
  readonly task: PlannedTask;
  /** Index of the needed node by index of the need; -1 where there is none. */
  readonly needs: number[];
}

/** A task's key in a run of `plans` plans. */
export function taskKey(plan: string, task: string, plans: number): TaskKey {
  return plans > 1 ? `${plan}.${task}` : task;
}

/** The plan and the task that a need of a task of `plan` names. */
export function needed(
  plan: string,
  need: string,
): { readonly plan: string; readonly task: string } {
  const dot = need.indexOf(".");
  return dot < 0 ? { plan, task: need } : { plan: need.slice(0, dot), task: need.slice(dot + 1) };
}

/**
 * What is wrong with the needs of `plans` together: unknown tasks, needs of oneself, cycles. With `partial`, needs of plans that
 * are not among them are left for a later look at all plans.
 */
export function needProblems(
  plans: readonly Plan[],
  options: { readonly partial?: boolean } = {},
): readonly NeedProblem[] {
  const nodes: Node[] = [];
  const indexes = new Map<string, number>();
  for (const plan of plans) {
    for (const task of plan.tasks) {
      indexes.set(`${plan.id}.${task.id}`, nodes.length);
      nodes.push({ plan: plan.id, task, needs: [] });
    }
  }
  const problems: NeedProblem[] = [];
  for (const [index, node] of nodes.entries()) {
    for (const [need, each] of node.task.needs.entries()) {
      const to = needed(node.plan, each.task);
      const target = indexes.get(`${to.plan}.${to.task}`) ?? -1;
      const usable = target >= 0 && target !== index;
      node.needs.push(usable && !node.needs.includes(target) ? target : -1);
      const later = options.partial === true && plans.every((plan) => plan.id !== to.plan);
      if (usable || later || problems.length >= maxProblems) continue;
      const text =
        target === index
          ? "needs itself, expected another task"
          : unknownNeed(plans, to, each.task);
      problems.push({ task: node.task, need, text: `task ${quote(node.task.id)} ${text}` });
    }
  }
  return [...problems, ...cycles(nodes, plans.length)];
}

function unknownNeed(
  plans: readonly Plan[],
  to: { readonly plan: string; readonly task: string },
  written: string,
): string {
  const plan = plans.find((each) => each.id === to.plan);
  const dotted = written.includes(".");
  if (plan === undefined) {
    const meant = suggest(
      to.plan,
      plans.map((each) => each.id),
    );
    const hint = meant === undefined ? "" : `, did you mean ${quote(`${meant}.${to.task}`)}`;
    return `needs ${quote(written)}, but no plan of this run is ${quote(to.plan)}${hint}`;
  }
  const meant = suggest(
    to.task,
    plan.tasks.map((task) => task.id),
  );
  const other = plans.find(
    (each) => each !== plan && each.tasks.some((task) => task.id === to.task),
  );
  const hint = meant ?? (dotted || other === undefined ? undefined : `${other.id}.${to.task}`);
  const word = hint !== undefined && meant !== undefined && dotted ? `${plan.id}.${hint}` : hint;
  return `needs unknown task ${quote(written)}${word === undefined ? "" : `, did you mean ${quote(word)}`}`;
}

/** One problem for each cycle that a walk in depth closes, said at the task that stands first in its file. */
function cycles(nodes: readonly Node[], plans: number): readonly NeedProblem[] {
  const problems: NeedProblem[] = [];
  const state = new Uint8Array(nodes.length); // 0 new, 1 on the path, 2 done
  for (let start = 0; start < nodes.length; start++) {
    if (state[start] !== 0) continue;
    const path: { readonly index: number; next: number }[] = [{ index: start, next: 0 }];
    state[start] = 1;
    for (let top = path.at(-1); top !== undefined; top = path.at(-1)) {
      const to = nodes[top.index]?.needs[top.next++];
      if (to === undefined) {
        state[top.index] = 2;
        path.pop();
      } else if (to >= 0 && state[to] === 0) {
        state[to] = 1;
        path.push({ index: to, next: 0 });
      } else if (to >= 0 && state[to] === 1 && problems.length < maxProblems) {
        const from = path.findIndex((step) => step.index === to);
        problems.push(cycle(nodes, path.slice(from), plans));
      }
    }
  }
  return problems;
}

function cycle(
  nodes: readonly Node[],
  steps: readonly { readonly index: number; readonly next: number }[],
  plans: number,
): NeedProblem {
  const firstAt = steps.reduce(
    (best, step, at) => (step.index < (steps[best]?.index ?? 0) ? at : best),
    0,
  );
  const ring = [...steps.slice(firstAt), ...steps.slice(0, firstAt)];
  const names = ring.flatMap(({ index }) => {
    const node = nodes[index];
    return node === undefined ? [] : [taskKey(node.plan, node.task.id, plans)];
  });
  const shown =
    names.length <= maxCycleShown
      ? names
      : [
          ...names.slice(0, maxCycleShown),
          `… ${count(names.length - maxCycleShown, "more task")} …`,
        ];
  const first = ring[0];
  const task = first === undefined ? undefined : nodes[first.index]?.task;
  assert(first !== undefined && task !== undefined, "a cycle has a task");
  const text = `tasks need each other in a circle: ${[...shown, names[0]].join(" → ")}`;
  return { task, need: first.next - 1, text };
}

/**
 * Throws Fault `bad_plan` where the plans of one run don't fit together: no plan, too many tasks, a need that names
 * nothing, a cycle over all of them. Their ids differ: readers are told the taken ones.
 */
export function requireRunnable(plans: readonly Plan[]): void {
  const tasks = plans.reduce((sum, plan) => sum + plan.tasks.length, 0);
  if (tasks === 0) {
    throw new Fault("bad_plan", "nothing to run: no plan and no prompt", {
      remedy: 'To run one task, run muster run "what to do"',
    });
  }
  if (tasks > maxTasks) {
    throw new Fault("bad_plan", `${tasks} tasks in one run, expected at most ${maxTasks}`, {
      remedy: "To run them in parts, run muster run once for each plan",
    });
  }
  const ids = new Set<string>();
  for (const plan of plans) {
    assert(!ids.has(plan.id), "the plans of one run have different ids");
    ids.add(plan.id);
  }
  refuse(
    needProblems(plans).map((problem): Problem => ({ ...problem.task.place, text: problem.text })),
  );
}
