/** Preparing a run: plans read, projects opened, every question answered or refused, before the first event. */
import { readFileSync } from "node:fs";
import { dirname, resolve } from "node:path";
import type { RunRequest } from "../api/schema.ts";
import type { UserConfig } from "../config/user.ts";
import { Fault } from "../core/fault.ts";
import type { Plan, PlannedTask, TaskSpec } from "../core/plan.ts";
import { defaultParallel, defaultRunUsd } from "../core/plan.ts";
import type { State } from "../core/state.ts";
import { requireRunnable } from "../plan/graph.ts";
import { parseMarkdown } from "../plan/markdown.ts";
import { parsePlanYaml } from "../plan/plan-yaml.ts";
import { planFromPrompts } from "../plan/prompts.ts";
import { resolveRun } from "../plan/resolve.ts";
import type { ProjectId } from "../core/ids.ts";
import { isSdkInstalled } from "../runner/claude-sdk.ts";
import { configOf } from "./callers/caller.ts";
import { type Continued, continued } from "./continued.ts";
import { type PreparedProject, pickLimits, readProject, requireTrusted } from "./project.ts";
import type { Found } from "./projection.ts";
import { shellWord } from "../core/words.ts";

export interface Prepared {
  readonly name: string;
  readonly plans: readonly Plan[];
  readonly tasks: readonly TaskSpec[];
  readonly projects: readonly PreparedProject[];
  readonly parallel: number;
  readonly usd: number;
  /** The run that takes `tasks`, which are only those that are new to it; null for a run of its own. */
  readonly into: Continued | null;
}

/** Finds the run that plans in these projects go on with. */
export type FindRun = (plans: readonly Plan[], projects: ReadonlySet<ProjectId>) => Promise<Found>;

/** Throws the Fault that names what is wrong and where; nothing has been started then. */
export async function prepare(
  request: RunRequest,
  state: State,
  scratch: string,
  find: FindRun,
): Promise<Prepared> {
  const config = configOf(request);
  const plans = readPlans(request);
  requireRunnable(plans);
  const projects = new Map<string, PreparedProject>();
  const open = async (path: string): Promise<PreparedProject> => {
    const known = projects.get(path);
    if (known !== undefined) return known;
    const facts = await readProject(path, request, config, state, scratch);
    projects.set(path, facts);
    return facts;
  };
  const places = new Map<PlannedTask, PreparedProject>();
  for (const plan of plans)
    for (const task of plan.tasks) {
      const near =
        task.project === null ? request.cwd : resolve(dirname(task.place.file), task.project);
      places.set(task, await open(near));
    }
  const { options } = request;
  const ids = new Set([...projects.values()].map(({ id }) => id));
  const found = request.continue === true ? await find(plans, ids) : null;
  const projectOf = (task: PlannedTask): PreparedProject => places.get(task) as PreparedProject;
  const said = {
    ...(options.runner === undefined ? {} : { runner: options.runner }),
    ...(options.model === undefined ? {} : { model: options.model }),
    ...(options.target === undefined ? {} : { target: options.target }),
    ...(options.gate === undefined ? {} : { gate: options.gate }),
    limits: pickLimits(options),
    ...(options.waitMs === undefined ? {} : { waitMs: options.waitMs }),
  };
  const all = resolveRun(plans, projectOf, said, found?.run.plans.size);
  const into = found === null ? null : continued(found, all);
  const tasks = into?.added ?? all;
  for (const task of tasks) refuseUnsupported(task);
  await requireTrusted(tasks, request.env, state, scratch);
  if (tasks.some(({ runner }) => runner === "claude-sdk") && !(await isSdkInstalled()))
    throw new Fault("no_claude", "the runner claude-sdk needs the Agent SDK", {
      remedy:
        "npm install --global @anthropic-ai/claude-agent-sdk, or: muster run --runner claude-cli …",
    });
  const [only] = plans;
  return {
    name:
      plans.length === 1 && only !== undefined
        ? only.name
        : plans.map(({ name }) => name).join(", "),
    plans,
    tasks: tasks.map((task) => withinCeiling(task, config.ceiling)),
    projects: [...projects.values()],
    into,
    parallel:
      into?.found.run.parallel ??
      options.parallel ??
      (plans.length === 1 ? only?.parallel : null) ??
      config.limits.parallel ??
      defaultParallel,
    usd:
      options.usd ??
      into?.found.run.usd ??
      (plans.length === 1 ? only?.usd : null) ??
      config.limits.usd ??
      defaultRunUsd,
  };
}

/** Refuses what this version can't do, rather than doing less. */
function refuseUnsupported({ key, land }: TaskSpec): void {
  if (land === "push" || land === "pr")
    throw new Fault("bad_plan", `task ${key} has land: ${land}, which is not there yet`, {
      remedy: "use land: local or land: none, then: muster plan",
    });
}

/** A plan may allow what the person's ceiling does not forbid; the ceiling's own ask and deny rules hold everywhere. */
function withinCeiling(task: TaskSpec, ceiling: UserConfig["ceiling"]): TaskSpec {
  if (ceiling === null) return task;
  const { allow: most } = ceiling;
  const beyond =
    most === undefined ? undefined : task.permissions.allow.find((rule) => !most.includes(rule));
  if (beyond !== undefined)
    throw new Fault(
      "bad_plan",
      `task ${task.key} allows ${beyond}, which is beyond the ceiling of the user configuration`,
      { remedy: "muster config explain" },
    );
  const { ask, deny } = task.permissions;
  return {
    ...task,
    permissions: {
      ...task.permissions,
      ask: [...ask, ...(ceiling.ask ?? [])],
      deny: [...deny, ...(ceiling.deny ?? [])],
    },
  };
}

function readPlans({ sources, prompts, cwd }: RunRequest): Plan[] {
  const taken = new Set<string>();
  const plans: Plan[] = [];
  const add = (plan: Plan): void => {
    taken.add(plan.id);
    plans.push(plan);
  };
  for (const { path, text } of sources) {
    const read = (name: string): string | undefined => readText(resolve(cwd, dirname(path), name));
    if (/\.ya?ml$/i.test(path)) add(parsePlanYaml(text, path, taken, read));
    else add(parseMarkdown(text, path, taken));
  }
  if (prompts.length > 0) add(planFromPrompts(prompts, "prompts", taken));
  return plans.map((plan) => ({
    ...plan,
    tasks: plan.tasks.map((task) => ({
      ...task,
      place: { ...task.place, file: resolve(cwd, task.place.file) },
    })),
  }));
}

function readText(path: string): string | undefined {
  try {
    return new TextDecoder("utf-8", { fatal: true }).decode(readFileSync(path));
  } catch (cause) {
    if (cause instanceof TypeError)
      throw new Fault("bad_plan", `${shellWord(path)} is not UTF-8 text`, {
        remedy: `file ${shellWord(path)}`,
        cause,
      });
    return undefined;
  }
}
