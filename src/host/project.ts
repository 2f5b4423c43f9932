/** What a project says of itself at a commit: its `muster.yaml`. Only the base commit's counts for an attempt. */
import { type ProjectConfig, parseProjectConfig } from "../config/project.ts";
import type { RunId, Sha } from "../core/ids.ts";
import type { TaskSpec } from "../core/plan.ts";
import { readFile } from "../git/inspect.ts";
import { type Host, openProject } from "./context.ts";

const maxConfigBytes = 64 * 1024;
const cache = new Map<string, ProjectConfig>();
/** Entries are small; a commit's configuration never changes. */
const maxCached = 200;

/** The configuration of a task's project at `commit`. Throws Fault `bad_config` with `muster.yaml:line`. */
export async function projectConfig(
  host: Host,
  run: RunId,
  spec: TaskSpec,
  commit: Sha,
): Promise<ProjectConfig> {
  const key = `${spec.project}\0${commit}`;
  const known = cache.get(key);
  if (known !== undefined) return known;
  const repo = await openProject(host, run, spec);
  const text = await readFile(repo, commit, "muster.yaml", maxConfigBytes);
  const config = parseProjectConfig(text?.toString("utf8") ?? "", "muster.yaml");
  if (cache.size >= maxCached) cache.clear();
  cache.set(key, config);
  return config;
}
