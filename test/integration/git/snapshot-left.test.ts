import { Buffer } from "node:buffer";
import { chmod, lstat, readFile, readlink, rm, stat, symlink, truncate } from "node:fs/promises";
import { existsSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { restoreSnapshot } from "../../../src/git/restore.ts";
import { readIgnored } from "../../../src/git/snapshot.ts";
import { makeWorld, put } from "./world.ts";
import { names, ref, show, take } from "./taking.ts";

describe("what stays out", () => {
  test("ignored files are kept up to the budget, smallest first, without what setup brought", async () => {
    const world = await makeWorld({ ".gitignore": "node_modules/\n.env\nbuild/\nvendor/\n" });
    const { record, place } = await world.addWorktree("att_1");
    const at = (path: string): string => join(record.path, path);
    await put(at("vendor/brought.js"), "from setup");
    const brought = await readIgnored(world.repo, place);
    expect(brought).toEqual(["vendor/"]);
    await put(at(".env"), "SECRET=1\n");
    await put(at("node_modules/big.js"), "x".repeat(5_000));
    await put(at("build/out.js"), "y".repeat(500));
    const taken = await take(world, place, { ignoredBudgetBytes: 1_000, brought });
    if (taken.ignored === null) throw new Error("nothing kept");
    expect(await names(world, taken.ignored)).toEqual([".env", "build/out.js"]);
    expect(await names(world, taken.commit)).toEqual([".gitignore"]);
    expect(taken.left).toEqual([{ path: "node_modules/", bytes: 5_000, why: "over_budget" }]);
    expect(await world.git(["log", "-1", "--format=%B", ref])).toContain(
      '"node_modules/" 5000 bytes, over_budget',
    );
  });

  test("a single untracked file over 50 MB stays out and is named, a tracked one does not (F34)", async () => {
    const world = await makeWorld({ "tracked.bin": "small" });
    const { record, place } = await world.addWorktree("att_1");
    await put(join(record.path, "huge\nname.bin"), "");
    await truncate(join(record.path, "huge\nname.bin"), 50 * 1024 * 1024 + 1);
    await truncate(join(record.path, "tracked.bin"), 50 * 1024 * 1024 + 1);
    const taken = await take(world, place);
    expect(taken.left).toEqual([
      { path: "huge\nname.bin", bytes: 50 * 1024 * 1024 + 1, why: "too_large" },
    ]);
    expect(await names(world, taken.commit)).toEqual(["tracked.bin"]);
    expect(await world.git(["cat-file", "-s", `${taken.commit}:tracked.bin`])).toBe(
      String(50 * 1024 * 1024 + 1),
    );
    expect(await world.git(["log", "-1", "--format=%B", ref])).toContain('"huge\\nname.bin"');
  });

  test("an unreadable file or folder is listed and the rest is kept", async ({ skip }) => {
    skip(process.getuid?.() === 0, "root can read everything");
    const world = await makeWorld({ "a.txt": "one\n", "b.txt": "two\n" });
    const { record, place } = await world.addWorktree("att_1");
    await put(join(record.path, "a.txt"), "edited\n");
    await chmod(join(record.path, "a.txt"), 0);
    await put(join(record.path, "closed/file"), "x");
    await put(join(record.path, "new.txt"), "new\n");
    await put(join(record.path, "secret.txt"), "new\n");
    await chmod(join(record.path, "secret.txt"), 0);
    await chmod(join(record.path, "closed"), 0);
    const taken = await take(world, place);
    await chmod(join(record.path, "closed"), 0o700);
    expect(taken.left.map(({ path, why }) => `${path} ${why}`).toSorted()).toEqual([
      "a.txt unreadable",
      "closed/ unreadable",
      "secret.txt unreadable",
    ]);
    expect(await show(world, taken.commit, "new.txt")).toBe("new\n");
  });

  test("a repository made over the worktree's own .git is named as history that is not kept (F34)", async () => {
    const world = await makeWorld();
    const { record, place } = await world.addWorktree("att_1");
    await rm(join(record.path, ".git"));
    await world.git(["init", "-q"], { cwd: record.path });
    await put(join(record.path, "own.txt"), "own\n");
    await world.git(["add", "-A"], { cwd: record.path });
    await world.git(["commit", "-qm", "elsewhere"], { cwd: record.path });
    const taken = await take(world, place);
    expect(await show(world, taken.commit, "own.txt")).toBe("own\n");
    expect(taken.left).toMatchObject([{ path: ".git", why: "nested_history" }]);
  });
});

describe("restoring", () => {
  test("brings back bytes, links and exec bits, ignored files too", async () => {
    const world = await makeWorld({
      ".gitattributes": "* text=auto eol=crlf\n",
      ".gitignore": ".env\n",
      "a.txt": "one\n",
    });
    const { record, place } = await world.addWorktree("att_1");
    const content: Record<string, Buffer> = {
      "a.txt": Buffer.from("lf\nand crlf\r\nmixed\n"),
      "bin/x": Buffer.from([0, 255, 10, 13, 10]),
      ".env": Buffer.from("A=1\r\n"),
      "id.txt": Buffer.from("$Id$\n"),
    };
    for (const [path, bytes] of Object.entries(content)) await put(join(record.path, path), bytes);
    await chmod(join(record.path, "bin/x"), 0o755);
    await symlink("../outside", join(record.path, "link"));
    const taken = await take(world, place);
    const into = join(world.dir, "restored");
    await restoreSnapshot(world.repo, taken.commit, into);
    for (const [path, bytes] of Object.entries(content))
      expect((await readFile(join(into, path))).equals(bytes), path).toBe(true);
    expect((await stat(join(into, "bin/x"))).mode & 0o111).not.toBe(0);
    expect((await stat(join(into, "a.txt"))).mode & 0o111).toBe(0);
    expect((await lstat(join(into, "link"))).isSymbolicLink()).toBe(true);
    expect(await readlink(join(into, "link"))).toBe("../outside");
    expect(existsSync(join(into, ".git"))).toBe(false);
  });

  test("refuses a folder with something in it", async () => {
    const world = await makeWorld();
    const { place } = await world.addWorktree("att_1");
    const taken = await take(world, place);
    await expect(restoreSnapshot(world.repo, taken.commit, world.root)).rejects.toMatchObject({
      code: "refused",
    });
  });
});
