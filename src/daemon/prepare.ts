/** Preparing a run: plans read, projects opened, every question answered or refused, before the first event. */
import { readFileSync, realpathSync } from "node:fs";
import { dirname, resolve } from "node:path";
import type { RunRequest } from "../api/schema.ts";
import { proposeGate } from "../config/gates.ts";
import type { UserConfig } from "../config/user.ts";
import { parseProjectConfig } from "../config/project.ts";
import { Fault } from "../core/fault.ts";
import type { Plan, PlannedTask, TaskSpec } from "../core/plan.ts";
import { defaultParallel, defaultRunUsd } from "../core/plan.ts";
import type { State } from "../core/state.ts";
import { type Repository, openRepository } from "../git/git.ts";
import { readFile } from "../git/inspect.ts";
import { currentBranch, readRef } from "../git/refs.ts";
import { countUncommitted } from "../git/uncommitted.ts";
import { requireRunnable } from "../plan/graph.ts";
import { parseMarkdown } from "../plan/markdown.ts";
import { parsePlanYaml } from "../plan/plan-yaml.ts";
import { planFromPrompts } from "../plan/prompts.ts";
import { type ProjectFacts, resolveRun } from "../plan/resolve.ts";
import { isSdkInstalled } from "../runner/claude-sdk.ts";
import { configOf } from "./caller.ts";

export interface PreparedProject extends ProjectFacts {
  readonly reason: string;
  readonly uncommitted: number;
}

export interface Prepared {
  readonly name: string;
  readonly plans: readonly Plan[];
  readonly tasks: readonly TaskSpec[];
  readonly projects: readonly PreparedProject[];
  readonly parallel: number;
  readonly usd: number;
}

const maxConfigBytes = 64 * 1024;

/** Throws the Fault that names what is wrong and where; nothing has been started then. */
export async function prepare(
  request: RunRequest,
  state: State,
  scratch: string,
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
  const tasks = resolveRun(plans, (task) => places.get(task) as PreparedProject, {
    ...(options.runner === undefined ? {} : { runner: options.runner }),
    ...(options.model === undefined ? {} : { model: options.model }),
    ...(options.target === undefined ? {} : { target: options.target }),
    ...(options.gate === undefined ? {} : { gate: options.gate }),
    limits: pickLimits(options),
    ...(options.waitMs === undefined ? {} : { waitMs: options.waitMs }),
  });
  for (const task of tasks) refuseUnsupported(task);
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
    parallel:
      options.parallel ??
      (plans.length === 1 ? only?.parallel : null) ??
      config.limits.parallel ??
      defaultParallel,
    usd:
      options.usd ?? (plans.length === 1 ? only?.usd : null) ?? config.limits.usd ?? defaultRunUsd,
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

function pickLimits({
  turns,
  minutes,
}: {
  readonly turns?: number | undefined;
  readonly minutes?: number | undefined;
}) {
  return {
    ...(turns === undefined ? {} : { turns }),
    ...(minutes === undefined ? {} : { minutes }),
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
      throw new Fault("bad_plan", `${path} is not UTF-8 text`, { remedy: `file ${path}`, cause });
    return undefined;
  }
}

async function readProject(
  path: string,
  request: RunRequest,
  person: UserConfig,
  state: State,
  scratch: string,
): Promise<PreparedProject> {
  const repo = await openRepository(path, request.env, { scratch });
  const branch = await currentBranch(repo);
  const head = await requireHead(repo, branch);
  const config = await readConfig(repo, head);
  const target =
    request.options.target ?? config.target ?? ("branch" in branch ? branch.branch : undefined);
  if (target === undefined)
    throw new Fault(
      "detached_head",
      `${repo.root} has no branch checked out, so there is none to land on`,
      { remedy: "muster run --target main …" },
    );
  const base = await readRef(repo, `refs/heads/${target}`);
  if (base === null)
    throw new Fault("not_found", `branch ${target} does not exist in ${repo.root}`, {
      remedy: `git -C ${repo.root} branch ${target}`,
    });
  const settings = base === head ? config : await readConfig(repo, base);
  if (settings.follow === "integration")
    throw new Fault("bad_config", "muster.yaml has follow: integration, which is not there yet", {
      remedy: "use follow: checkout, commit it, then: muster plan",
    });
  const proposed = settings.gate === null ? await propose(repo, base) : null;
  const accepted = state.projects.get(repo.common)?.gate ?? null;
  return {
    id: repo.common,
    root: realpathSync(repo.root),
    target,
    gate: settings.gate ?? accepted ?? proposed?.gate ?? null,
    gateFrom:
      settings.gate !== null
        ? "said"
        : accepted !== null || proposed !== null
          ? "proposed"
          : "missing",
    reason: accepted === null ? (proposed?.reason ?? "") : "",
    permissions: settings.permissions,
    limits: { ...pickLimits(person.limits), ...settings.limits },
    uncommitted: await countUncommitted(repo),
  };
}

export async function requireHead(
  repo: Repository,
  branch: Awaited<ReturnType<typeof currentBranch>>,
): Promise<string> {
  if ("detached" in branch) return branch.detached;
  const head = "branch" in branch ? await readRef(repo, `refs/heads/${branch.branch}`) : null;
  if (head !== null) return head;
  throw new Fault("no_commits", `${repo.root} has no commits yet`, {
    remedy: 'git add -A && git commit -m "Start"',
  });
}

export async function readConfig(repo: Repository, commit: string) {
  const text = await readFile(repo, commit, "muster.yaml", maxConfigBytes);
  return parseProjectConfig(text?.toString("utf8") ?? "", "muster.yaml");
}

/** Looks at the few files that say how a project is tested, as they are in the commit. */
export async function propose(repo: Repository, commit: string) {
  const names = [
    "package.json",
    "package-lock.json",
    "pnpm-lock.yaml",
    "yarn.lock",
    "bun.lock",
    "bun.lockb",
    "Makefile",
    "makefile",
    "GNUmakefile",
    "pyproject.toml",
    "pytest.ini",
    "setup.cfg",
    "tox.ini",
    "uv.lock",
    "poetry.lock",
    "Cargo.toml",
    "go.mod",
  ];
  const texts = new Map<string, string>();
  for (const name of names) {
    const bytes = await readFile(repo, commit, name, 16 * 1024 * 1024).catch(() => undefined);
    if (bytes !== undefined) texts.set(name, bytes.toString("utf8"));
  }
  return proposeGate((path) => texts.get(path));
}
