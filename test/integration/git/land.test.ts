import { chmod, rm, symlink, utimes } from "node:fs/promises";
import { existsSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { land } from "../../../src/git/land.ts";
import { makeWorld, put } from "./world.ts";
import { before, expectLanded, makeScene } from "./landing.ts";

describe("a branch that nobody has checked out", () => {
  test("moves by compare-and-swap (F35)", async () => {
    const scene = await makeScene();
    await scene.world.git(["checkout", "-q", "-b", "elsewhere"]);
    expect(await scene.land()).toEqual({ landed: true, followed: null });
    expect(await scene.world.git(["rev-parse", "main"])).toBe(scene.next);
    expect(await scene.world.git(["log", "-g", "-1", "--format=%gs", "main"])).toBe("muster: land");
    expect(await scene.land()).toEqual({ landed: false, why: "moved", now: scene.next });
    expect(scene.journal.records).toEqual([]);
  });

  test("a worktree of ours that has it does not count", async () => {
    const scene = await makeScene();
    await scene.world.git(["checkout", "-q", "-b", "elsewhere"]);
    const ours = join(scene.world.dir, "ours");
    await scene.world.git(["worktree", "add", "-q", ours, "main"]);
    expect(await scene.land((path) => path === ours)).toEqual({ landed: true, followed: null });
  });

  test("a branch that is gone has moved (F35)", async () => {
    const scene = await makeScene();
    await scene.world.git(["checkout", "-q", "-b", "elsewhere"]);
    await scene.world.git(["branch", "-q", "-D", "main"]);
    expect(await scene.land()).toEqual({ landed: false, why: "moved", now: null });
  });
});

describe("a checkout that follows", () => {
  test("a clean one gets the files, the index and the reflog", async () => {
    const scene = await makeScene();
    await expectLanded(scene);
    expect(await scene.world.git(["log", "-g", "-1", "--format=%gs", "HEAD"])).toBe("muster: land");
    expect(existsSync(join(scene.world.root, "dropped.txt"))).toBe(false);
    expect(scene.journal.records[0]).toMatchObject({
      worktree: scene.world.root,
      target: "main",
      old: scene.old,
      new: scene.next,
    });
  });

  test("what git did before it failed counts: the branch moved, its reflog is on a full disk (needs /dev/full, F12)", async ({
    skip,
  }) => {
    skip(!existsSync("/dev/full"), "no /dev/full");
    const scene = await makeScene();
    const log = join(scene.world.root, ".git/logs/HEAD");
    await rm(log);
    await symlink("/dev/full", log);
    await expectLanded(scene);
  });

  test("a linked worktree of the person's follows as well", async () => {
    const scene = await makeScene();
    await scene.world.git(["checkout", "-q", "-b", "elsewhere"]);
    const theirs = join(scene.world.dir, "theirs");
    await scene.world.git(["worktree", "add", "-q", theirs, "main"]);
    expect(await scene.land()).toEqual({ landed: true, followed: theirs });
    expect(await scene.world.git(["status", "--porcelain"], { cwd: theirs })).toBe("");
  });

  test("unrelated edits stay, staged ones staged, and untracked files too", async () => {
    const scene = await makeScene();
    await scene.world.write("other.txt", "mine\n");
    await scene.world.write("folder/file", "staged\n");
    await scene.world.git(["add", "folder/file"]);
    await scene.world.write("mine.txt", "untracked\n");
    await scene.world.write("x.log", "ignored\n");
    await expectLanded(scene, "M  folder/file\n M other.txt\n?? mine.txt");
    expect(await scene.world.read("x.log")).toBe("ignored\n");
  });

  test("files that were only touched, and edits that were put back, are no obstacle", async () => {
    const scene = await makeScene();
    await utimes(join(scene.world.root, "touched.txt"), 1_000_000_000, 1_000_000_000);
    await expectLanded(scene);
  });

  test("the person's own filters run, their hooks do not", async () => {
    const scene = await makeScene({ ...before, ".gitattributes": "added.txt filter=mark\n" });
    await scene.world.git(["config", "--global", "filter.mark.smudge", "sed s/added/smudged/"]);
    await scene.world.git(["config", "--global", "filter.mark.clean", "sed s/smudged/added/"]);
    for (const hook of [
      "post-index-change",
      "reference-transaction",
      "post-merge",
      "post-checkout",
    ]) {
      await put(
        join(scene.world.root, ".git/hooks", hook),
        `#!/bin/sh\ntouch ${scene.world.dir}/ran\n`,
      );
      await chmod(join(scene.world.root, ".git/hooks", hook), 0o755);
    }
    await put(join(scene.world.dir, "monitor"), `#!/bin/sh\ntouch ${scene.world.dir}/ran\n`);
    await chmod(join(scene.world.dir, "monitor"), 0o755);
    await scene.world.git(["config", "core.fsmonitor", join(scene.world.dir, "monitor")]);
    expect(await scene.land()).toEqual({ landed: true, followed: scene.world.root });
    expect(await scene.world.read("added.txt")).toBe("smudged\n");
    expect(existsSync(join(scene.world.dir, "ran"))).toBe(false);
  });

  test("a filter of the repository's own configuration keeps the checkout from following, and runs nowhere", async () => {
    const scene = await makeScene({ ...before, ".gitattributes": "* filter=evil\n" });
    const canary = join(scene.world.dir, "fired");
    await scene.world.git(["config", "filter.evil.smudge", `touch ${canary}; cat`]);
    expect(await scene.land()).toMatchObject({ landed: false, why: "checkout_in_the_way" });
    expect(existsSync(canary)).toBe(false);
    // The control: plain git runs it.
    await scene.world.git(["read-tree", "-m", "-u", scene.old, scene.next]);
    expect(existsSync(canary)).toBe(true);
  });

  test("a commit that was replaced lands as what it is", async () => {
    const scene = await makeScene();
    await scene.world.git(["replace", scene.next, scene.old]);
    await scene.land();
    await scene.world.git(["replace", "-d", scene.next]);
    expect(await scene.world.git(["status", "--porcelain"])).toBe("");
    expect(await scene.world.read("added.txt")).toBe("added\n");
  });

  test("a folder that becomes a file, and a file that becomes a folder, go along", async () => {
    const world = await makeWorld({ dir: "was a file\n", "was/dir": "x\n" });
    const old = await world.git(["rev-parse", "HEAD"]);
    await world.git(["checkout", "-q", "-b", "work"]);
    await rm(join(world.root, "dir"));
    await rm(join(world.root, "was"), { recursive: true });
    await world.write("dir/inner", "new\n");
    await world.write("was", "now a file\n");
    const next = await world.commit("swap");
    await world.git(["checkout", "-q", "main"]);
    const journal = { write() {}, clear() {} };
    expect(await land(world.repo, { target: "main", old, new: next, journal })).toMatchObject({
      landed: true,
    });
    expect(await world.git(["status", "--porcelain"])).toBe("");
  });
});
