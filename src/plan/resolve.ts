/** Answers what a plan leaves open: options of the run, then the task, then its project, then muster's defaults. */
import { assert } from "../core/fault.ts";
import type { ProjectId } from "../core/ids.ts";
import { defaultLimits } from "../core/plan.ts";
import type { Limits, Permissions, Plan, PlannedTask, RunnerName, TaskSpec } from "../core/plan.ts";
import { needed, taskKey } from "./graph.ts";

/** What only the project knows: its place, and its `muster.yaml` at the base commit. */
export interface ProjectFacts {
  readonly id: ProjectId;
  readonly root: string;
  readonly target: string;
  /** What the name of a branch of muster's own begins with, where work lands on those; null where it lands on the person's. */
  readonly integration: string | null;
  readonly gate: readonly string[] | null;
  readonly gateFrom: TaskSpec["gateFrom"];
  /** A repository may only narrow: there is no `allow`. */
  readonly permissions: Pick<Partial<Permissions>, "ask" | "deny">;
  readonly limits: Partial<Limits>;
}

/** What was said on the command line: it goes over every plan. */
export interface RunOptions {
  readonly runner?: RunnerName;
  readonly model?: string;
  readonly target?: string;
  readonly gate?: readonly string[];
  readonly limits?: Partial<Limits>;
  readonly waitMs?: number | null;
}

export const defaultModel = "sonnet";
const defaultRunner: RunnerName = "claude-cli";

/** The tasks that a task needs, by the names it needs them by. */
export interface NeededTask {
  readonly plan: Plan;
  readonly task: PlannedTask;
  readonly project: ProjectFacts;
}

interface Context {
  readonly plan: Plan;
  readonly plans: number;
  readonly options: RunOptions;
  readonly neededTask: (name: string) => NeededTask;
}

/** The task as it runs in `project`. */
export function resolveTask(task: PlannedTask, project: ProjectFacts, context: Context): TaskSpec {
  const { options, plan } = context;
  const gate = options.gate ?? task.gate;
  // A plan's target is a branch of the run's own project (design §5).
  const planTarget = task.project === null ? plan.target : null;
  const target = options.target ?? task.target ?? planTarget ?? project.target;
  return {
    key: taskKey(plan.id, task.id, context.plans),
    id: task.id,
    plan: plan.id,
    project: project.id,
    root: project.root,
    target: project.integration === null ? target : `${project.integration}${target}`,
    standsFor: project.integration === null ? null : target,
    prompt: task.prompt,
    needs: task.needs.map((need) => resolveNeed(need, project, context)),
    runner: options.runner ?? task.runner ?? defaultRunner,
    model: options.model ?? task.model ?? defaultModel,
    profile: task.profile ?? "isolated",
    gate: gate ?? project.gate,
    gateFrom: gate === null ? project.gateFrom : "said",
    limits: { ...defaultLimits, ...project.limits, ...task.limits, ...options.limits },
    cwd: task.cwd,
    paths: task.paths,
    artifacts: task.artifacts,
    tools: task.tools,
    permissions: resolvePermissions(task.permissions, project, options),
    approval: task.approval,
    land: task.land ?? "local",
  };
}

function resolveNeed(
  need: PlannedTask["needs"][number],
  project: ProjectFacts,
  context: Context,
): TaskSpec["needs"][number] {
  const to = context.neededTask(need.task);
  return {
    key: taskKey(to.plan.id, to.task.id, context.plans),
    when: need.when ?? (to.task.approval ? "landed" : "verified"),
    // Across projects, and on work that lands nowhere, a need orders and hands over artifacts only (design §5).
    merge: to.project.id === project.id && to.task.land !== "none",
  };
}

function resolvePermissions(
  said: Partial<Permissions>,
  project: ProjectFacts,
  options: RunOptions,
): Permissions {
  const both = (key: "ask" | "deny"): readonly string[] => [
    ...new Set([...(project.permissions[key] ?? []), ...(said[key] ?? [])]),
  ];
  const waitMs = options.waitMs === undefined ? said.waitMs : options.waitMs;
  const rules = { allow: said.allow ?? [], ask: both("ask"), deny: both("deny") };
  return waitMs === undefined ? rules : { ...rules, waitMs };
}

/**
 * Every task of a run's plans, resolved, in the plans' order. The plans have passed `requireRunnable`; `count` is the number of plans
 * of the run, which may have more than these.
 */
export function resolveRun(
  plans: readonly Plan[],
  projectOf: (task: PlannedTask) => ProjectFacts,
  options: RunOptions = {},
  count: number = plans.length,
): readonly TaskSpec[] {
  const all = plans.flatMap((plan) =>
    plan.tasks.map((task) => ({ plan, task, project: projectOf(task) })),
  );
  const byName = new Map(all.map((each) => [`${each.plan.id}.${each.task.id}`, each]));
  return all.map(({ plan, task, project }) =>
    resolveTask(task, project, {
      plan,
      plans: count,
      options,
      neededTask: (name) => {
        const to = needed(plan.id, name);
        const found = byName.get(`${to.plan}.${to.task}`);
        assert(found !== undefined, `need ${name} was checked`);
        return found;
      },
    }),
  );
}
