/** The second look: what a worktree holds once it lies in the trash, before anything of it is deleted. */
import { spawn } from "node:child_process";
import { once } from "node:events";
import { existsSync } from "node:fs";
import { readFile, readdir, rm, writeFile } from "node:fs/promises";
import { dirname, join } from "node:path";
import { expect, test } from "vitest";
import { snapshotMoved } from "../../../src/git/snapshot.ts";
import { deleteTrash, sortTrash } from "../../../src/git/trash.ts";
import { type Place, retireWorktree } from "../../../src/git/worktree.ts";
import { ref, show, take } from "./taking.ts";
import { type World, makeWorld, put } from "./world.ts";

const request = { ref, message: "last" };

/** As a start does. */
async function emptyTrash(
  trash: string,
): Promise<Omit<Awaited<ReturnType<typeof sortTrash>>, "held">> {
  const { held, ...sorted } = await sortTrash(trash);
  for (const path of held) await deleteTrash(path);
  return sorted;
}

test("what was written between snapshot and rename is in a snapshot of its own", async () => {
  const world = await makeWorld();
  const { record, place } = await world.addWorktree("att_1");
  await put(join(record.path, "before.txt"), "before\n");
  const taken = await take(world, place);
  await put(join(record.path, "after.txt"), "after\n");
  await put(join(record.path, "before.txt"), "BEFORE\n");
  await world.git(["add", "after.txt"], { cwd: record.path });
  const looked: string[] = [];
  const done = await retireWorktree(world.repo, place, join(world.dir, "trash"), async (moved) => {
    expect(existsSync(record.path)).toBe(false);
    const again = await snapshotMoved(world.repo, moved, request, taken);
    expect(again.commit).not.toBe(taken.commit);
    expect(await snapshotMoved(world.repo, moved, request, again)).toBe(again);
    looked.push(again.commit);
    return true;
  });
  expect(done.retired).toBe(true);
  expect([await world.git(["rev-parse", ref])]).toEqual(looked);
  expect(await show(world, ref, "after.txt")).toBe("after\n");
  expect(await show(world, ref, "before.txt")).toBe("BEFORE\n");
  // The first one stays reachable.
  expect((await world.tryGit(["merge-base", "--is-ancestor", taken.commit, ref])).code).toBe(0);
});

test("a commit that was made and reset away between snapshot and rename is held, too (F34)", async () => {
  const world = await makeWorld();
  const { record, place } = await world.addWorktree("att_1");
  const inside = { cwd: record.path };
  const taken = await take(world, place);
  await put(join(record.path, "mine.txt"), "mine\n");
  await world.git(["add", "mine.txt"], inside);
  await world.git(["commit", "-qm", "mine"], inside);
  const mine = await world.git(["rev-parse", "HEAD"], inside);
  await world.git(["reset", "-q", "--hard", "HEAD~1"], inside);
  await retireWorktree(world.repo, place, join(world.dir, "trash"), async (moved) => {
    const again = await snapshotMoved(world.repo, moved, request, taken);
    expect(await snapshotMoved(world.repo, moved, request, again)).toBe(again);
    return true;
  });
  expect((await world.tryGit(["merge-base", "--is-ancestor", mine, ref])).code).toBe(0);
});

test("nothing new is taken where nothing has changed, but for a ref that someone moved", async () => {
  const world = await makeWorld();
  const { record, place } = await world.addWorktree("att_1");
  await put(join(record.path, "new.txt"), "x\n");
  const taken = await take(world, place);
  expect(await snapshotMoved(world.repo, place, request, taken)).toBe(taken);
  await world.git(["update-ref", "-d", ref]);
  const again = await snapshotMoved(world.repo, place, request, taken);
  expect(again.commit).toBe(await world.git(["rev-parse", ref]));
  expect(again.content).toBe(taken.content);
});

test("a folder that is not held goes back to where it was, also where looking fails", async () => {
  const world = await makeWorld();
  const { record, place } = await world.addWorktree("att_1");
  await put(join(record.path, "new.txt"), "x\n");
  const trash = join(world.dir, "trash");
  const refused = await retireWorktree(world.repo, place, trash, async () => false);
  expect(refused).toEqual({ retired: false, why: "not_held" });
  const broken = retireWorktree(world.repo, place, trash, () =>
    Promise.reject(new Error("broken")),
  );
  await expect(broken).rejects.toThrow("broken");
  expect(await readdir(trash)).toEqual([]);
  expect(await readFile(join(record.path, "new.txt"), "utf8")).toBe("x\n");
  expect(await world.git(["status", "--porcelain"], { cwd: record.path })).toBe("?? new.txt");
});

test("where someone took its place meanwhile, it goes beside that and out of the trash", async () => {
  const world = await makeWorld();
  const { record, place } = await world.addWorktree("att_1");
  await put(join(record.path, "new.txt"), "x\n");
  const trash = join(world.dir, "trash");
  await retireWorktree(world.repo, place, trash, async () => {
    await put(join(record.path, "by-a-stray-process"), "y\n");
    return false;
  });
  const [beside = "", ...others] = (await readdir(dirname(record.path))).filter((name) =>
    name.startsWith("att_1-"),
  );
  expect(others).toEqual([]);
  expect(await readdir(record.path)).toEqual(["by-a-stray-process"]);
  const saved = join(dirname(record.path), beside);
  expect(await readFile(join(saved, "new.txt"), "utf8")).toBe("x\n");
  expect(await readdir(trash)).toEqual([]);
  await rm(saved, { recursive: true });
});

/** Takes it away in a process of its own, which is killed at `when`. */
async function retireAndKill(world: World, { gitDir, worktree }: Place, when: string) {
  const trash = join(world.dir, "trash");
  const args = [world.root, gitDir, worktree, trash, when];
  const child = spawn(process.execPath, [join(import.meta.dirname, "retirer.ts"), ...args], {
    cwd: world.dir,
    env: world.env,
    stdio: ["ignore", "pipe", "inherit"],
  });
  const closed = once(child, "close");
  await once(child.stdout, "data");
  child.kill("SIGKILL");
  await closed;
  return trash;
}

test("what a kill leaves in the trash before the second look goes back, and is taken away anew (F1)", async () => {
  const world = await makeWorld();
  const { record, place } = await world.addWorktree("att_1");
  await take(world, place);
  await put(join(record.path, "late.txt"), "after the snapshot\n");
  const trash = await retireAndKill(world, place, "looking");
  expect(existsSync(record.path)).toBe(false);
  expect(await emptyTrash(trash)).toEqual({ back: [record.path], left: [] });
  expect(await readdir(trash)).toEqual([]);
  expect(await readFile(join(record.path, "late.txt"), "utf8")).toBe("after the snapshot\n");
  expect(await world.git(["status", "--porcelain"], { cwd: record.path })).toBe("?? late.txt");
  await take(world, place);
  expect(await retireWorktree(world.repo, place, trash)).toMatchObject({ retired: true });
  expect(await show(world, ref, "late.txt")).toBe("after the snapshot\n");
});

test("what a kill leaves in the trash once it is held is deleted (F1)", async () => {
  const world = await makeWorld();
  const { record, place } = await world.addWorktree("att_1");
  await take(world, place);
  const trash = await retireAndKill(world, place, "proved");
  expect(await readdir(trash)).toHaveLength(2);
  expect(await emptyTrash(trash)).toEqual({ back: [], left: [] });
  expect(await readdir(trash)).toEqual([]);
  expect(existsSync(record.path)).toBe(false);
});

test("what can't go back is left in the trash, start after start, until its place is free (F1)", async () => {
  const world = await makeWorld();
  const { record, place } = await world.addWorktree("att_1");
  await put(join(record.path, "only.txt"), "only here\n");
  const trash = await retireAndKill(world, place, "looking");
  await put(join(record.path, "by-a-stray-process"), "y\n");
  await writeFile(join(trash, "torn.from"), "/some");
  for (let start = 0; start < 2; start++) {
    const { back, left } = await emptyTrash(trash);
    expect([back.length, left.length, (await readdir(trash)).length]).toEqual([0, 1, 2]);
    expect(await readFile(join(left[0] ?? "", "only.txt"), "utf8")).toBe("only here\n");
  }
  await rm(record.path, { recursive: true });
  expect(await emptyTrash(trash)).toEqual({ back: [record.path], left: [] });
  expect(await readFile(join(record.path, "only.txt"), "utf8")).toBe("only here\n");
});
