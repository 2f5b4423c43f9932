/** A temporary home and repository, and plain git without any of our guards: the positive control. */
import { mkdtemp, mkdir, readFile, realpath, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { onTestFinished } from "vitest";
import {
  addWorktree,
  openPlace,
  type Place,
  type WorktreeRecord,
} from "../../../src/git/worktree.ts";
import { openRepository, type Repository } from "../../../src/git/git.ts";
import { run } from "../../../src/process/run.ts";

export interface World {
  readonly dir: string;
  readonly root: string;
  readonly env: Readonly<Record<string, string>>;
  readonly repo: Repository;
  /** Runs git as a person would and returns stdout; throws with stderr on a failure. */
  readonly git: (args: readonly string[], options?: GitOptions) => Promise<string>;
  /** The exit code and stderr of the same. */
  readonly tryGit: (
    args: readonly string[],
    options?: GitOptions,
  ) => Promise<{ code: number; stdout: string; stderr: string }>;
  /** Writes a file of the main checkout. */
  readonly write: (path: string, content: string | Buffer) => Promise<void>;
  readonly read: (path: string) => Promise<string>;
  readonly commit: (message: string) => Promise<string>;
  readonly addWorktree: (name: string) => Promise<{ record: WorktreeRecord; place: Place }>;
}

interface GitOptions {
  readonly cwd?: string;
  readonly input?: string;
  readonly env?: Readonly<Record<string, string>>;
}

export function scratchEnv(home: string): Record<string, string> {
  return {
    PATH: process.env["PATH"] ?? "",
    HOME: home,
    GIT_CONFIG_GLOBAL: join(home, ".gitconfig"),
    TZ: "UTC",
  };
}

/** A repository with `files` committed on `main`; removed when the test ends. */
export async function makeWorld(
  files: Readonly<Record<string, string>> = { "a.txt": "one\n" },
): Promise<World> {
  const dir = await realpath(await mkdtemp(join(tmpdir(), "muster-test-")));
  onTestFinished(() => rm(dir, { recursive: true, force: true }));
  const root = join(dir, "repo");
  await mkdir(root);
  await mkdir(join(dir, "scratch"));
  const env = scratchEnv(dir);
  await writeFile(
    join(dir, ".gitconfig"),
    "[user]\n\tname = Pat\n\temail = pat@example.org\n[init]\n\tdefaultBranch = main\n",
  );
  const tryGit: World["tryGit"] = async (args, options = {}) => {
    const done = await run({
      argv: ["git", ...args],
      cwd: options.cwd ?? root,
      env: { ...env, GIT_CONFIG_NOSYSTEM: "1", ...options.env },
      timeoutMs: 60_000,
      input: options.input ?? "",
    });
    return {
      code: done.code ?? 128,
      stdout: done.stdout.toString("utf8"),
      stderr: done.stderr.toString("utf8"),
    };
  };
  const git: World["git"] = async (args, options) => {
    const done = await tryGit(args, options);
    if (done.code !== 0) throw new Error(`git ${args.join(" ")}: ${done.code} ${done.stderr}`);
    return done.stdout.trimEnd();
  };
  const write: World["write"] = (path, content) => put(join(root, path), content);
  const commit: World["commit"] = async (message) => {
    await git(["add", "-A"]);
    await git(["commit", "-q", "--allow-empty", "-m", message]);
    return git(["rev-parse", "HEAD"]);
  };
  await git(["init", "-q"]);
  for (const [path, content] of Object.entries(files)) await write(path, content);
  await commit("first");
  const repo = await openRepository(root, env, { scratch: join(dir, "scratch") });
  return {
    dir,
    root,
    env,
    repo,
    git,
    tryGit,
    write,
    commit,
    read: (path) => readFile(join(root, path), "utf8"),
    addWorktree: async (name) => {
      const head = await git(["rev-parse", "HEAD"]);
      const record = await addWorktree(repo, {
        path: join(dir, "worktrees", name),
        branch: `muster/run_1/${name}`,
        commit: head,
        reason: "attempt",
      });
      return { record, place: await openPlace(repo, record) };
    },
  };
}

export async function put(path: string, content: string | Buffer): Promise<void> {
  await mkdir(dirname(path), { recursive: true });
  await writeFile(path, content);
}

/** Plain git sees a file whose second is over as clean; waits for the next full second. */
export function nextSecond(): Promise<void> {
  return new Promise((wake) => {
    setTimeout(wake, 1_005 - (Date.now() % 1_000));
  });
}
