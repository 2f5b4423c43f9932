/**
 * Private git directories: ours from the first byte, made for one operation and removed after it. They share the repository's
 * objects and nothing else, so no configuration, attribute file, hook, filter or driver that an agent can write to the shared
 * git directory is ever read. Three kinds:
 *   sealed  objects only: no worktree, no configuration at all. For merges, diffs, logs, commits.
 *   raw     a worktree's bytes as they are: conversions and filters off by an attribute that beats every other.
 *   person  a worktree as its owner's own git sees it: their global and system configuration (with its filters), and the
 *           repository's line-ending settings; never the repository's own filters.
 */
import { mkdir, mkdtemp, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import type { Sha } from "../core/ids.ts";
import { readSmall } from "./files.ts";
import { git, type GitCall, type GitOutput, type Repository } from "./git.ts";

export type Sight = "sealed" | "raw" | "person";

export interface PrivateDir {
  readonly dir: string;
  readonly env: Readonly<Record<string, string>>;
  /** Runs git in this directory's environment; `call.env` comes on top. */
  git(args: readonly string[], call?: GitCall): Promise<GitOutput>;
}

export interface PrivateRequest {
  readonly sight: Sight;
  /** Top of the worktree that is looked at; none for `sealed`. */
  readonly worktree?: string;
  /** What HEAD is, for `status`. Default: unborn. */
  readonly head?: Sha;
  /** The index to use instead of a private one. */
  readonly index?: string;
}

const rawAttributes = "* -filter -text -ident -working-tree-encoding\n";

/** Makes a private git directory, calls `use` with it, and removes it however `use` ends. */
export async function withPrivateDir<T>(
  repo: Repository,
  request: PrivateRequest,
  use: (own: PrivateDir) => Promise<T>,
): Promise<T> {
  const dir = await mkdtemp(join(repo.scratch, "muster-git-"));
  try {
    await furnish(repo, dir, request);
    const env = environment(repo, dir, request);
    const cwd = request.worktree ?? dir;
    return await use({
      dir,
      env,
      git: (args, call = {}) => git(repo, args, { cwd, ...call, env: { ...env, ...call.env } }),
    });
  } finally {
    await rm(dir, { recursive: true, force: true });
  }
}

/** Runs one command that needs objects only, sealed from every configuration. */
export function sealed(
  repo: Repository,
  args: readonly string[],
  call: GitCall = {},
): Promise<GitOutput> {
  return withPrivateDir(repo, { sight: "sealed" }, (own) => own.git(args, call));
}

async function furnish(repo: Repository, dir: string, request: PrivateRequest): Promise<void> {
  const exclude =
    request.sight === "sealed" ? undefined : await readSmall(join(repo.common, "info/exclude"));
  await mkdir(join(dir, "refs"));
  await mkdir(join(dir, "info"));
  await writeFile(
    join(dir, "HEAD"),
    request.head === undefined ? "ref: refs/heads/none\n" : `${request.head}\n`,
  );
  await writeFile(join(dir, "config"), configuration(repo, request));
  if (request.sight === "raw") await writeFile(join(dir, "info/attributes"), rawAttributes);
  if (exclude !== undefined) await writeFile(join(dir, "info/exclude"), exclude, "latin1");
}

function configuration(repo: Repository, request: PrivateRequest): string {
  const mac = process.platform === "darwin";
  const { autocrlf, eol } = repo.eol;
  const core = [
    `repositoryformatversion = ${repo.format === "sha1" ? 0 : 1}`,
    `bare = ${request.worktree === undefined}`,
    "untrackedCache = false",
    "splitIndex = false",
    ...(mac ? ["ignoreCase = true", "precomposeUnicode = true"] : []),
    ...(request.sight === "person" && autocrlf !== null ? [`autocrlf = ${autocrlf}`] : []),
    ...(request.sight === "person" && eol !== null ? [`eol = ${eol}`] : []),
  ];
  const format = repo.format === "sha1" ? [] : ["[extensions]", "\tobjectFormat = sha256"];
  return ["[core]", ...core.map((line) => `\t${line}`), ...format, ""].join("\n");
}

function environment(
  repo: Repository,
  dir: string,
  request: PrivateRequest,
): Record<string, string> {
  return {
    GIT_DIR: dir,
    GIT_OBJECT_DIRECTORY: join(repo.common, "objects"),
    GIT_SHALLOW_FILE: join(repo.common, "shallow"),
    GIT_INDEX_FILE: request.index ?? join(dir, "index"),
    ...(request.worktree === undefined ? {} : { GIT_WORK_TREE: request.worktree }),
    ...(request.sight === "sealed"
      ? { GIT_CONFIG_GLOBAL: "/dev/null", GIT_CONFIG_NOSYSTEM: "1", GIT_ATTR_NOSYSTEM: "1" }
      : {}),
  };
}
