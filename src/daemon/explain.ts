/** `muster config explain`: every value with its source; the project's `muster.yaml` as it is at the target's head. */
import type { ConfigExplained } from "../api/service.ts";
import { allowedEnvironment } from "../config/environment.ts";
import { type Source, explain } from "../config/explain.ts";
import { userConfigPath } from "../config/paths.ts";
import { parseProjectConfig } from "../config/project.ts";
import { type UserConfig, parseUserConfig, readUserConfig } from "../config/user.ts";
import { Fault } from "../core/fault.ts";
import { defaultLimits, defaultParallel, defaultRunUsd } from "../core/plan.ts";
import { type Repository, openRepository } from "../git/git.ts";
import { currentBranch, readRef } from "../git/refs.ts";
import { propose, readConfig, requireHead } from "./project.ts";

/** Throws Fault `bad_config` with `file:line`. */
export async function explainConfig(): Promise<ConfigExplained> {
  const user = readUserConfig(process.env);
  return { user: explain(userSources(user)), project: await explainProject(user) };
}

function userSources(user: UserConfig): Source[] {
  const { limits, ceiling, ...plain } = defaultsOf();
  const { places, ...said } = user;
  return [
    {
      from: "default",
      values: {
        ...plain,
        ceiling,
        limits: { ...limits, parallel: defaultParallel, usd: defaultRunUsd },
      },
    },
    { from: userConfigPath(process.env), values: onlySaid(said, places), places },
  ];
}

/** What an empty file says. */
function defaultsOf(): Omit<UserConfig, "places"> {
  const { places: _places, ...values } = parseUserConfig("", "default");
  return values;
}

/** Values without those that nobody said: a parsed configuration has the defaults folded in. */
function onlySaid(
  values: Readonly<Record<string, unknown>>,
  places: Source["places"] & object,
): Record<string, unknown> {
  const said = new Set(Object.keys(places).map((key) => key.split(".")[0]));
  return Object.fromEntries(Object.entries(values).filter(([key]) => said.has(key)));
}

async function explainProject(user: UserConfig): Promise<ConfigExplained["project"]> {
  const env = allowedEnvironment(process.env, []);
  const repo = await openRepository(process.cwd(), env).catch((error: unknown) => {
    if (error instanceof Fault && error.code === "not_a_repository") return undefined;
    throw error;
  });
  if (repo === undefined) return null;
  const branch = await currentBranch(repo);
  const head = await requireHead(repo, branch);
  const named = (await readConfig(repo, head)).target;
  const target = named ?? ("branch" in branch ? branch.branch : "(detached)");
  const commit = (await readRef(repo, `refs/heads/${target}`).catch(() => null)) ?? head;
  const rows = explain(await projectSources(repo, commit, target, user));
  return { root: repo.root, target, commit, rows };
}

async function projectSources(
  repo: Repository,
  commit: string,
  target: string,
  user: UserConfig,
): Promise<Source[]> {
  const { places: _none, ...defaults } = parseProjectConfig("", "default");
  const { places, ...values } = await readConfig(repo, commit);
  const { turns, minutes } = user.limits;
  const proposed = values.gate === null ? await propose(repo, commit) : null;
  return [
    { from: "default", values: { ...defaults, limits: defaultLimits } },
    { from: "the branch checked out", values: { target } },
    {
      from: `proposed from ${proposed?.reason ?? "nothing"}, not accepted`,
      values: { gate: proposed?.gate ?? null },
    },
    {
      from: userConfigPath(process.env),
      values: { limits: { turns, minutes } },
      places: user.places,
    },
    { from: "muster.yaml", values: onlySaid(values, places), places },
  ];
}
