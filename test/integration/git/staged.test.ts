/** What is staged, where the index is no tree: unmerged entries, objects that are gone, an index that git can't read. */
import { existsSync } from "node:fs";
import { readFile, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { expect, test } from "vitest";
import { letGoOf } from "../../../src/git/gone.ts";
import { readSnapshot, restoreWorktree } from "../../../src/git/restore.ts";
import { snapshotMoved } from "../../../src/git/snapshot.ts";
import { ref, show, take } from "./taking.ts";
import { type World, makeWorld, put } from "./world.ts";

/** A merge with a conflict, and beside it content that is staged and nowhere else. */
async function conflicted(world: World) {
  const { record, place } = await world.addWorktree("att_1");
  const at = { cwd: record.path };
  await world.write("a.txt", "theirs\n");
  const theirs = await world.commit("theirs");
  await put(join(record.path, "a.txt"), "ours\n");
  await world.git(["commit", "-qam", "ours"], at);
  expect((await world.tryGit(["merge", "-q", theirs], at)).code).toBe(1);
  await put(join(record.path, "deep/staged.txt"), "staged only\n");
  await world.git(["add", "deep/staged.txt"], at);
  await put(join(record.path, "deep/staged.txt"), "edited since\n");
  await put(join(record.path, "a.txt"), "half resolved\n");
  const info = `100644 ${await hash(world, "a version of a person's\n")} 3\ta.txt\n`;
  await world.git(["update-index", "--index-info"], { ...at, input: info });
  return { record, place, at };
}

function hash(world: World, content: string): Promise<string> {
  return world.git(["hash-object", "-w", "--stdin"], { input: content });
}

async function gc(world: World): Promise<void> {
  await world.git(["reflog", "expire", "--expire=now", "--all"]);
  await world.git(["gc", "-q", "--prune=now"]);
}

test("an unmerged index is in the snapshot with every stage, and comes back as it was", async () => {
  const world = await makeWorld();
  const { record, place, at } = await conflicted(world);
  const index = await world.git(["ls-files", "-s", "-z"], at);
  const status = await world.git(["status", "--porcelain", "-z"], at);
  expect(index.match(/ [0-3]\t/g)).toEqual([" 1\t", " 2\t", " 3\t", " 0\t"]);
  const taken = await take(world, place);
  expect([taken.staged, taken.left]).toEqual([null, []]);
  expect(await snapshotMoved(world.repo, place, { ref, message: "round 1" }, taken)).toBe(taken);
  await world.git(["worktree", "remove", "-f", "-f", record.path]);
  await gc(world);
  const staged = taken.unmerged ?? "";
  expect(await show(world, staged, "0/deep/staged.txt")).toBe("staged only\n");
  expect(await show(world, staged, "3/a.txt")).toBe("a version of a person's\n");
  const parts = await readSnapshot(world.repo, taken.commit);
  await restoreWorktree(world.repo, { parts, path: record.path, branch: null });
  expect(await world.git(["ls-files", "-s", "-z"], at)).toBe(index);
  expect(await world.git(["status", "--porcelain", "-z"], at)).toBe(status);
  expect(await readFile(join(record.path, "a.txt"), "utf8")).toBe("half resolved\n");
});

test("what is staged by then is seen in an unmerged index too", async () => {
  const world = await makeWorld();
  const { record, place, at } = await conflicted(world);
  const taken = await take(world, place);
  const info = `100644 ${await hash(world, "another one\n")} 2\ta.txt\n`;
  await world.git(["update-index", "--index-info"], { ...at, input: info });
  const moved = { ...place, worktree: record.path };
  const again = await snapshotMoved(world.repo, moved, { ref, message: "round 1" }, taken);
  expect(await show(world, again.unmerged ?? "", "2/a.txt")).toBe("another one\n");
});

test("where an object is gone, everything else that is staged is kept", async () => {
  const world = await makeWorld();
  const { record, place } = await world.addWorktree("att_1");
  const at = { cwd: record.path };
  await put(join(record.path, "lost.txt"), "lost\n");
  await put(join(record.path, "kept.txt"), "kept\n");
  await world.git(["add", "-A"], at);
  const lost = await world.git(["rev-parse", ":lost.txt"], at);
  await rm(join(world.root, ".git/objects", lost.slice(0, 2), lost.slice(2)));
  await put(join(record.path, "lost.txt"), "changed\n");
  await put(join(record.path, "kept.txt"), "changed\n");
  const taken = await take(world, place);
  expect([taken.staged, taken.left]).toEqual([null, []]);
  expect(await show(world, taken.unmerged ?? "", "0/kept.txt")).toBe("kept\n");
});

test("an index that can't be read is named as left out; none at all is not", async () => {
  const world = await makeWorld();
  const { record, place } = await world.addWorktree("att_1");
  const index = join(record.gitDir, "index");
  await writeFile(index, "garbage");
  expect((await take(world, place)).left).toEqual([
    { path: ".git/index", bytes: 0, why: "unreadable" },
  ]);
  await rm(index);
  expect((await take(world, place)).left).toEqual([]);
});

test("a registration whose folder is gone goes once its unmerged entries are held, and stays with an index that can't be read", async () => {
  const world = await makeWorld();
  const { record, place } = await conflicted(world);
  await rm(record.path, { recursive: true });
  const request = { ref: "refs/muster/rescue/gone-att_1", message: "gone", trashDir: world.dir };
  const index = join(record.gitDir, "index");
  const bytes = await readFile(index);
  await writeFile(index, "garbage");
  expect(await letGoOf(world.repo, place, request)).toMatchObject({
    why: expect.stringContaining("index can't be read"),
  });
  await writeFile(index, bytes);
  expect(await letGoOf(world.repo, place, request)).toEqual({ ref: request.ref });
  expect(existsSync(record.gitDir)).toBe(false);
  expect(await show(world, request.ref, "3/a.txt")).toBe("a version of a person's\n");
});
