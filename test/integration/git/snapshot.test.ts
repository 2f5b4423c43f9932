import { Buffer } from "node:buffer";
import {
  chmod,
  mkdir,
  readFile,
  readdir,
  rm,
  stat,
  symlink,
  utimes,
  writeFile,
} from "node:fs/promises";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { restoreSnapshot } from "../../../src/git/restore.ts";
import { makeWorld, nextSecond, put } from "./world.ts";
import { names, ref, show, take } from "./taking.ts";

describe("a snapshot", () => {
  test("holds tracked, staged, unstaged and untracked work and changes nothing in the worktree (F34)", async () => {
    const world = await makeWorld({
      "a.txt": "one\n",
      "b.txt": "two\n",
      "gone.txt": "x\n",
      "bin/tool": "#!/bin/sh\n",
    });
    const { record, place } = await world.addWorktree("att_1");
    const at = (path: string): string => join(record.path, path);
    await put(at("a.txt"), "staged\n");
    await world.git(["add", "a.txt"], { cwd: record.path });
    await put(at("a.txt"), "unstaged\n");
    await put(at("new/file.txt"), "new\n");
    await rm(at("gone.txt"));
    await chmod(at("bin/tool"), 0o755);
    await symlink("/nowhere/at/all", at("dangling"));
    const index = await readFile(join(record.gitDir, "index"));
    const before = await world.git(["status", "--porcelain=v2"], { cwd: record.path });

    const taken = await take(world, place);
    expect(taken.left).toEqual([]);
    expect(await show(world, taken.commit, "a.txt")).toBe("unstaged\n");
    expect(await show(world, taken.commit, "new/file.txt")).toBe("new\n");
    expect(await show(world, taken.commit, "dangling")).toBe("/nowhere/at/all");
    expect(await names(world, taken.commit)).not.toContain("gone.txt");
    expect(await world.git(["ls-tree", taken.commit, "bin/tool"])).toMatch(/^100755/);
    if (taken.staged === null) throw new Error("no staged tree");
    expect(await show(world, taken.staged, "a.txt")).toBe("staged\n");
    expect(await world.git(["rev-parse", ref])).toBe(taken.commit);
    const head = await world.git(["rev-parse", "HEAD"], { cwd: record.path });
    expect(await world.git(["rev-parse", `${ref}^1`, `${ref}^2`])).toBe(`${head}\n${taken.staged}`);
    expect(await world.git(["log", "-1", "--format=%an <%ae> %cn", ref])).toBe(
      "muster <muster@localhost> muster",
    );
    expect((await readFile(join(record.gitDir, "index"))).equals(index)).toBe(true);
    expect(await world.git(["status", "--porcelain=v2"], { cwd: record.path })).toBe(before);
    expect(await readdir(join(world.dir, "scratch"))).toEqual([]);
  });

  test("sees an edit of the same size made in the second the index was written", async () => {
    const world = await makeWorld({ "a.txt": "aaaa\n" });
    const { record, place } = await world.addWorktree("att_1");
    const path = join(record.path, "a.txt");
    const index = join(record.gitDir, "index");
    for (let tries = 0; tries < 3; tries++) {
      await nextSecond();
      await put(path, `bbb${tries}\n`);
      await world.git(["add", "a.txt"], { cwd: record.path });
      const { mtimeMs } = await stat(path);
      await put(path, `ccc${tries}\n`);
      // Same stat data as git noted, in the same second as the index: only the content tells.
      await utimes(path, mtimeMs / 1000, mtimeMs / 1000);
      expect(Math.floor((await stat(index)).mtimeMs / 1000)).toBe(Math.floor(mtimeMs / 1000));
      await nextSecond();
      const taken = await take(world, place);
      expect(await show(world, taken.commit, "a.txt")).toBe(`ccc${tries}\n`);
    }
  });

  test("keeps names with a newline, a space, a leading dash, unicode and bytes that are no text", async () => {
    const world = await makeWorld();
    const { record, place } = await world.addWorktree("att_1");
    const odd = [
      "line\nbreak",
      "a space",
      "-rf",
      "naïve☃",
      ":(exclude)x",
      'qu"ote',
      "*",
      "back\\slash",
    ];
    for (const name of odd) await put(join(record.path, name), name);
    await writeFile(
      Buffer.concat([Buffer.from(`${record.path}/caf`), Buffer.from([0xe9])]),
      "latin1",
    );
    const taken = await take(world, place);
    expect(taken.left).toEqual([]);
    for (const name of odd) expect(await show(world, taken.commit, name)).toBe(name);
    const into = join(world.dir, "restored");
    await restoreSnapshot(world.repo, taken.commit, into);
    const restored = await readdir(into, { encoding: "buffer" });
    expect(restored.some((name) => name.equals(Buffer.from([0x63, 0x61, 0x66, 0xe9])))).toBe(true);
  });

  test("captures nested repositories as plain folders, with and without a commit, at any depth", async () => {
    const world = await makeWorld();
    const { record, place } = await world.addWorktree("att_1");
    const at = (path: string): string => join(record.path, path);
    for (const nest of ["bare", "full", "full/deep", "dir/inner"]) {
      await mkdir(at(nest), { recursive: true });
      await world.git(["init", "-q"], { cwd: at(nest) });
      await put(at(`${nest}/file`), nest);
    }
    await world.git(["add", "file"], { cwd: at("full") });
    await world.git(["commit", "-qm", "nested"], { cwd: at("full") });
    await put(at("full/uncommitted"), "work");
    const taken = await take(world, place);
    for (const nest of ["bare", "full", "full/deep", "dir/inner"]) {
      expect(await show(world, taken.commit, `${nest}/file`)).toBe(nest);
    }
    expect(await show(world, taken.commit, "full/uncommitted")).toBe("work");
    expect(await world.git(["ls-tree", "-r", taken.commit])).not.toContain("160000");
    expect(taken.left).toEqual([]);
    // A history that does not fit is named, and one that is empty is no loss.
    const small = await take(world, place, { ignoredBudgetBytes: 10 });
    const named = small.left.map(({ path, why }) => `${path} ${why}`);
    expect(named.toSorted()).toEqual(["full/.git nested_history"]);
  });

  test("keeps a submodule's pointer in the tree and its files beside it", async () => {
    const world = await makeWorld();
    const { record, place } = await world.addWorktree("att_1");
    const nest = join(record.path, "lib");
    await mkdir(nest);
    await world.git(["init", "-q"], { cwd: nest });
    await put(join(nest, "file"), "one");
    await world.git(["add", "."], { cwd: nest });
    await world.git(["commit", "-qm", "nested"], { cwd: nest });
    await world.git(["add", "lib"], { cwd: record.path });
    await put(join(nest, "file"), "dirty");
    const taken = await take(world, place);
    expect(await world.git(["ls-tree", taken.commit, "lib"])).toMatch(/^160000/);
    if (taken.ignored === null) throw new Error("nothing beside");
    expect(await show(world, taken.ignored, "lib/file")).toBe("dirty");
    const into = join(world.dir, "restored");
    await restoreSnapshot(world.repo, taken.commit, into);
    expect(await readFile(join(into, "lib/file"), "utf8")).toBe("dirty");
  });

  test("captures an intent to add, and an index with conflicts", async () => {
    const world = await makeWorld({ "a.txt": "base\n" });
    const { record, place } = await world.addWorktree("att_1");
    const inside = { cwd: record.path };
    await put(join(record.path, "later.txt"), "content\n");
    await world.git(["add", "-N", "later.txt"], inside);
    const first = await take(world, place);
    expect(await show(world, first.commit, "later.txt")).toBe("content\n");
    await world.git(["rm", "-q", "--cached", "later.txt"], inside);

    await put(join(record.path, "a.txt"), "mine\n");
    await world.git(["commit", "-qam", "mine"], inside);
    await world.git(["checkout", "-q", "-b", "side", "HEAD~1"], inside);
    await put(join(record.path, "a.txt"), "theirs\n");
    await world.git(["commit", "-qam", "theirs"], inside);
    expect((await world.tryGit(["merge", "muster/run_1/att_1"], inside)).code).toBe(1);
    const taken = await take(world, place);
    expect(taken.staged).toBeNull();
    expect(await show(world, taken.commit, "a.txt")).toContain("<<<<<<<");
    expect(await world.git(["ls-files", "-u"], inside)).not.toBe("");
  });

  test("stores line endings raw, also of a file that git takes for unchanged", async () => {
    const world = await makeWorld({ ".gitattributes": "* text\n", "a.txt": "one\n" });
    const { record, place } = await world.addWorktree("att_1");
    await put(join(record.path, "added.txt"), "x\r\ny\r\n");
    await put(join(record.path, "fresh.txt"), "p\r\nq\r\n");
    await world.git(["add", "added.txt"], { cwd: record.path });
    await nextSecond();
    await world.git(["update-index", "--refresh"], { cwd: record.path });
    expect(await world.git(["cat-file", "blob", ":added.txt"], { cwd: record.path })).toBe("x\ny");
    const taken = await take(world, place);
    expect(await show(world, taken.commit, "added.txt")).toBe("x\r\ny\r\n");
    expect(await show(world, taken.commit, "fresh.txt")).toBe("p\r\nq\r\n");
  });

  test("looks at files that git was told not to look at", async () => {
    const world = await makeWorld({ "a.txt": "one\n", "b.txt": "two\n", "c.txt": "three\n" });
    const { record, place } = await world.addWorktree("att_1");
    const inside = { cwd: record.path };
    await world.git(["update-index", "--assume-unchanged", "a.txt"], inside);
    await world.git(["update-index", "--skip-worktree", "b.txt", "c.txt"], inside);
    await put(join(record.path, "a.txt"), "hidden a\n");
    await put(join(record.path, "b.txt"), "hidden b\n");
    await rm(join(record.path, "c.txt"));
    const taken = await take(world, place);
    expect(await show(world, taken.commit, "a.txt")).toBe("hidden a\n");
    expect(await show(world, taken.commit, "b.txt")).toBe("hidden b\n");
    // Absent and skipped is what a sparse checkout looks like.
    expect(await show(world, taken.commit, "c.txt")).toBe("three\n");
  });

  test("follows files into folders and folders into files", async () => {
    const world = await makeWorld({ thing: "file\n", "dir/inner": "x\n" });
    const { record, place } = await world.addWorktree("att_1");
    await rm(join(record.path, "thing"));
    await put(join(record.path, "thing/now-inside"), "y\n");
    await rm(join(record.path, "dir"), { recursive: true });
    await put(join(record.path, "dir"), "now a file\n");
    const taken = await take(world, place);
    expect(await names(world, taken.commit)).toEqual(["dir", "thing/now-inside"]);
  });

  test("works beside an index.lock, without an index, and with one that is garbage (F13)", async () => {
    const world = await makeWorld({ "a.txt": "one\n" });
    const { record, place } = await world.addWorktree("att_1");
    await put(join(record.path, "a.txt"), "edited\n");
    await writeFile(join(record.gitDir, "index.lock"), "");
    expect(await show(world, (await take(world, place)).commit, "a.txt")).toBe("edited\n");
    await writeFile(join(record.gitDir, "index"), "garbage");
    expect(await show(world, (await take(world, place)).commit, "a.txt")).toBe("edited\n");
    await rm(join(record.gitDir, "index"));
    const taken = await take(world, place);
    expect(await show(world, taken.commit, "a.txt")).toBe("edited\n");
    expect(taken.staged).toBeNull();
  });

  test("keeps the snapshot that was at its ref reachable", async () => {
    const world = await makeWorld();
    const { record, place } = await world.addWorktree("att_1");
    const first = await take(world, place);
    await put(join(record.path, "a.txt"), "later\n");
    const second = await take(world, place);
    expect(await world.git(["merge-base", "--is-ancestor", first.commit, second.commit])).toBe("");
  });

  test("keeps commits that only the worktree's reflog names (F34)", async () => {
    const world = await makeWorld();
    const { record, place } = await world.addWorktree("att_1");
    const inside = { cwd: record.path };
    await put(join(record.path, "lost.txt"), "precious\n");
    await world.git(["add", "-A"], inside);
    await world.git(["commit", "-qm", "to be dropped"], inside);
    const lost = await world.git(["rev-parse", "HEAD"], inside);
    await world.git(["reset", "-q", "--hard", "HEAD~1"], inside);
    const taken = await take(world, place);
    expect((await world.tryGit(["merge-base", "--is-ancestor", lost, taken.commit])).code).toBe(0);
  });
});
