import { mkdir, rm, symlink, utimes } from "node:fs/promises";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import {
  changedFiles,
  diffText,
  isAncestor,
  log,
  readFile,
  readHead,
  treeOf,
} from "../../../src/git/inspect.ts";
import { commitTree, mergeTree, muster, person } from "../../../src/git/merge.ts";
import { makeWorld, nextSecond, put } from "./world.ts";

const nowhere = "1234567890123456789012345678901234567890";

describe("the state of a worktree", () => {
  test("a fresh one is clean and not ahead, a commit makes it ahead, an edit dirty", async () => {
    const world = await makeWorld();
    const base = await world.git(["rev-parse", "HEAD"]);
    const { record, place } = await world.addWorktree("att_1");
    const fresh = {
      head: base,
      branch: "muster/run_1/att_1",
      ahead: false,
      related: true,
      dirty: false,
      operation: null,
    };
    expect(await readHead(world.repo, place, base)).toMatchObject(fresh);
    await put(join(record.path, "a.txt"), "two\n");
    expect(await readHead(world.repo, place, base)).toMatchObject({ ...fresh, dirty: true });
    await world.git(["commit", "-qam", "work"], { cwd: record.path });
    const head = await world.git(["rev-parse", "HEAD"], { cwd: record.path });
    const tree = await world.git(["rev-parse", "HEAD^{tree}"], { cwd: record.path });
    expect(await readHead(world.repo, place, base)).toMatchObject({
      ...fresh,
      head,
      tree,
      ahead: true,
    });
    await put(join(record.path, "untracked"), "");
    expect((await readHead(world.repo, place, base)).dirty).toBe(true);
  });

  test("a touched file, an ignored file and converted line endings are no dirt", async () => {
    const world = await makeWorld({
      ".gitattributes": "*.txt text eol=crlf\n",
      ".gitignore": "*.log\n",
      "a.txt": "one\ntwo\n",
    });
    const base = await world.git(["rev-parse", "HEAD"]);
    const { record, place } = await world.addWorktree("att_1");
    await put(join(record.path, "x.log"), "noise");
    await utimes(join(record.path, "a.txt"), 1_000_000_000, 1_000_000_000);
    expect((await readHead(world.repo, place, base)).dirty).toBe(false);
  });

  test("a hidden edit, a nested repository and a racy edit are dirt", async () => {
    const world = await makeWorld({ "a.txt": "aaaa\n", "b.txt": "bbbb\n" });
    const base = await world.git(["rev-parse", "HEAD"]);
    const { record, place } = await world.addWorktree("att_1");
    const dirty = async (): Promise<boolean> => (await readHead(world.repo, place, base)).dirty;
    await world.git(["update-index", "--assume-unchanged", "a.txt"], { cwd: record.path });
    await put(join(record.path, "a.txt"), "hidden\n");
    expect(await dirty()).toBe(true);
    await put(join(record.path, "a.txt"), "aaaa\n");
    expect(await dirty()).toBe(false);
    await mkdir(join(record.path, "nest"));
    await world.git(["init", "-q"], { cwd: join(record.path, "nest") });
    await put(join(record.path, "nest/f"), "x");
    expect(await dirty()).toBe(true);
    await rm(join(record.path, "nest"), { recursive: true });
    await nextSecond();
    await world.git(["update-index", "--refresh"], { cwd: record.path });
    await put(join(record.path, "b.txt"), "cccc\n");
    expect(await dirty()).toBe(true);
  });

  test("operations under way, a detached head and a history of its own are told", async () => {
    const world = await makeWorld({ "a.txt": "base\n" });
    const base = await world.git(["rev-parse", "HEAD"]);
    const { record, place } = await world.addWorktree("att_1");
    const inside = { cwd: record.path };
    const state = () => readHead(world.repo, place, base);
    await put(join(record.path, "a.txt"), "mine\n");
    await world.git(["commit", "-qam", "mine"], inside);
    const mine = await world.git(["rev-parse", "HEAD"], inside);
    await world.git(["checkout", "-q", "-b", "side", base], inside);
    await put(join(record.path, "a.txt"), "theirs\n");
    await world.git(["commit", "-qam", "theirs"], inside);
    for (const [args, operation] of [
      [["merge", mine], "merge"],
      [["rebase", mine], "rebase"],
      [["cherry-pick", mine], "cherry-pick"],
      [["revert", "--no-edit", base], "revert"],
    ] as const) {
      await world.tryGit(args, inside);
      expect((await state()).operation, operation).toBe(operation);
      await world.git([args[0], "--abort"], inside);
    }
    await world.git(["bisect", "start"], inside);
    expect((await state()).operation).toBe("bisect");
    await world.git(["bisect", "reset"], inside);
    await world.git(["checkout", "-q", "--detach"], inside);
    expect((await state()).branch).toBeNull();
    await world.git(["checkout", "-q", "--orphan", "other"], inside);
    await expect(state()).rejects.toMatchObject({ code: "no_commits" });
    await world.git(["commit", "-qm", "unrelated"], inside);
    expect(await state()).toMatchObject({ related: false, ahead: false });
  });
});

describe("commits", () => {
  test("changed files come with status, mode and size, whatever their names", async () => {
    const world = await makeWorld({ "a.txt": "one\n", "b.txt": "two\n", "c.txt": "c\n" });
    const base = await world.git(["rev-parse", "HEAD"]);
    await world.write("a.txt", "longer\n");
    await world.write("new\nline ☃", "n");
    await rm(join(world.root, "b.txt"));
    await rm(join(world.root, "c.txt"));
    await symlink("a.txt", join(world.root, "c.txt"));
    const head = await world.commit("changes");
    const changed = await changedFiles(world.repo, base, head);
    expect(changed.map(({ path, status, mode, size }) => ({ path, status, mode, size }))).toEqual([
      { path: "a.txt", status: "modified", mode: "100644", size: 7 },
      { path: "b.txt", status: "deleted", mode: "000000", size: undefined },
      { path: "c.txt", status: "type_changed", mode: "120000", size: 5 },
      { path: "new\nline ☃", status: "added", mode: "100644", size: 1 },
    ]);
    expect(await diffText(world.repo, base, head)).toContain("+longer");
    expect(await diffText(world.repo, base, head, { stat: true })).toContain("4 files changed");
    expect(await diffText(world.repo, base, head, { maxBytes: 100 })).toMatch(
      /^[^]{100}\n\[cut at 100 bytes\]\n$/,
    );
  });

  test("a log has what is new, with whole messages", async () => {
    const world = await makeWorld();
    const base = await world.git(["rev-parse", "HEAD"]);
    await world.write("a.txt", "two\n");
    const head = await world.commit("Subject\n\nBody\nof two lines");
    const commits = await log(world.repo, base, head);
    expect(commits).toMatchObject([
      { sha: head, parents: [base], author: "Pat", message: "Subject\n\nBody\nof two lines" },
    ]);
    expect(await log(world.repo, head, base)).toEqual([]);
    expect(await isAncestor(world.repo, base, head)).toBe(true);
    expect(await isAncestor(world.repo, head, base)).toBe(false);
    expect(await treeOf(world.repo, head)).toBe(await world.git(["rev-parse", "HEAD^{tree}"]));
    await expect(treeOf(world.repo, nowhere)).rejects.toMatchObject({ code: "not_found" });
  });

  test("a file is read from a commit within a limit, a link is none", async () => {
    const world = await makeWorld({ "muster.yaml": "gate: [true]\n", "dir/b": "x", "-odd": "y" });
    await symlink("/etc/passwd", join(world.root, "link"));
    const head = await world.commit("link");
    const read = (path: string, max = 1_000) => readFile(world.repo, head, path, max);
    expect((await read("muster.yaml"))?.toString()).toBe("gate: [true]\n");
    expect((await read("-odd"))?.toString()).toBe("y");
    for (const path of ["none", "link", "dir", "dir/", "../muster.yaml", "/etc/passwd", ""])
      expect(await read(path)).toBeUndefined();
    await expect(read("muster.yaml", 5)).rejects.toMatchObject({ code: "refused" });
  });
});

async function fork(world: Awaited<ReturnType<typeof makeWorld>>, ours: string, theirs: string) {
  const base = await world.git(["rev-parse", "HEAD"]);
  await world.write("a.txt", ours);
  const left = await world.commit("ours");
  await world.git(["checkout", "-q", "-B", "side", base]);
  await world.write("a.txt", theirs);
  await world.write("extra.txt", "x\n");
  const right = await world.commit("theirs");
  await world.git(["checkout", "-q", "main"]);
  return { base, left, right };
}

describe("merging in memory", () => {
  test("a clean merge gives a tree, and a commit of it the merge", async () => {
    const world = await makeWorld({ "a.txt": "1\n2\n3\n4\n5\n6\n7\n" });
    const { left, right } = await fork(
      world,
      "one\n2\n3\n4\n5\n6\n7\n",
      "1\n2\n3\n4\n5\n6\nseven\n",
    );
    const merged = await mergeTree(world.repo, left, right);
    if (!merged.clean) throw new Error(merged.text);
    const who = await person(world.repo);
    expect(who).toEqual({ name: "Pat", email: "pat@example.org" });
    const commit = await commitTree(world.repo, {
      tree: merged.tree,
      parents: [left, right],
      message: "Land it\n\nMuster-Run: run_1\n",
      author: who,
      committer: muster,
      atSeconds: 1_700_000_000,
    });
    expect(await world.git(["cat-file", "blob", `${commit}:a.txt`])).toBe(
      "one\n2\n3\n4\n5\n6\nseven",
    );
    expect(await world.git(["log", "-1", "--format=%P|%an|%cn|%at|%ai|%(trailers)", commit])).toBe(
      `${left} ${right}|Pat|muster|1700000000|2023-11-14 22:13:20 +0000|Muster-Run: run_1`,
    );
    expect(await world.git(["status", "--porcelain"])).toBe("");
  });

  test("a conflict names its files, and one over a chosen base is another merge", async () => {
    const world = await makeWorld({ "a.txt": "base\n" });
    const { base, left, right } = await fork(world, "ours\n", "theirs\n");
    const merged = await mergeTree(world.repo, left, right);
    if (merged.clean) throw new Error("clean");
    expect(merged.paths).toEqual(["a.txt"]);
    expect(merged.text).toContain("Merge conflict in a.txt");
    // With ours as the base only theirs has changed anything.
    expect(await mergeTree(world.repo, left, right, left)).toMatchObject({
      clean: true,
      tree: await treeOf(world.repo, right),
    });
    expect((await mergeTree(world.repo, left, right, base)).clean).toBe(false);
  });

  test("a bad revision and an unrelated history are faults, not conflicts", async () => {
    const world = await makeWorld();
    const head = await world.git(["rev-parse", "HEAD"]);
    const tree = await treeOf(world.repo, head);
    await expect(mergeTree(world.repo, head, nowhere)).rejects.toMatchObject({ code: "not_found" });
    await expect(mergeTree(world.repo, head, tree)).rejects.toMatchObject({ code: "not_found" });
    await expect(mergeTree(world.repo, head, "main")).rejects.toMatchObject({ code: "refused" });
    const alone = await commitTree(world.repo, {
      tree,
      parents: [],
      message: "x",
      author: muster,
      committer: muster,
    });
    await expect(mergeTree(world.repo, head, alone)).rejects.toMatchObject({ code: "conflict" });
  });

  test("without a name in the configuration muster signs", async () => {
    const world = await makeWorld();
    await put(join(world.dir, ".gitconfig"), "");
    expect(await person(world.repo)).toEqual(muster);
  });
});
