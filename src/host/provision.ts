/** Provisioning: a worktree on the target's head plus what the task stands on, then files to bring along, setup, artifacts. */
import { cpSync, existsSync, globSync, lstatSync, mkdirSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import type { ProjectConfig } from "../config/project.ts";
import type { Basis, Effect } from "../core/effects.ts";
import { Fault } from "../core/fault.ts";
import type { Sha } from "../core/ids.ts";
import type { Observed } from "../core/inputs.ts";
import { runCommand } from "../gate/command.ts";
import { type Repository, git, openRepository } from "../git/git.ts";
import { isAncestor, readFile, treeOf } from "../git/inspect.ts";
import { commitTree, mergeTree, muster } from "../git/merge.ts";
import { branchPrefix, readRef } from "../git/refs.ts";
import { addWorktree } from "../git/worktree.ts";
import {
  type Host,
  gitEnvironment,
  maxArtifactBytes,
  openProject,
  projectFolder,
  requireEnvironment,
  timeouts,
  worktreeReason,
} from "./context.ts";
import { makeRoom } from "./branches.ts";
import { handoverDir } from "./handed-over.ts";
import { portsOf } from "./ports.ts";
import { projectConfig } from "./project.ts";

type ProvisionEffect = Extract<Effect, { do: "provision" }>;

export async function provision(host: Host, effect: ProvisionEffect): Promise<Observed> {
  const { attempt, spec } = effect;
  const repo = await openProject(host, attempt.run, spec);
  const target = await readRef(repo, `refs/heads/${spec.target}`);
  if (target === null)
    return { saw: "provision_failed", why: `branch ${spec.target} does not exist`, retry: false };
  const based = await mergeBasis(repo, target, effect.basis, attempt.task);
  if ("conflicts" in based) return { saw: "provision_conflicts", paths: based.conflicts };
  const { base } = based;
  const config = await projectConfig(host, attempt.run, spec, base);
  const branch = `${await branchPrefix(repo)}${attempt.run}/${attempt.task}`;
  await makeRoom(repo, branch, attempt.id, host);
  const path = join(projectFolder(host, spec.project, spec.root), attempt.id);
  const record = await addWorktree(repo, {
    path,
    branch,
    commit: base,
    reason: worktreeReason(attempt.run, attempt.task),
  });
  await bringAlong(repo, config, record.path, base);
  const failed = await setUp(host, effect, config, record.path);
  if (failed !== undefined) return { saw: "provision_failed", why: failed, retry: false };
  await handOver(host, effect);
  const basis = Object.fromEntries(effect.basis.map(({ key, head }) => [key, head]));
  return {
    saw: "provisioned",
    worktree: {
      path: record.path,
      gitDir: record.gitDir,
      branch,
      base,
      baseTree: await treeOf(repo, base),
      basis,
    },
  };
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

/** Ignored files of the person's checkout that the project wants in every worktree; links are not followed. */
async function bringAlong(
  repo: Repository,
  config: ProjectConfig,
  worktree: string,
  base: Sha,
): Promise<void> {
  const include =
    (await readFile(repo, base, ".worktreeinclude", 64 * 1024))?.toString("utf8") ?? "";
  const listed = include
    .split("\n")
    .map((line) => line.trim())
    .filter((line) => line !== "" && !line.startsWith("#"));
  const wanted = [...config.copy, ...listed.map((line) => line.replace(/^\//, ""))];
  if (wanted.length === 0) return;
  const found = globSync(wanted, { cwd: repo.root }).filter(
    (path) => !path.startsWith("..") && path !== ".git",
  );
  if (found.length === 0) return;
  const asked = await git(repo, ["check-ignore", "-z", "--stdin"], {
    input: found.join("\0"),
    okCodes: [0, 1],
    cwd: repo.root,
    env: { GIT_DIR: repo.gitDir, GIT_WORK_TREE: repo.root },
  });
  for (const path of asked.stdout
    .toString("utf8")
    .split("\0")
    .filter((p) => p !== "")) {
    const to = join(worktree, path);
    if (existsSync(to)) continue;
    mkdirSync(dirname(to), { recursive: true });
    cpSync(join(repo.root, path), to, {
      recursive: true,
      verbatimSymlinks: true,
      errorOnExist: false,
      force: false,
    });
  }
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
  const env = { ...requireEnvironment(host, attempt.run).gate, ...config.env, ...ports };
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
      const to = join(handoverDir(host, attempt.id), key, path);
      mkdirSync(dirname(to), { recursive: true, mode: 0o700 });
      if (!existsSync(to) || lstatSync(to).size !== bytes.length)
        writeFileSync(to, bytes, { mode: 0o400 });
    }
  }
}
