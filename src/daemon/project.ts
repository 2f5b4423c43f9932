/** What a project says of itself before a run: its target, gate and limits, and whether its own configuration is trusted. */
import { realpathSync } from "node:fs";
import type { RunRequest } from "../api/schema.ts";
import { proposeGate } from "../config/gates.ts";
import { type ProjectConfig, parseProjectConfig } from "../config/project.ts";
import type { UserConfig } from "../config/user.ts";
import { Fault } from "../core/fault.ts";
import type { Sha } from "../core/ids.ts";
import type { TaskSpec } from "../core/plan.ts";
import type { State } from "../core/state.ts";
import { type Repository, openRepository } from "../git/git.ts";
import { readFile } from "../git/inspect.ts";
import { readOwnConfig } from "../git/own-config.ts";
import { integrationPrefix } from "../git/integration.ts";
import { currentBranch, readRef } from "../git/refs.ts";
import { countUncommitted } from "../git/uncommitted.ts";
import { shellWord } from "../core/words.ts";
import type { ProjectFacts } from "../plan/resolve.ts";

const maxConfigBytes = 64 * 1024;

export interface PreparedProject extends ProjectFacts {
  readonly reason: string;
  readonly uncommitted: number;
}

/** Limits as far as they are said. */
export function pickLimits({
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

export interface Target {
  /** The branch that work lands on, and its head. */
  readonly target: string;
  readonly base: Sha;
  /** The commit that is checked out, and what it says. */
  readonly head: Sha;
  readonly config: ProjectConfig;
}

/** The branch that a run in `repo` lands on. Throws Fault `no_commits`, `detached_head`, `not_found`, `bad_config`. */
export async function readTarget(repo: Repository, wanted: string | undefined): Promise<Target> {
  const branch = await currentBranch(repo);
  const head = await requireHead(repo, branch);
  const config = await readConfig(repo, head);
  const target = wanted ?? config.target ?? ("branch" in branch ? branch.branch : undefined);
  if (target === undefined)
    throw new Fault(
      "detached_head",
      `${repo.root} has no branch checked out, so there is none to land on`,
      { remedy: "muster run --target main …" },
    );
  const base = await readRef(repo, `refs/heads/${target}`);
  if (base === null)
    throw new Fault("not_found", `branch ${target} does not exist in ${repo.root}`, {
      remedy: `git -C ${shellWord(repo.root)} branch ${shellWord(target)}`,
    });
  return { target, base, head, config };
}

/** Throws Fault `refused` where a task wants its project's own configuration and nobody has trusted that as it is. */
export async function requireTrusted(
  tasks: readonly TaskSpec[],
  env: Readonly<Record<string, string>>,
  state: State,
  scratch: string,
): Promise<void> {
  const seen = new Set<string>();
  for (const { key, profile, project, root, target: lane, standsFor } of tasks) {
    const target = standsFor ?? lane;
    if (profile !== "project" || seen.has(`${project}\0${target}`)) continue;
    seen.add(`${project}\0${target}`);
    const repo = await openRepository(root, env, { scratch });
    const base = await readRef(repo, `refs/heads/${target}`);
    if (base === null) continue; // Provisioning says so.
    const own = await readOwnConfig(repo, base);
    if (own.files.length === 0 || state.projects.get(project)?.trusted.includes(own.tree) === true)
      continue;
    throw new Fault(
      "refused",
      `task ${key} has profile: project, and nobody has trusted the Claude configuration of ${root} as it is on ${target}`,
      { remedy: `muster trust ${shellWord(root)}` },
    );
  }
}

/** Reads the project around `path`; `state` knows what was accepted and trusted there before. */
export async function readProject(
  path: string,
  request: RunRequest,
  person: UserConfig,
  state: State,
  scratch: string,
): Promise<PreparedProject> {
  const repo = await openRepository(path, request.env, { scratch });
  const { target, base, head, config } = await readTarget(repo, request.options.target);
  const settings = base === head ? config : await readConfig(repo, base);
  const proposed = settings.gate === null ? await propose(repo, base) : null;
  const accepted = state.projects.get(repo.common)?.gate ?? null;
  return {
    id: repo.common,
    root: realpathSync(repo.root),
    target,
    integration: settings.follow === "integration" ? await integrationPrefix(repo) : null,
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
