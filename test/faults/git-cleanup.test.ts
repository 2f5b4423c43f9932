/** Worktrees that are cleaned up, by muster or by others: what was in them is still there, also after git's own cleaning. */
import { randomBytes } from "node:crypto";
import { existsSync } from "node:fs";
import { readFile, rm } from "node:fs/promises";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { restoreSnapshot } from "../../src/git/restore.ts";
import { snapshot } from "../../src/git/snapshot.ts";
import { deleteTrash } from "../../src/git/trash.ts";
import { addWorktree, openPlace, retireWorktree } from "../../src/git/worktree.ts";
import { type World, makeWorld, put } from "../integration/git/world.ts";

const ref = "refs/muster/attempts/att_1/1";
type Git = (...args: readonly string[]) => Promise<string>;

/** What a person would call cleaning up, as thorough as it gets. */
async function cleanHard({ git }: World): Promise<void> {
  await git(["worktree", "prune", "--expire=now"]);
  await git(["reflog", "expire", "--expire=now", "--expire-unreachable=now", "--all"]);
  await git(["gc", "-q", "--prune=now"]);
}

interface Variant {
  readonly what: string;
  /** Leaves work in the worktree; returns files by path that must come back, and commits that must stay. */
  leave(at: string, git: Git): Promise<{ files: Record<string, Buffer>; commits: string[] }>;
}

const variants: readonly Variant[] = [
  {
    what: "changed, staged and untracked files",
    async leave(at, git) {
      const files = {
        "a.txt": randomBytes(100),
        "staged.bin": randomBytes(5_000),
        "deep/er/new.bin": randomBytes(5_000),
      };
      for (const [path, bytes] of Object.entries(files)) await put(join(at, path), bytes);
      await git("add", "staged.bin");
      return { files, commits: [] };
    },
  },
  {
    what: "commits on its branch and beside it",
    async leave(at, git) {
      await git("commit", "-q", "--allow-empty", "-m", "mine");
      const one = await git("rev-parse", "HEAD");
      await git("switch", "-q", "--detach");
      await put(join(at, "a.txt"), "detached\n");
      await git("commit", "-qam", "detached");
      return {
        files: { "a.txt": Buffer.from("detached\n") },
        commits: [one, await git("rev-parse", "HEAD")],
      };
    },
  },
  {
    what: "a commit that was reset away",
    async leave(_, git) {
      await git("commit", "-q", "--allow-empty", "-m", "regretted");
      const gone = await git("rev-parse", "HEAD");
      await git("reset", "-q", "--hard", "HEAD~1");
      return { files: { "a.txt": Buffer.from("one\n") }, commits: [gone] };
    },
  },
  {
    what: "ignored files and another repository in it",
    async leave(at, git) {
      await put(join(at, ".gitignore"), "*.log\n");
      const files = { "debug.log": randomBytes(2_000), "inner/file": randomBytes(2_000) };
      for (const [path, bytes] of Object.entries(files)) await put(join(at, path), bytes);
      await git("init", "-q", "inner");
      return { files, commits: [] };
    },
  },
];

describe("after muster cleaned up and git did", () => {
  test.each(variants)("$what are still there, byte for byte (F34)", async ({ leave }) => {
    const world = await makeWorld();
    const { record, place } = await world.addWorktree("att_1");
    const git: Git = (...args) => world.git(args, { cwd: record.path });
    const { files, commits } = await leave(record.path, git);
    const taken = await snapshot(world.repo, place, { ref, message: "last" });
    expect(taken.left).toEqual([]);
    const done = await retireWorktree(world.repo, place, join(world.dir, "trash"));
    if (!done.retired || done.trash === null || done.metadata === null)
      throw new Error("it was retired");
    await deleteTrash(done.trash);
    await deleteTrash(done.metadata);
    await world.git(["branch", "-q", "-D", "muster/run_1/att_1"]);
    await cleanHard(world);
    const back = join(world.dir, "back");
    await restoreSnapshot(world.repo, await world.git(["rev-parse", ref]), back);
    for (const [path, bytes] of Object.entries(files))
      expect((await readFile(join(back, path))).equals(bytes), path).toBe(true);
    for (const commit of commits)
      expect(await world.git(["merge-base", "--is-ancestor", commit, ref])).toBe("");
    expect((await world.tryGit(["fsck", "--strict", "--no-dangling"])).code).toBe(0);
  });
});

test("worktrees that are worked in survive pruning and gc in a loop, also while a folder is out of sight (F33)", async () => {
  const world = await makeWorld();
  const commit = await world.git(["rev-parse", "HEAD"]);
  let cleaning = true;
  const clean = async (): Promise<number> => {
    let rounds = 0;
    for (; cleaning; rounds++) {
      await world.git(["worktree", "prune", "--expire=now"]);
      await world.tryGit(["gc", "-q"]);
    }
    return rounds;
  };
  const refOf = (name: string): string => `refs/muster/attempts/${name}/1`;
  const names = ["att_0", "att_1", "att_2", "att_3"];
  const work = async (): Promise<void> => {
    for (const name of names) {
      const path = join(world.dir, "worktrees", name);
      const request = { path, branch: `muster/run_1/${name}`, commit, reason: "attempt" };
      const record = await addWorktree(world.repo, request);
      await put(join(path, "new.txt"), `${name}\n`);
      const place = await openPlace(world.repo, record);
      await snapshot(world.repo, place, { ref: refOf(name), message: "round" });
    }
  };
  const [rounds] = await Promise.all([clean(), work().finally(() => (cleaning = false))]);
  expect(rounds).toBeGreaterThan(1);
  await rm(join(world.dir, "worktrees/att_0"), { recursive: true });
  await cleanHard(world);
  for (const name of names)
    expect(await world.git(["cat-file", "blob", `${refOf(name)}:new.txt`])).toBe(name);
  expect(existsSync(join(world.root, ".git/worktrees/att_0"))).toBe(true);
  expect((await world.git(["worktree", "list"])).split("\n")).toHaveLength(5);
  expect((await world.tryGit(["fsck", "--no-dangling"])).code).toBe(0);
});
