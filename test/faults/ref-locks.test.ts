/** A lock beside a ref that a killed git left: taken away where no git lives in the repository, and named where one does. */
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import {
  existsSync,
  mkdirSync,
  readFileSync,
  symlinkSync,
  utimesSync,
  writeFileSync,
} from "node:fs";
import { dirname, join } from "node:path";
import { expect, test } from "vitest";
import { deleteRef, updateRef } from "../../src/git/refs.ts";
import { snapshot } from "../../src/git/snapshot.ts";
import { clearRepositoryLock, readRepositoryLocks } from "../../src/git/stale-lock.ts";
import { type World, makeWorld, put } from "../integration/git/world.ts";
import { endGit, startGit } from "./slow-git.ts";

const ref = "refs/muster/attempts/att_1/1";

/** A lock that is an hour old. */
function leave(world: World, name: string): string {
  const lock = join(world.repo.common, `${name}.lock`);
  mkdirSync(dirname(lock), { recursive: true });
  writeFileSync(lock, "");
  const then = Date.now() / 1_000 - 3_600;
  utimesSync(lock, then, then);
  return lock;
}

/** A person's git in the main checkout that waits for its editor. */
async function startCommit(world: World): Promise<ChildProcess> {
  await world.write("a.txt", "two\n");
  return startGit(world, world.root, (program) => ["-c", `core.editor=${program}`, "commit", "-a"]);
}

test("a snapshot is taken, and the target moves, though a dead git left a lock beside the ref (F13)", async () => {
  const world = await makeWorld();
  const { record, place } = await world.addWorktree("att_1");
  await put(join(record.path, "new.txt"), "new\n");
  const locks = [leave(world, ref), leave(world, "refs/heads/main")];
  expect((await world.tryGit(["update-ref", ref, "HEAD"])).code).toBe(128);
  const taken = await snapshot(world.repo, place, { ref, message: "last" });
  expect(await world.git(["rev-parse", ref])).toBe(taken.commit);
  const old = await world.git(["rev-parse", "main"]);
  const made = await world.git(["commit-tree", "-p", old, "-m", "next", `${old}^{tree}`]);
  expect(await updateRef(world.repo, "refs/heads/main", made, old)).toBe("moved");
  expect(locks.filter((lock) => existsSync(lock))).toEqual([]);
});

test("a ref that is packed goes though a dead git left the lock of the packed refs (F13)", async () => {
  const world = await makeWorld();
  const sha = await world.git(["rev-parse", "HEAD"]);
  await world.git(["update-ref", ref, sha]);
  await world.git(["pack-refs", "--all"]);
  const lock = leave(world, "packed-refs");
  expect(await deleteRef(world.repo, ref, sha)).toBe("deleted");
  expect(existsSync(lock)).toBe(false);
});

test("a lock stays while any git lives in the repository, and who it is, is said (F13)", async () => {
  const world = await makeWorld();
  const git = await startCommit(world);
  const lock = leave(world, ref);
  const sha = await world.git(["rev-parse", "HEAD"]);
  expect(await readRepositoryLocks(world.repo)).toEqual([]);
  await expect(updateRef(world.repo, ref, sha, null)).rejects.toMatchObject({
    code: "locked",
    message: expect.stringMatching(/att_1\/1\.lock is in the way: .*process \d+/),
  });
  expect(existsSync(lock)).toBe(true);
  await endGit(git);
  expect(await readRepositoryLocks(world.repo)).toEqual([lock]);
  expect(await updateRef(world.repo, ref, sha, null)).toBe("moved");
});

test("a lock that a link leads to is nobody's business (F13)", async () => {
  const world = await makeWorld();
  const lock = leave(world, "elsewhere/1");
  mkdirSync(join(world.repo.common, "refs/muster/attempts"), { recursive: true });
  symlinkSync(dirname(lock), join(world.repo.common, "refs/muster/attempts/att_1"));
  const sha = await world.git(["rev-parse", "HEAD"]);
  await expect(updateRef(world.repo, ref, sha, null)).rejects.toMatchObject({ code: "locked" });
  expect(await readRepositoryLocks(world.repo)).toEqual([]);
  expect(existsSync(lock)).toBe(true);
});

/** Takes a lock away in a process that is killed once it has claimed it; `raced`: the lock became another's before. */
async function claimAndKill(world: World, lock: string, how: "alone" | "raced"): Promise<void> {
  const claimer = join(import.meta.dirname, "claimer.ts");
  const child = spawn(process.execPath, [claimer, world.root, lock, how], {
    cwd: world.dir,
    env: world.env,
    stdio: ["ignore", "ignore", "inherit"],
  });
  expect(await once(child, "exit")).toEqual([null, "SIGKILL"]);
}

test("what a kill leaves of a lock that was claimed is no ref, and is found and taken away (F1, F13)", async () => {
  const world = await makeWorld();
  const lock = leave(world, "refs/heads/main");
  await claimAndKill(world, lock, "alone");
  expect(existsSync(lock)).toBe(false);
  expect(await world.tryGit(["log", "--all", "-1", "--format=%s"])).toMatchObject({
    code: 0,
    stdout: "first\n",
    stderr: "",
  });
  expect((await world.tryGit(["fsck"])).code).toBe(0);
  const found = await readRepositoryLocks(world.repo);
  expect(found.map((path) => dirname(path))).toEqual([world.repo.common]);
  for (const left of found) await clearRepositoryLock(world.repo, left);
  expect(found.filter((left) => existsSync(left))).toEqual([]);
});

test("a lock that somebody else made in the place of the one that was looked at goes back (F13)", async () => {
  const world = await makeWorld();
  const lock = leave(world, "refs/heads/main");
  await claimAndKill(world, lock, "raced");
  expect(readFileSync(lock, "utf8")).toBe("theirs");
});
