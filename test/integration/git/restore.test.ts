import { existsSync } from "node:fs";
import { chmod, mkdir, readFile, readlink, rm, symlink, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import {
  listSnapshots,
  readSnapshot,
  readSnapshotBytes,
  type RestoredWorktree,
  restoreWorktree,
} from "../../../src/git/restore.ts";
import type { Place } from "../../../src/git/worktree.ts";
import { makeScene } from "./attack.ts";
import { ref, take } from "./taking.ts";
import { makeWorld, put, type World } from "./world.ts";
import { fill, listing, tracked } from "./zoo.ts";

const branch = "muster/run_1/att_1";

async function restore(
  world: World,
  commit: string,
  path: string,
  to: string | null = branch,
): Promise<RestoredWorktree> {
  const parts = await readSnapshot(world.repo, commit);
  return restoreWorktree(world.repo, { parts, path, branch: to });
}

/** Takes a worktree away as a person might, the branch too where asked. */
async function drop(world: World, place: Place, withBranch: boolean): Promise<void> {
  await world.git(["worktree", "remove", "-f", "-f", place.worktree]);
  if (withBranch) await world.git(["branch", "-qD", branch]);
}

describe("restoring a worktree", () => {
  test("brings back worktree, branch, index and every file byte for byte", async () => {
    const world = await makeWorld(tracked);
    const { record, place } = await world.addWorktree("att_1");
    const inside = { cwd: record.path };
    await put(join(record.path, "committed.txt"), "by the session\n");
    await world.git(["add", "committed.txt"], inside);
    await world.git(["commit", "-qm", "work"], inside);
    await fill(world, record.path);
    const head = await world.git(["rev-parse", "HEAD"], inside);
    const status = await world.git(["status", "--porcelain=v2", "-z", "--branch"], inside);
    const index = await world.git(["ls-files", "-s", "-z"], inside);
    const before = await listing(record.path);
    expect(before.length).toBeGreaterThan(60);

    const taken = await take(world, place);
    expect(taken.left).toEqual([]);
    await drop(world, place, true);
    const { record: again, standing } = await restore(world, taken.commit, record.path);

    expect(await listing(record.path)).toEqual(before);
    expect(standing).toEqual({ on: "branch", made: true });
    expect(again).toEqual(record);
    expect(await world.git(["status", "--porcelain=v2", "-z", "--branch"], inside)).toBe(status);
    expect(await world.git(["ls-files", "-s", "-z"], inside)).toBe(index);
    expect(await world.git(["rev-parse", branch])).toBe(head);
    expect(await world.git(["symbolic-ref", "HEAD"], inside)).toBe(`refs/heads/${branch}`);
    // Not locked: plain git may take it away again.
    expect(await world.git(["worktree", "list", "--porcelain"])).not.toContain("locked");
    // What is taken of it now holds the very same.
    const second = await take(world, place);
    expect([second.tree, second.content.split(" ").slice(1)]).toEqual([
      taken.tree,
      taken.content.split(" ").slice(1),
    ]);
    for (const nest of ["nest", "nest/deeper", "build/ignored nest"]) {
      const nested = { cwd: join(record.path, nest) };
      expect(await world.git(["fsck", "--strict"], nested)).toBe("");
      expect(await world.git(["log", "--format=%s"], nested)).toBe("nested");
      expect(await world.git(["status", "--porcelain"], nested)).toContain('A  "half staged"');
    }
    expect(
      await world.git(["rev-parse", "--show-toplevel"], { cwd: join(record.path, "hollow") }),
    ).toBe(join(record.path, "hollow"));
  });

  test("leaves out empty folders only, which git has no way to hold", async () => {
    const world = await makeWorld();
    const { record, place } = await world.addWorktree("att_1");
    await mkdir(join(record.path, "empty/inner"), { recursive: true });
    const taken = await take(world, place);
    expect(taken.left).toEqual([]);
    await drop(world, place, false);
    await restore(world, taken.commit, record.path);
    expect(existsSync(join(record.path, "empty"))).toBe(false);
  });

  test("stays off a branch that went on, that is checked out, or whose name is taken", async () => {
    const world = await makeWorld();
    const { record, place } = await world.addWorktree("att_1");
    const base = await world.git(["rev-parse", "HEAD"]);
    const { commit } = await take(world, place);
    const at = (name: string): string => join(world.dir, "restored", name);
    const headOf = async (name: string) =>
      world.tryGit(["symbolic-ref", "-q", "HEAD"], { cwd: at(name) });

    const inUse = await restore(world, commit, at("in-use"));
    expect(inUse.standing).toEqual({ on: "detached", why: "checked_out" });
    expect((await headOf("in-use")).code).toBe(1);
    expect(await world.git(["rev-parse", "HEAD"], { cwd: at("in-use") })).toBe(base);

    await drop(world, place, false);
    const kept = await restore(world, commit, at("kept"));
    expect(kept.standing).toEqual({ on: "branch", made: false });
    await world.git(["worktree", "remove", at("kept")]);

    await world.git(["branch", "-qf", branch, await world.commit("later")]);
    const moved = await restore(world, commit, at("moved"));
    expect(moved.standing).toEqual({ on: "detached", why: "moved" });
    expect(await world.git(["rev-parse", branch])).not.toBe(base);

    await world.git(["branch", "-qD", branch]);
    await world.git(["branch", "muster"]);
    const blocked = await restore(world, commit, at("blocked"));
    expect(blocked.standing).toEqual({ on: "detached", why: "in_the_way" });
    expect(await world.git(["rev-parse", "HEAD"], { cwd: at("blocked") })).toBe(base);
    expect((await restore(world, commit, at("none"), null)).standing).toEqual({
      on: "detached",
      why: "no_branch",
    });
    expect(existsSync(record.path)).toBe(false);
  });

  test("touches nothing that is there: a file, a folder, a link, a worktree that git still knows", async () => {
    const world = await makeWorld();
    const { record, place } = await world.addWorktree("att_1");
    const { commit } = await take(world, place);
    const file = join(world.dir, "file");
    await put(file, "mine\n");
    const folder = join(world.dir, "folder");
    await mkdir(folder);
    const link = join(world.dir, "link");
    await symlink(join(world.dir, "elsewhere"), link);
    for (const path of [file, folder, link, record.path])
      await expect(restore(world, commit, path)).rejects.toMatchObject({
        code: "refused",
        message: `${path} is there already`,
      });
    expect(await readFile(file, "utf8")).toBe("mine\n");
    expect(await readlink(link)).toBe(join(world.dir, "elsewhere"));
    await rm(record.path, { recursive: true });
    await expect(restore(world, commit, record.path)).rejects.toMatchObject({
      code: "refused",
      remedy: expect.stringContaining("worktree prune"),
    });
    await expect(restore(world, commit, "relative")).rejects.toMatchObject({ code: "refused" });
  });

  test("leaves nothing behind where a part of the snapshot is missing", async () => {
    const world = await makeWorld();
    const { record, place } = await world.addWorktree("att_1");
    await put(join(record.path, "only-here.txt"), "precious\n");
    const { commit } = await take(world, place);
    const blob = await world.git(["rev-parse", `${commit}:only-here.txt`]);
    await rm(join(world.repo.common, "objects", blob.slice(0, 2), blob.slice(2)), { force: true });
    const path = join(world.dir, "restored");
    await expect(restore(world, commit, path)).rejects.toMatchObject({ code: "git_failed" });
    expect(existsSync(path)).toBe(false);
    expect(await world.git(["worktree", "list"])).not.toContain(path);
  });

  test("brings the conflicts back that the index had", async () => {
    const world = await makeWorld({ "a.txt": "base\n" });
    const { record, place } = await world.addWorktree("att_1");
    const inside = { cwd: record.path };
    await put(join(record.path, "a.txt"), "mine\n");
    await world.git(["commit", "-qam", "mine"], inside);
    await world.git(["checkout", "-q", "-b", "side", "HEAD~1"], inside);
    await put(join(record.path, "a.txt"), "theirs\n");
    await world.git(["commit", "-qam", "theirs"], inside);
    expect((await world.tryGit(["merge", branch], inside)).code).toBe(1);
    const content = await readFile(join(record.path, "a.txt"));
    const taken = await take(world, place);
    await drop(world, place, false);
    const { standing } = await restore(world, taken.commit, record.path);
    // The session had gone to a branch of its own, so the attempt's is elsewhere.
    expect(standing).toEqual({ on: "detached", why: "moved" });
    expect((await readFile(join(record.path, "a.txt"))).equals(content)).toBe(true);
    expect(await world.git(["status", "--porcelain"], inside)).toBe("UU a.txt");
  });
});

describe("a snapshot's ref in hostile hands", () => {
  test("no filter, hook or monitor runs while files are written", async () => {
    const scene = await makeScene({ ".gitattributes": "*.txt filter=evil\n", "a.txt": "aaaa\n" });
    const { world } = scene;
    const hooks = join(world.dir, "hooks");
    for (const name of ["post-checkout", "post-index-change", "reference-transaction"]) {
      await put(join(hooks, name), `#!/bin/sh\ntouch ${scene.canary}\n`);
      await chmod(join(hooks, name), 0o755);
    }
    const taken = await take(world, scene.place);
    await world.git(["config", "filter.evil.clean", scene.command]);
    await world.git(["config", "filter.evil.smudge", scene.command]);
    const control = join(world.dir, "control");
    await scene.control(["worktree", "add", "-q", "--detach", control], world.root);
    await world.git(["config", "core.hooksPath", hooks]);
    await world.git(["config", "core.fsmonitor", scene.command]);
    const path = join(world.dir, "restored");
    await rm(scene.canary, { force: true });
    await restore(world, taken.commit, path);
    expect(scene.hasFired()).toBe(false);
    expect(await readFile(join(path, "a.txt"), "utf8")).toBe("aaaa\n");
  });

  test("a tree that would reach outside, or into the worktree's own .git, is refused whole", async () => {
    const world = await makeWorld();
    const head = await world.git(["rev-parse", "HEAD"]);
    const blob = await world.git(["hash-object", "-w", "--stdin"], { input: "evil\n" });
    const mktree = (lines: string) => world.git(["mktree", "--missing"], { input: lines });
    const inner = await mktree(`100644 blob ${blob}\tconfig\n`);
    const plain = await mktree(`100644 blob ${blob}\tfile\n`);
    const commit = async (tree: string, message: string, parents: readonly string[] = []) =>
      world.git(["commit-tree", tree, ...[head, ...parents].flatMap((sha) => ["-p", sha])], {
        input: message,
      });
    const nestedAt = async (path: string): Promise<string> => {
      const list = await world.git(["hash-object", "-w", "--stdin"], { input: `${path}\0` });
      return commit(await mktree(`040000 tree ${inner}\t0\n100644 blob ${list}\tpaths\n`), "n");
    };
    const link = await world.git(["hash-object", "-w", "--stdin"], { input: world.dir });
    const linked = await mktree(`100644 blob ${blob}\tfile\n120000 blob ${link}\tout\n`);
    const behind = await commit(await mktree(`040000 tree ${plain}\tout\n`), "ignored");
    const path = join(world.dir, "restored");
    const evil = [
      await commit(await mktree(`040000 tree ${inner}\t.git\n`), `x\n\nMuster-Head: ${head}\n`),
      ...(await Promise.all(
        ["", ".", "..", "../repo", "/tmp", ".git", "a/../..", "out", "out/sub"].map(async (to) => {
          const nested = await nestedAt(to);
          const text = `x\n\nMuster-Head: ${head}\nMuster-Nested: ${nested}\n`;
          return to === "" ? null : commit(linked, text, [nested]);
        }),
      )),
    ].filter((sha) => sha !== null);
    for (const sha of evil) {
      await expect(restore(world, sha, path)).rejects.toMatchObject({ name: "Fault" });
      expect(existsSync(path)).toBe(false);
    }
    expect(evil).toHaveLength(9);
    expect(existsSync(join(world.dir, ".git"))).toBe(false);
    // An ignored file below what is a link: the file's folder takes the link's place, and nothing is written behind it.
    const text = `x\n\nMuster-Head: ${head}\nMuster-Ignored: ${behind}\n`;
    await restore(world, await commit(linked, text, [behind]), path, null);
    expect(await readFile(join(path, "out/file"), "utf8")).toBe("evil\n");
    expect(existsSync(join(world.dir, "file"))).toBe(false);
  });

  test("only what it names among its own parents is followed", async () => {
    const world = await makeWorld();
    const { place } = await world.addWorktree("att_1");
    const { commit } = await take(world, place);
    const tree = await world.git(["rev-parse", `${commit}^{tree}`]);
    const forged = await world.git(["commit-tree", tree], {
      input: `x\n\nMuster-Head: ${commit}\nMuster-Staged: ${commit}\nMuster-Left: 3\n`,
    });
    expect(await readSnapshot(world.repo, forged)).toEqual({
      commit: forged,
      head: null,
      staged: null,
      unmerged: null,
      ignored: null,
      nested: null,
      left: 3,
    });
    const { standing } = await restore(world, forged, join(world.dir, "restored"));
    expect(standing).toEqual({ on: "detached", why: "no_head" });
  });
});

test("snapshots are listed by number, with what they take beyond the head", async () => {
  const world = await makeWorld();
  const { record, place } = await world.addWorktree("att_1");
  const prefix = ref.replace(/1$/, "");
  for (const n of [1, 2, 10]) {
    await writeFile(
      join(record.path, "noise"),
      Array.from({ length: n * 500 }, () => Math.random()).join(),
    );
    await take(world, place, { ref: `${prefix}${n}`, message: `number ${n}\n\nmore` });
  }
  await world.git(["update-ref", `${prefix}not-a-number`, "HEAD"]);
  await world.git(["update-ref", `${prefix}11`, await world.git(["rev-parse", "HEAD^{tree}"])]);
  const found = await listSnapshots(world.repo, "att_1");
  expect(found.map(({ n, subject }) => [n, subject])).toEqual([
    [1, "number 1"],
    [2, "number 2"],
    [10, "number 10"],
  ]);
  expect(await listSnapshots(world.repo)).toEqual(found);
  const sizes: number[] = [];
  for (const { commit } of found)
    sizes.push((await readSnapshotBytes(world.repo, await readSnapshot(world.repo, commit))) ?? 0);
  expect(sizes).toEqual(sizes.toSorted((a, b) => a - b));
  expect(sizes[0]).toBeGreaterThan(1_000);
});
