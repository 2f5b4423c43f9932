/** Random fleets: projects, plans as graphs of tasks, limits, approvals, gates of every kind. */
import type { RunId } from "../../core/ids.ts";
import type { Capacity } from "../../core/inputs.ts";
import type { TaskSpec } from "../../core/plan.ts";
import { type Start, startOf, taskSpec } from "../core.ts";
import type { Random } from "./random.ts";

export interface SimulatedProject {
  readonly id: string;
  readonly root: string;
  /** What muster would propose there. */
  readonly proposal: readonly string[] | null;
}

export function randomProjects(r: Random): SimulatedProject[] {
  return Array.from({ length: r.between(1, 2) }, (_, i) => ({
    id: `/p${i}/.git`,
    root: `/p${i}`,
    proposal: r.pick([null, ["test"], ["test", "lint"]]),
  }));
}

export function randomCapacity(r: Random): Capacity {
  return { parallel: r.between(1, 5), resident: r.between(1, 6), gates: r.between(1, 3) };
}

/** A run of 1 to 12 tasks in one to three plans over the given projects. */
export function randomStart(r: Random, run: RunId, projects: readonly SimulatedProject[]): Start {
  const plans = ["a", "b", "c"].slice(0, r.pick([1, 1, 2, 3]));
  const tasks: TaskSpec[] = [];
  const size = r.pick([1, 2, 3, 3, 4, 5, 6, 8, 12]);
  for (let i = 0; i < size; i++) tasks.push(randomTask(r, i, plans, projects, tasks));
  return startOf(tasks, {
    run,
    parallel: r.between(1, 4),
    usd: r.pick([50, 10, 3, 0.5]),
    plans: plans.map((id) => ({ id, parallel: r.pick([null, 1, 2]), usd: null })),
    waitMs: r.pick([null, 0, 60_000, 900_000]),
    attended: r.chance(0.7),
    acceptGates: r.chance(0.5),
    credential: r.pick(["key", "key", "login"]),
  });
}

function randomTask(
  r: Random,
  i: number,
  plans: readonly string[],
  projects: readonly SimulatedProject[],
  before: readonly TaskSpec[],
): TaskSpec {
  const plan = r.pick(plans);
  const { id: project, root, proposal } = r.pick(projects);
  const target = r.pick(["main", "main", "main", "next"]);
  const land = r.pick(["local", "local", "local", "push", "none"] as const);
  const needs = before
    .filter(() => r.chance(0.25))
    .map((needed) => ({
      key: needed.key,
      when: needed.approval || r.chance(0.2) ? ("landed" as const) : ("verified" as const),
      merge: needed.project === project && needed.target === target && needed.land !== "none",
    }));
  const gateFrom = r.pick(["said", "said", "proposed"] as const);
  const said = r.pick([[], ["test"], ["test", "lint"]]);
  const gate = gateFrom === "said" ? said : proposal;
  return taskSpec(plans.length === 1 ? `t${i}` : `${plan}.t${i}`, {
    id: `t${i}`,
    plan,
    project,
    root,
    target,
    standsFor: null,
    needs,
    gate,
    gateFrom: gate === null ? "missing" : gateFrom,
    limits: {
      turns: 60 - r.int(53),
      minutes: r.pick([120, 45, 15]),
      usd: r.pick([5, 2, 0.5]),
      fixes: 2 - r.int(3),
    },
    paths: r.chance(0.2) ? ["src/**"] : null,
    artifacts: r.chance(0.2) ? ["docs/a.md"] : [],
    model: r.pick(["sonnet", "sonnet", "opus"]),
    profile: r.chance(0.1) ? "project" : "isolated",
    permissions: {
      allow: [],
      ask: [],
      deny: [],
      ...(r.chance(0.1) ? { waitMs: r.pick([null, 0, 60_000]) } : {}),
    },
    approval: r.chance(0.2),
    land,
  });
}
