/** A full disk under a repository: what can't be written is refused whole, and works once there is space. */
import { randomBytes } from "node:crypto";
import { existsSync, globSync } from "node:fs";
import { join } from "node:path";
import { type TestContext, expect, test } from "vitest";
import { type FollowRecord, land, recoverFollow } from "../../src/git/land.ts";
import { snapshot } from "../../src/git/snapshot.ts";
import { type World, makeWorld, put } from "../integration/git/world.ts";
import { type SmallDisk, smallDisk } from "./tmpfs.ts";

const kilobyte = 1024;
const ref = "refs/muster/attempts/att_1/1";

/** A world on a disk of its own. */
async function onDisk(context: TestContext): Promise<{ disk: SmallDisk; world: World }> {
  const disk = await smallDisk(context, 8_000 * kilobyte);
  const before = process.env["TMPDIR"];
  process.env["TMPDIR"] = disk.path;
  try {
    return { disk, world: await makeWorld({ "a.txt": "one\n", "b.txt": "two\n" }) };
  } finally {
    if (before === undefined) delete process.env["TMPDIR"];
    else process.env["TMPDIR"] = before;
  }
}

/** No broken object, no lock, and no ref but those that were there. */
async function expectWhole(world: World, refs: string): Promise<void> {
  const fsck = await world.tryGit(["fsck", "--strict", "--no-dangling"]);
  expect([fsck.code, fsck.stdout, fsck.stderr]).toEqual([0, "", ""]);
  expect(globSync("**/*.lock", { cwd: join(world.root, ".git") })).toEqual([]);
  expect(await world.git(["for-each-ref"])).toBe(refs);
}

test("a snapshot on a full disk is refused and leaves the repository whole, and holds everything later (F12)", async (context) => {
  const { disk, world } = await onDisk(context);
  const { record, place } = await world.addWorktree("att_1");
  const bytes = randomBytes(300 * kilobyte);
  await put(join(record.path, "new.bin"), bytes);
  const refs = await world.git(["for-each-ref"]);
  disk.fill();
  await expect(snapshot(world.repo, place, { ref, message: "full" })).rejects.toThrow();
  disk.free();
  await expectWhole(world, refs);
  const taken = await snapshot(world.repo, place, { ref, message: "later" });
  expect(taken.left).toEqual([]);
  const kept = await world.git(["rev-parse", `${taken.commit}:new.bin`]);
  expect(await world.git(["hash-object", join(record.path, "new.bin")])).toBe(kept);
});

test("a worktree that can't be checked out on a full disk is completed once there is space (F12)", async (context) => {
  const { disk, world } = await onDisk(context);
  await world.write("big.bin", randomBytes(1_000 * kilobyte));
  await world.commit("big");
  disk.fill();
  await expect(world.addWorktree("att_1")).rejects.toThrow();
  disk.free();
  const { record } = await world.addWorktree("att_1");
  expect(await world.git(["status", "--porcelain"], { cwd: record.path })).toBe("");
  expect(existsSync(join(record.path, "big.bin"))).toBe(true);
  await expectWhole(world, await world.git(["for-each-ref"]));
});

test("a checkout that can't follow for want of space is completed once there is some, and a person's edit stays (F12)", async (context) => {
  const { disk, world } = await onDisk(context);
  const old = await world.git(["rev-parse", "HEAD"]);
  await world.git(["checkout", "-q", "-b", "work"]);
  await world.write("a.txt", "changed\n");
  for (const n of [1, 2, 3]) await world.write(`big-${n}.bin`, randomBytes(700 * kilobyte));
  const next = await world.commit("next");
  await world.git(["checkout", "-q", "main"]);
  await world.write("b.txt", "mine\n");
  const records: FollowRecord[] = [];
  const journal = {
    write: (record: FollowRecord) => {
      records.push(record);
    },
    clear: () => {
      records.pop();
    },
  };
  disk.fill();
  // Enough to begin with, and not for all of it.
  disk.leave(1_000 * kilobyte);
  const request = { target: "main", old, new: next, journal };
  await expect(land(world.repo, request)).rejects.toThrow();
  expect(await world.git(["rev-parse", "main"])).toBe(old);
  const [record] = records;
  if (record === undefined) throw new Error("the journal knows what is half done");
  await expect(recoverFollow(world.repo, record)).rejects.toThrow();
  disk.free();
  expect(await recoverFollow(world.repo, record)).toEqual({ landed: true, followed: world.root });
  expect(await world.git(["status", "--porcelain"])).toBe(" M b.txt");
  expect(await world.git(["rev-parse", "main"])).toBe(next);
  await expectWhole(world, await world.git(["for-each-ref"]));
});
