/** A lock in a worktree's git directory: taken away where its git is dead, and never where it lives, however old it looks. */
import { existsSync, lstatSync, mkdirSync, readdirSync, utimesSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import { commitAll } from "../../src/git/commit-all.ts";
import { clearStaleLocks } from "../../src/git/stale-lock.ts";
import { makeWorld, put } from "../integration/git/world.ts";
import { endGit, startGit } from "./slow-git.ts";

const pat = { name: "Pat", email: "pat@example.org" };

async function worktree() {
  const world = await makeWorld();
  const { record, place } = await world.addWorktree("att_1");
  const lock = join(record.gitDir, "index.lock");
  return { world, place, lock, path: record.path };
}

/** Makes a file an hour old. */
function age(path: string): void {
  const then = Date.now() / 1_000 - 3_600;
  utimesSync(path, then, then);
}

test("the lock of a git that is adding files stays until it is dead (F13)", async () => {
  const { world, place, lock, path } = await worktree();
  await put(join(path, ".gitattributes"), "slow.txt filter=slow\n");
  await put(join(path, "slow.txt"), "slow\n");
  const git = await startGit(world, path, (program) => [
    ...["-c", `filter.slow.clean=${program}`, "add", "-A"],
  ]);
  age(lock);
  const { ino } = lstatSync(lock);
  await expect(clearStaleLocks(place, 600)).rejects.toMatchObject({ code: "locked" });
  const head = await world.git(["rev-parse", "HEAD"], { cwd: path });
  expect(lstatSync(lock).ino).toBe(ino);
  await endGit(git);
  age(lock);
  await clearStaleLocks(place, 600);
  expect(existsSync(lock)).toBe(false);
  expect(readdirSync(place.gitDir).filter((name) => name.includes("muster"))).toEqual([]);
  expect(await world.git(["rev-parse", "HEAD"], { cwd: path })).toBe(head);
});

test("the lock of a git that waits for its editor, with no file open, stays (F13)", async () => {
  const { world, place, lock, path } = await worktree();
  await put(join(path, "a.txt"), "two\n");
  await startGit(world, path, (program) => ["-c", `core.editor=${program}`, "commit", "-a"]);
  age(lock);
  await expect(clearStaleLocks(place, 600)).rejects.toThrow(/git \(process \d+\) works there/);
  expect(existsSync(lock)).toBe(true);
});

test("a git that works elsewhere and was told of the worktree counts too (F13)", async () => {
  const { world, place, lock, path } = await worktree();
  await put(join(path, "a.txt"), "two\n");
  await startGit(world, world.dir, (program) => [
    ...[`--git-dir=${place.gitDir}`, `--work-tree=${path}`],
    ...["-c", `core.editor=${program}`, "commit", "-a"],
  ]);
  age(lock);
  await expect(clearStaleLocks(place, 600)).rejects.toMatchObject({ code: "locked" });
});

test("a lock that was left a moment ago is looked at for three seconds first (F13)", async () => {
  const { place, lock } = await worktree();
  writeFileSync(lock, "");
  const began = performance.now();
  await clearStaleLocks(place);
  expect(performance.now() - began).toBeGreaterThan(2_500);
  expect(existsSync(lock)).toBe(false);
});

test("a lock of the future, after the clock was set back, is taken away all the same (F9, F13)", async () => {
  const { place, lock } = await worktree();
  writeFileSync(lock, "");
  const then = Date.now() / 1_000 + 3_600;
  utimesSync(lock, then, then);
  await clearStaleLocks(place);
  expect(existsSync(lock)).toBe(false);
});

test("what is no file of git's is left where it is (F13)", async () => {
  const { place, lock } = await worktree();
  mkdirSync(join(lock, "mine"), { recursive: true });
  age(lock);
  await expect(clearStaleLocks(place, 300)).rejects.toThrow(/not a file of git's/);
  expect(existsSync(join(lock, "mine"))).toBe(true);
});

test("a commit that is refused for a lock has changed nothing, and one that is repeated makes no second (F13)", async () => {
  const { world, place, path } = await worktree();
  const head = await world.git(["rev-parse", "HEAD"], { cwd: path });
  await put(join(path, "a.txt"), "two\n");
  const git = await startGit(world, path, (program) => [
    ...["-c", `core.editor=${program}`, "commit", "-a"],
  ]);
  await expect(commitAll(world.repo, place, "all", pat)).rejects.toMatchObject({ code: "locked" });
  expect(await world.git(["rev-parse", "HEAD"], { cwd: path })).toBe(head);
  await endGit(git);
  const made = await commitAll(world.repo, place, "all", pat);
  expect(await commitAll(world.repo, place, "all", pat)).toBe(made);
  expect(await world.git(["rev-list", "--count", `${head}..HEAD`], { cwd: path })).toBe("1");
  expect(await world.git(["status", "--porcelain"], { cwd: path })).toBe("");
});
