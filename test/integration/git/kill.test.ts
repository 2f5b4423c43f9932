import { readFile, readdir, stat } from "node:fs/promises";
import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as pause } from "node:timers/promises";
import { expect, test } from "vitest";
import { recoverFollow, type FollowRecord } from "../../../src/git/land.ts";
import { run } from "../../../src/process/run.ts";
import { pids } from "../../../src/process/identity.ts";
import { makeWorld, type World } from "./world.ts";

const files = 3_000;

function pathOf(n: number): string {
  return `d${n % 40}/f${n}`;
}

async function makeBig(): Promise<{ world: World; old: string; next: string }> {
  const all = Array.from({ length: files }, (_, n) => [pathOf(n), `${n}\n`.repeat(400)] as const);
  const world = await makeWorld(Object.fromEntries(all));
  const old = await world.git(["rev-parse", "HEAD"]);
  await world.git(["checkout", "-q", "-b", "work"]);
  for (const [path, text] of all.slice(100)) await world.write(path, `${text}more\n`);
  for (let n = 0; n < 100; n++) await world.write(`new/f${n}`, `${n}\n`.repeat(500));
  const next = await world.commit("next");
  await world.git(["checkout", "-q", "main"]);
  await world.git(["branch", "-q", "-D", "work"]);
  return { world, old, next };
}

/** Waits for a condition by asking often; the limit is the test's own. */
async function until(isTrue: () => Promise<boolean>): Promise<void> {
  while (!(await isTrue())) await pause(1);
}

function killGit(worktree: string): number {
  const found = pids().filter((pid) => {
    try {
      const words = readFileSync(`/proc/${pid}/cmdline`, "utf8").split("\0");
      return words.includes(`--work-tree=${worktree}`) && words.includes("read-tree");
    } catch {
      return false;
    }
  });
  for (const pid of found) process.kill(pid, "SIGKILL");
  return found.length;
}

/** Starts a landing in a process of its own, and kills it, with or without its git, once `share` of the new files exist. */
async function landAndKill(
  world: World,
  old: string,
  next: string,
  share: number,
  withGit: boolean,
): Promise<FollowRecord> {
  const journal = join(world.dir, "journal");
  // git writes in the order of the index: this file's turn comes after about this share of them.
  const probe = join(
    world.root,
    `d${10 + Math.floor(share * 30)}/f${10 + Math.floor(share * 30) + 1_000}`,
  );
  const before = (await stat(probe)).mtimeMs;
  const killer = new AbortController();
  const landing = run({
    argv: [
      process.execPath,
      join(import.meta.dirname, "lander.ts"),
      world.root,
      old,
      next,
      journal,
    ],
    cwd: world.dir,
    env: world.env,
    timeoutMs: 60_000,
    signal: killer.signal,
  });
  await until(async () => existsSync(journal));
  // git removes a file before it writes the new one: gone counts as changed.
  await until(async () => (await stat(probe).catch(() => undefined))?.mtimeMs !== before);
  if (withGit) expect(killGit(world.root)).toBe(1);
  killer.abort();
  await landing;
  const token = await readFile(journal, "utf8");
  return {
    worktree: world.root,
    gitDir: join(world.root, ".git"),
    target: "main",
    old,
    new: next,
    token,
  };
}

test("a daemon killed while files move, with and without its git, recovers (F1)", async ({
  skip,
}) => {
  skip(process.platform !== "linux", "finds the git process in /proc");
  const { world, old, next } = await makeBig();
  await world.write("mine.txt", "untracked\n");
  for (const [share, withGit] of [
    [0.1, true],
    [0.5, true],
    [0.2, false],
  ] as const) {
    const record = await landAndKill(world, old, next, share, withGit);
    expect(await recoverFollow(world.repo, record)).toEqual({
      landed: true,
      followed: world.root,
    });
    expect(await world.git(["rev-parse", "main"])).toBe(next);
    expect(await world.git(["status", "--porcelain"])).toBe("?? mine.txt");
    expect(
      (await readdir(join(world.root, ".git"))).filter((name) => name.startsWith("index.")),
    ).toEqual([]);
    await world.git(["reset", "-q", "--hard", old]);
  }
});
