/**
 * What an agent can write to its worktree and to the shared git directory, each time with a positive control: the same attack
 * must fire with plain git, or the test proves nothing.
 */
import { chmod, mkdir, readdir, readFile, rm, symlink, utimes, writeFile } from "node:fs/promises";
import { existsSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { changedFiles, diffText, log, readHead } from "../../../src/git/inspect.ts";
import { land } from "../../../src/git/land.ts";
import { mergeTree } from "../../../src/git/merge.ts";
import { branchPrefix, resolve } from "../../../src/git/refs.ts";
import { restoreSnapshot, snapshot } from "../../../src/git/snapshot.ts";
import {
  addWorktree,
  listWorktrees,
  retireWorktree,
  type Place,
  type WorktreeRecord,
} from "../../../src/git/worktree.ts";
import { makeWorld, put, type World } from "./world.ts";

interface Scene {
  readonly world: World;
  readonly record: WorktreeRecord;
  readonly place: Place;
  readonly base: string;
  readonly canary: string;
  /** A command that leaves the canary and passes its input on. */
  readonly command: string;
  hasFired(): boolean;
  /** Runs plain git, sees the canary, removes it. */
  control(args: readonly string[], cwd?: string): Promise<void>;
}

async function makeScene(files?: Readonly<Record<string, string>>): Promise<Scene> {
  const world = await makeWorld(files ?? { "a.txt": "aaaa\n", "b.txt": "bbbb\n" });
  const base = await world.git(["rev-parse", "HEAD"]);
  const { record, place } = await world.addWorktree("att_1");
  const canary = join(world.dir, "canary");
  const command = join(world.dir, "canary.sh");
  await put(command, `#!/bin/sh\ntouch ${canary}\ncat\n`);
  await chmod(command, 0o755);
  return {
    world,
    record,
    place,
    base,
    canary,
    command,
    hasFired: () => existsSync(canary),
    control: async (args, cwd = record.path) => {
      await rm(canary, { force: true });
      await world.tryGit(args, { cwd });
      expect(existsSync(canary), `the attack must fire with plain git ${args.join(" ")}`).toBe(
        true,
      );
      await rm(canary, { force: true });
    },
  };
}

/** Every call of ours that touches the worktree, its commits or the refs. */
async function everything(scene: Scene): Promise<void> {
  const { world, place, base } = scene;
  const { repo } = world;
  const state = await readHead(repo, place, base);
  const taken = await snapshot(repo, place, {
    ref: "refs/muster/attempts/att_1/1",
    message: "round",
  });
  await changedFiles(repo, base, taken.commit);
  await diffText(repo, base, taken.commit);
  await log(repo, base, taken.commit);
  await mergeTree(repo, base, state.head);
  await restoreSnapshot(repo, taken.commit, join(world.dir, "restored"));
  await resolve(repo, "main");
  await branchPrefix(repo);
  await listWorktrees(repo);
  await addWorktree(repo, {
    path: join(world.dir, "worktrees/att_2"),
    branch: "muster/run_1/att_2",
    commit: state.head,
    reason: "next",
  });
  await retireWorktree(repo, place, join(world.dir, "trash"));
}

/** Same size, other stat data: git has to read the file to know. */
async function edit(scene: Scene, path = "a.txt"): Promise<void> {
  await put(join(scene.record.path, path), "zzzz\n");
  await utimes(join(scene.record.path, path), 1_000_000_000, 1_000_000_000);
}

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

describe("configuration", () => {
  test("config.worktree with a monitor, once the agent turns the extension on", async () => {
    const scene = await makeScene();
    await scene.world.git(["config", "extensions.worktreeConfig", "true"]);
    await scene.world.git(["config", "--worktree", "core.fsmonitor", scene.command], {
      cwd: scene.record.path,
    });
    await edit(scene);
    await scene.control(["status"]);
    await everything(scene);
    expect(scene.hasFired()).toBe(false);
  });

  test("core.fsmonitor and core.hooksPath in the shared configuration", async () => {
    const scene = await makeScene();
    const hooks = join(scene.world.dir, "hooks");
    for (const name of [
      "post-index-change",
      "reference-transaction",
      "post-checkout",
      "post-commit",
    ]) {
      await put(join(hooks, name), `#!/bin/sh\ntouch ${scene.canary}\n`);
      await chmod(join(hooks, name), 0o755);
    }
    await scene.world.git(["config", "core.fsmonitor", scene.command]);
    await edit(scene);
    await scene.control(["status"]);
    await scene.world.git(["config", "--unset", "core.fsmonitor"]);
    await scene.world.git(["config", "core.hooksPath", hooks]);
    await scene.control(["update-ref", "refs/heads/x", "HEAD"]);
    await scene.world.git(["config", "core.fsmonitor", scene.command]);
    await everything(scene);
    expect(scene.hasFired()).toBe(false);
  });

  test("a textconv driver and an external diff", async () => {
    const scene = await makeScene({ ".gitattributes": "*.txt diff=evil\n", "a.txt": "aaaa\n" });
    await scene.world.git(["config", "diff.evil.textconv", scene.command]);
    await scene.world.git(["config", "diff.external", scene.command]);
    await edit(scene);
    await scene.control(["diff"]);
    await scene.world.git(["config", "--unset", "diff.external"]);
    await scene.control(["diff"]);
    await scene.world.git(["config", "diff.external", scene.command]);
    await everything(scene);
    expect(scene.hasFired()).toBe(false);
  });

  test("clean, smudge and process filters", async () => {
    const scene = await makeScene({ ".gitattributes": "*.txt filter=evil\n", "a.txt": "aaaa\n" });
    await scene.world.git(["config", "filter.evil.clean", scene.command]);
    await scene.world.git(["config", "filter.evil.smudge", scene.command]);
    await edit(scene);
    await scene.control(["status"]);
    await scene.control(
      ["worktree", "add", "-q", join(scene.world.dir, "control")],
      scene.world.root,
    );
    await everything(scene);
    expect(scene.hasFired()).toBe(false);
    await rm(join(scene.world.dir, "worktrees"), { recursive: true });
  });

  test("a merge driver", async () => {
    const scene = await makeScene({ ".gitattributes": "*.txt merge=evil\n", "a.txt": "aaaa\n" });
    await scene.world.git(["config", "merge.evil.driver", `${scene.command} %A`]);
    await scene.world.git(["config", "merge.renormalize", "true"]);
    await scene.world.write("a.txt", "ours\n");
    const ours = await scene.world.commit("ours");
    await put(join(scene.record.path, "a.txt"), "theirs\n");
    await scene.world.git(["commit", "-qam", "theirs"], { cwd: scene.record.path });
    const theirs = await scene.world.git(["rev-parse", "HEAD"], { cwd: scene.record.path });
    await scene.control(["merge-tree", "--write-tree", ours, theirs], scene.world.root);
    expect((await mergeTree(scene.world.repo, ours, theirs)).clean).toBe(false);
    expect((await mergeTree(scene.world.repo, ours, theirs, scene.base)).clean).toBe(false);
    await everything(scene);
    expect(scene.hasFired()).toBe(false);
  });

  test("a signature check in the log", async () => {
    const scene = await makeScene();
    await scene.world.git(["config", "log.showSignature", "true"]);
    await scene.world.git(["config", "gpg.program", scene.command]);
    const tree = await scene.world.git(["rev-parse", "HEAD^{tree}"]);
    const who = "Pat <pat@example.org> 1700000000 +0000";
    const object = `tree ${tree}\nparent ${scene.base}\nauthor ${who}\ncommitter ${who}\ngpgsig -----BEGIN PGP SIGNATURE-----\n x\n -----END PGP SIGNATURE-----\n\nsigned\n`;
    const signed = await scene.world.git(["hash-object", "-t", "commit", "-w", "--stdin"], {
      input: object,
    });
    await scene.control(["log", "-1", signed]);
    expect(await log(scene.world.repo, scene.base, signed)).toHaveLength(1);
    expect(scene.hasFired()).toBe(false);
  });

  test("a promisor remote that is a command, reached through an object that is missing", async () => {
    const scene = await makeScene();
    const { world } = scene;
    await world.git(["config", "core.repositoryFormatVersion", "1"]);
    await world.git(["config", "extensions.partialClone", "evil"]);
    await world.git(["config", "remote.evil.url", `file://${world.dir}/none.git`]);
    await world.git(["config", "remote.evil.promisor", "true"]);
    await world.git(["config", "remote.evil.uploadpack", `touch ${scene.canary}; false`]);
    const missing = "1234567890123456789012345678901234567890";
    await writeFile(join(scene.record.gitDir, "HEAD"), `${missing}\n`);
    await scene.control(["cat-file", "-e", missing]);
    await expect(readHead(world.repo, scene.place, scene.base)).rejects.toMatchObject({
      code: "no_commits",
    });
    expect(await resolve(world.repo, missing)).toBeUndefined();
    await expect(mergeTree(world.repo, scene.base, missing)).rejects.toMatchObject({
      code: "not_found",
    });
    const taken = await snapshot(world.repo, scene.place, { ref: "refs/muster/x/1", message: "x" });
    expect(await world.git(["cat-file", "blob", `${taken.commit}:a.txt`])).toBe("aaaa");
    expect(scene.hasFired()).toBe(false);
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
