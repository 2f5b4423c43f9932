/** Provisioning: a worktree on the target's head plus what the task stands on, then files to bring along, setup, artifacts. */
import { join } from "node:path";
import type { ProjectConfig } from "../config/project.ts";
import type { Basis, Effect } from "../core/effects.ts";
import { Fault } from "../core/fault.ts";
import type { Sha } from "../core/ids.ts";
import type { Observed } from "../core/inputs.ts";
import type { Worktree } from "../core/attempt.ts";
import { runCommand } from "../gate/command.ts";
import { type Repository, openRepository } from "../git/git.ts";
import { isAncestor, readFile, treeOf } from "../git/inspect.ts";
import { readLandingBase } from "../git/integration.ts";
import { readOwnConfig } from "../git/own-config.ts";
import { commitTree, mergeTree, muster } from "../git/merge.ts";
import { branchPrefix, readRef } from "../git/refs.ts";
import { readRegistrations } from "../git/registration.ts";
import { readIgnored } from "../git/snapshot.ts";
import { addWorktree } from "../git/worktree.ts";
import { bringAlong } from "./bring-along.ts";
import { writeBrought } from "./brought.ts";
import {
  type Host,
  gitEnvironment,
  maxArtifactBytes,
  openProject,
  projectFolder,
  requireGateEnvironment,
  timeouts,
  worktreeReason,
} from "./context.ts";
import { makeRoom } from "./branches.ts";
import { isFull } from "../process/full.ts";
import { handoverDir, putArtifact } from "./handed-over.ts";
import { portsOf } from "./ports.ts";
import { projectConfig } from "./project.ts";

type ProvisionEffect = Extract<Effect, { do: "provision" }>;

export async function provision(host: Host, effect: ProvisionEffect): Promise<Observed> {
  const { attempt, spec } = effect;
  const repo = await openProject(host, attempt.run, spec);
  const landing = await readLandingBase(repo, spec);
  if ("why" in landing) return failed(landing.why, null);
  const target = landing.base;
  const untrusted = await findUntrusted(repo, effect, target);
  if (untrusted !== undefined) return untrusted;
  const branch = `${await branchPrefix(repo)}${attempt.run}/${attempt.task}`;
  const path = join(projectFolder(host, spec.project, spec.root), attempt.id);
  // A worktree from before a crash keeps the base that it was made on.
  const made = await readMade(repo, path, branch);
  const based =
    made === null ? await mergeBasis(repo, target, effect.basis, attempt.task) : { base: made };
  if ("conflicts" in based) return { saw: "provision_conflicts", paths: based.conflicts };
  const { base } = based;
  const config = await projectConfig(host, attempt.run, spec, target);
  await makeRoom(repo, branch, attempt.id, host);
  const reason = worktreeReason(attempt.run, attempt.task);
  const record = await addWorktree(repo, { path, branch, commit: base, reason });
  const worktree: Worktree = {
    path: record.path,
    gitDir: record.gitDir,
    branch,
    base,
    baseTree: await treeOf(repo, base),
    config: target,
    basis: Object.fromEntries(effect.basis.map(({ key, head }) => [key, head])),
  };
  await bringAlong(repo, config, record.path, target);
  const broken = await setUp(host, effect, config, record.path);
  if (broken !== undefined) {
    const disk = isFull(record.path, host.home) ? { disk: true as const } : {};
    return { ...failed(broken, worktree), ...disk };
  }
  const place = { ...record, common: repo.common, worktree: record.path };
  await writeBrought(host, attempt.id, await readIgnored(repo, place));
  await handOver(host, effect);
  return { saw: "provisioned", worktree };
}

/** The project's own configuration, where the task loads it and nobody has trusted it as it is now. */
async function findUntrusted(
  repo: Repository,
  { spec, trusted }: ProvisionEffect,
  target: Sha,
): Promise<Observed | undefined> {
  if (spec.profile !== "project") return undefined;
  const { tree, files } = await readOwnConfig(repo, target);
  if (files.length === 0 || trusted.includes(tree)) return undefined;
  return { saw: "untrusted", tree, files: files.map(({ path }) => path) };
}

function failed(
  why: string,
  worktree: Worktree | null,
): Extract<Observed, { saw: "provision_failed" }> {
  return { saw: "provision_failed", why, retry: false, worktree };
}

/** The commit of a worktree that is there already; no session has touched it, so its branch is where it was made. */
async function readMade(repo: Repository, path: string, branch: string): Promise<Sha | null> {
  const isThere = (await readRegistrations(repo)).some((record) => record.path === path);
  return isThere ? readRef(repo, `refs/heads/${branch}`) : null;
}

/** The target's head with the needed commits merged in, in memory; or the paths where they conflict. */
async function mergeBasis(
  repo: Repository,
  target: Sha,
  basis: readonly Basis[],
  task: string,
): Promise<{ base: Sha } | { conflicts: readonly string[] }> {
  let base = target;
  for (const { key, head } of basis) {
    if (await isAncestor(repo, head, base)) continue;
    if (await isAncestor(repo, base, head)) {
      base = head;
      continue;
    }
    const merged = await mergeTree(repo, base, head);
    if (!merged.clean) return { conflicts: merged.paths };
    const message = `Merge ${key} as the base of ${task}\n`;
    base = await commitTree(repo, {
      tree: merged.tree,
      parents: [base, head],
      message,
      author: muster,
      committer: muster,
    });
  }
  return { base };
}

/** Runs setup in the new worktree; the failure as one line, undefined where all of it exited 0. */
async function setUp(
  host: Host,
  { attempt, spec, key }: ProvisionEffect,
  config: ProjectConfig,
  worktree: string,
): Promise<string | undefined> {
  if (config.setup.length === 0) return undefined;
  const ports = await portsOf(host, attempt.id, config.ports);
  const env = { ...requireGateEnvironment(host, attempt.run), ...config.env, ...ports };
  const cwd = spec.cwd === null ? worktree : join(worktree, spec.cwd);
  for (const [i, command] of config.setup.entries()) {
    const dir = join(host.home, "gates", `${key}-setup`.replaceAll(":", "-"), String(i + 1));
    const result = await runCommand({
      dir,
      command,
      cwd,
      env,
      timeoutMs: timeouts.setupMs,
      tag: dir,
    });
    if (result.exit !== 0)
      return `setup \`${command}\` ${result.exit === null ? "timed out" : `exited ${result.exit}`}, log ${result.log}`;
  }
  return undefined;
}

/** Read-only copies of what needed tasks of other projects promised, at their verified commits. */
async function handOver(host: Host, { attempt, handovers }: ProvisionEffect): Promise<void> {
  for (const { key, root, commit, artifacts } of handovers) {
    const from = await openRepository(root, gitEnvironment(host, attempt.run), {
      scratch: join(host.home, "tmp"),
    });
    for (const path of artifacts) {
      const bytes = await readFile(from, commit, path, maxArtifactBytes);
      if (bytes === undefined)
        throw new Fault("not_found", `artifact ${path} of ${key} is not in ${commit.slice(0, 12)}`);
      await putArtifact(join(handoverDir(host, attempt.id), key, path), bytes);
    }
  }
}
