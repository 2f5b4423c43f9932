import { mkdir, readdir, readFile, rm, symlink, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { changedFiles, readHead } from "../../../src/git/inspect.ts";
import { land } from "../../../src/git/land.ts";
import { restoreSnapshot } from "../../../src/git/restore.ts";
import { snapshot } from "../../../src/git/snapshot.ts";
import { addWorktree, retireWorktree } from "../../../src/git/worktree.ts";
import { put } from "./world.ts";
import { edit, everything, makeScene } from "./attack.ts";

describe("redirected metadata", () => {
  test("a worktree's .git file that leads to a git directory of the agent's is not followed", async () => {
    const scene = await makeScene();
    const evil = join(scene.world.dir, "evil.git");
    await scene.world.git(["clone", "-q", "--bare", scene.world.root, evil]);
    await scene.world.git(["config", "core.bare", "false"], { cwd: evil });
    await scene.world.git(["config", "core.fsmonitor", scene.command], { cwd: evil });
    await writeFile(join(scene.record.path, ".git"), `gitdir: ${evil}\n`);
    await edit(scene);
    await scene.control(["status"]);
    await everything(scene);
    expect(scene.hasFired()).toBe(false);
  });

  test("a commondir of the agent's is refused before anything runs", async () => {
    const scene = await makeScene();
    const evil = join(scene.world.dir, "evil.git");
    await scene.world.git(["clone", "-q", "--bare", scene.world.root, evil]);
    await scene.world.git(["config", "core.fsmonitor", scene.command], { cwd: evil });
    await writeFile(join(scene.record.gitDir, "commondir"), `${evil}\n`);
    await scene.control([
      "--git-dir",
      scene.record.gitDir,
      "--work-tree",
      scene.record.path,
      "status",
    ]);
    for (const call of [
      () => readHead(scene.world.repo, scene.place, scene.base),
      () => snapshot(scene.world.repo, scene.place, { ref: "refs/muster/x/1", message: "x" }),
      () => retireWorktree(scene.world.repo, scene.place, join(scene.world.dir, "trash")),
    ]) {
      await expect(call()).rejects.toMatchObject({
        code: "refused",
        message: expect.stringContaining("commondir"),
      });
    }
    expect(scene.hasFired()).toBe(false);
  });

  test("metadata that became links or pipes neither leads away nor hangs", async () => {
    const scene = await makeScene();
    const { gitDir } = scene.record;
    await rm(join(gitDir, "commondir"));
    await symlink("/dev/zero", join(gitDir, "commondir"));
    await expect(readHead(scene.world.repo, scene.place, scene.base)).rejects.toMatchObject({
      code: "refused",
    });
    await rm(join(gitDir, "commondir"));
    await writeFile(join(gitDir, "commondir"), "../..\n");
    await rm(join(gitDir, "index"));
    await scene.world.git(["-c", `alias.pipe=!mkfifo ${join(gitDir, "index")}`, "pipe"]);
    await edit(scene);
    const taken = await snapshot(scene.world.repo, scene.place, {
      ref: "refs/muster/x/1",
      message: "x",
    });
    expect(await scene.world.git(["cat-file", "blob", `${taken.commit}:a.txt`])).toBe("zzzz");
  });
});

describe("nested repositories", () => {
  test("a nested repository's own filter, reached through a gitlink in the index", async () => {
    const scene = await makeScene();
    const nest = join(scene.record.path, "nest");
    await mkdir(nest);
    const inside = { cwd: nest };
    await scene.world.git(["init", "-q"], inside);
    await put(join(nest, "f"), "aaaa\n");
    await scene.world.git(["add", "f"], inside);
    await scene.world.git(["commit", "-qm", "nested"], inside);
    await scene.world.git(["add", "nest"], { cwd: scene.record.path });
    await scene.world.git(["config", "filter.evil.clean", scene.command], inside);
    await scene.world.git(["config", "core.fsmonitor", scene.command], inside);
    await put(join(nest, ".git/info/attributes"), "* filter=evil\n");
    await edit(scene, "nest/f");
    // The guards on the command line do not reach the filter of the inner `git status`.
    await scene.control([
      "-c",
      "core.fsmonitor=false",
      "-c",
      "core.hooksPath=/dev/null",
      "add",
      "-u",
    ]);
    await everything(scene);
    expect(scene.hasFired()).toBe(false);
  });

  test("a gitlink with a filter in a checkout that follows a landing", async () => {
    const scene = await makeScene();
    const nest = join(scene.world.root, "nest");
    await mkdir(nest);
    const inside = { cwd: nest };
    await scene.world.git(["init", "-q"], inside);
    await put(join(nest, "f"), "aaaa\n");
    await scene.world.git(["add", "f"], inside);
    await scene.world.git(["commit", "-qm", "nested"], inside);
    const old = await scene.world.commit("with a gitlink");
    await scene.world.git(["config", "filter.evil.clean", scene.command], inside);
    await put(join(nest, ".git/info/attributes"), "* filter=evil\n");
    await put(join(nest, "f"), "zzzz\n");
    await scene.control(["status"], scene.world.root);
    await scene.world.git(["checkout", "-q", "-b", "next"]);
    await scene.world.write("a.txt", "next\n");
    await scene.world.git(["commit", "-qm", "next", "a.txt"]);
    const next = await scene.world.git(["rev-parse", "HEAD"]);
    await scene.world.git(["checkout", "-q", "main"]);
    await rm(scene.canary, { force: true });
    const landing = await land(scene.world.repo, {
      target: "main",
      old,
      new: next,
      journal: { write() {}, clear() {} },
    });
    expect(landing).toMatchObject({ landed: true, followed: scene.world.root });
    expect(scene.hasFired()).toBe(false);
  });
});

describe("objects", () => {
  test("a replaced commit is read as what it is", async () => {
    const scene = await makeScene();
    const { world } = scene;
    await world.write("a.txt", "evil\n");
    const evil = await world.commit("evil");
    await world.git(["reset", "-q", "--hard", scene.base]);
    await world.git(["replace", scene.base, evil]);
    expect(await world.git(["cat-file", "blob", `${scene.base}:a.txt`])).toBe("evil");
    expect(await changedFiles(world.repo, scene.base, evil)).toHaveLength(1);
    const record = await addWorktree(world.repo, {
      path: join(world.dir, "worktrees/att_2"),
      branch: "muster/run_1/att_2",
      commit: scene.base,
      reason: "next",
    });
    expect(await readFile(join(record.path, "a.txt"), "utf8")).toBe("aaaa\n");
  });

  test("a folder swapped for a link is kept as a link, and nothing behind it is read", async () => {
    const scene = await makeScene({ "dir/a.txt": "aaaa\n" });
    const secret = join(scene.world.dir, "secret");
    await put(join(secret, "a.txt"), "password\n");
    await rm(join(scene.record.path, "dir"), { recursive: true });
    await symlink(secret, join(scene.record.path, "dir"));
    const taken = await snapshot(scene.world.repo, scene.place, {
      ref: "refs/muster/x/1",
      message: "x",
    });
    expect(await scene.world.git(["cat-file", "blob", `${taken.commit}:dir`])).toBe(secret);
    const into = join(scene.world.dir, "restored");
    await restoreSnapshot(scene.world.repo, taken.commit, into);
    expect(await readdir(into)).toEqual(["dir"]);
    expect(await readFile(join(secret, "a.txt"), "utf8")).toBe("password\n");
  });
});
