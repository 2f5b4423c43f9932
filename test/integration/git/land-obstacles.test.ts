import { chmod, mkdir, rm, symlink, writeFile } from "node:fs/promises";
import { existsSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { land } from "../../../src/git/land.ts";
import { makeWorld, nextSecond, put, type World } from "./world.ts";
import { expectRefused, expectTidy, makeScene } from "./landing.ts";

describe("a checkout in the way", () => {
  const edits: readonly (readonly [
    string,
    (world: World) => Promise<unknown>,
    readonly string[],
  ])[] = [
    ["an unstaged edit", (w) => w.write("touched.txt", "mine\n"), ["touched.txt"]],
    [
      "a staged edit",
      async (w) => {
        await w.write("touched.txt", "mine\n");
        await w.git(["add", "."]);
      },
      ["touched.txt"],
    ],
    [
      "an edit that equals the new content",
      (w) => w.write("touched.txt", "one\ntwo\nTHREE\n"),
      ["touched.txt"],
    ],
    [
      "a staged edit that equals the new content",
      async (w) => {
        await w.write("touched.txt", "one\ntwo\nTHREE\n");
        await w.git(["add", "."]);
      },
      ["touched.txt"],
    ],
    [
      "a staged deletion of a file that goes",
      (w) => w.git(["rm", "-q", "dropped.txt"]),
      ["dropped.txt"],
    ],
    ["a changed mode", (w) => chmod(join(w.root, "touched.txt"), 0o755), ["touched.txt"]],
    ["an edit of a file that goes", (w) => w.write("dropped.txt", "mine\n"), ["dropped.txt"]],
    ["a deletion", (w) => rm(join(w.root, "touched.txt")), ["touched.txt"]],
    [
      "an intent to add",
      async (w) => {
        await w.write("added.txt", "x");
        await w.git(["add", "-N", "added.txt"]);
      },
      ["added.txt"],
    ],
    ["an untracked file", (w) => w.write("added.txt", "mine\n"), ["added.txt"]],
    [
      "an untracked file with the same content",
      (w) => w.write("added.txt", "added\n"),
      ["added.txt"],
    ],
    ["an untracked folder with a file", (w) => w.write("added.txt/mine", "x"), ["added.txt/mine"]],
    ["a file where a folder must be", (w) => w.write("deep", "mine\n"), ["deep"]],
    ["a link where a folder must be", (w) => symlink("/tmp", join(w.root, "deep")), ["deep"]],
    [
      "an edit hidden by assume-unchanged",
      async (w) => {
        await w.git(["update-index", "--assume-unchanged", "touched.txt"]);
        await w.write("touched.txt", "");
      },
      ["touched.txt"],
    ],
    [
      "an edit hidden by skip-worktree",
      async (w) => {
        await w.git(["update-index", "--skip-worktree", "touched.txt"]);
        await w.write("touched.txt", "mine\n");
      },
      ["touched.txt"],
    ],
  ];
  test.each(edits)("%s keeps everything as it is and is named", async (_, act, paths) => {
    const scene = await makeScene();
    await act(scene.world);
    await expectRefused(scene, paths);
    await expectTidy(scene);
  });

  test("ignored files and links where new ones go are not overwritten, as every mover of git does", async () => {
    for (const make of ["file", "link", "folder"] as const) {
      const scene = await makeScene();
      await put(join(scene.world.root, ".git/info/exclude"), "added.txt\n");
      const path = join(scene.world.root, "added.txt");
      if (make === "file") await put(path, "secret\n");
      else if (make === "link") await symlink("/nowhere", path);
      else await put(join(path, "inside"), "secret\n");
      await expectRefused(scene, [make === "folder" ? "added.txt/inside" : "added.txt"]);
      // The positive control: git itself says that nothing is in the way.
      expect(
        (await scene.world.tryGit(["read-tree", "-n", "-m", "-u", scene.old, scene.next])).code,
      ).toBe(0);
    }
  });

  test("an ignored file or link where a new folder goes is not replaced", async () => {
    for (const make of ["file", "link"] as const) {
      const scene = await makeScene();
      await put(join(scene.world.root, ".git/info/exclude"), "deep\n");
      const path = join(scene.world.root, "deep");
      await (make === "file" ? put(path, "secret\n") : symlink("/nowhere", path));
      await expectRefused(scene, ["deep"]);
      const control = ["read-tree", "-n", "-m", "-u", scene.old, scene.next];
      expect((await scene.world.tryGit(control)).code).toBe(0);
    }
  });

  test("an edit in the very second of the last index write is seen", async () => {
    const scene = await makeScene();
    await nextSecond();
    await scene.world.write("touched.txt", "one\ntwo\nthreE\n");
    await scene.world.git(["add", "touched.txt"]);
    await scene.world.write("touched.txt", "one\ntwo\nthree\n");
    await scene.world.git(["add", "touched.txt"]);
    await scene.world.write("touched.txt", "one\ntwo\nMINE!\n");
    await expectRefused(scene, ["touched.txt"]);
  });

  test("a merge, a pick, a revert, a rebase or a bisect under way is named and left alone", async () => {
    for (const [args, name] of [
      [["merge", "--no-edit", "side"], "merge"],
      [["cherry-pick", "side"], "cherry-pick"],
      [["revert", "--no-edit", "HEAD~1"], "revert"],
      [["rebase", "side"], "rebase"],
      [["bisect", "start"], "bisect"],
    ] as const) {
      const world = await makeWorld({ "a.txt": "0\n" });
      await world.write("a.txt", "1\n");
      await world.commit("1");
      await world.git(["checkout", "-q", "-b", "side", "HEAD~1"]);
      await world.write("a.txt", "side\n");
      await world.commit("side");
      await world.git(["checkout", "-q", "main"]);
      await world.write("a.txt", "2\n");
      const old = await world.commit("2");
      const tree = await world.git(["rev-parse", "HEAD^{tree}"]);
      const next = await world.git(["commit-tree", tree, "-p", old, "-m", "next"]);
      await world.tryGit(args);
      const journal = { write() {}, clear() {} };
      const landing = await land(world.repo, { target: "main", old, new: next, journal });
      expect(landing, name).toMatchObject({
        landed: false,
        why: "checkout_in_the_way",
        detail: `a ${name} is under way in ${world.root}`,
      });
      expect(await world.git(["rev-parse", "main"])).toBe(old);
    }
  });

  test("unmerged entries and a held index.lock are told (F13)", async () => {
    const scene = await makeScene();
    const lock = join(scene.world.root, ".git/index.lock");
    await writeFile(lock, "");
    expect(await expectRefused(scene, [])).toContain("index.lock");
    expect(existsSync(lock)).toBe(true);
    await rm(lock);
    const [one, two] = [
      await scene.world.git(["rev-parse", `${scene.old}:other.txt`]),
      await scene.world.git(["rev-parse", `${scene.next}:added.txt`]),
    ];
    const info = `0 ${"0".repeat(40)}\tother.txt\n100644 ${one} 1\tother.txt\n100644 ${two} 2\tother.txt\n100644 ${one} 3\tother.txt\n`;
    await scene.world.git(["update-index", "--index-info"], { input: info });
    const landing = await scene.land();
    expect(landing).toMatchObject({ landed: false, why: "checkout_in_the_way" });
    await expectTidy(scene);
  });

  test("a branch that moves while its files do takes them back (F35)", async () => {
    const scene = await makeScene();
    const { world, old, next } = scene;
    await world.write("other.txt", "mine\n");
    await world.write("folder/file", "staged\n");
    await world.git(["add", "folder/file"]);
    const tree = await world.git(["rev-parse", `${old}^{tree}`]);
    const raced = await world.git(["commit-tree", tree, "-p", old, "-m", "raced"]);
    let cleared = 0;
    const landing = await land(world.repo, {
      target: "main",
      old,
      new: next,
      journal: {
        write: async () => {
          await world.git(["update-ref", "refs/heads/main", raced, old]);
        },
        clear: () => {
          cleared++;
        },
      },
    });
    expect(landing).toEqual({ landed: false, why: "moved", now: raced });
    expect(cleared).toBe(1);
    expect(await world.git(["status", "--porcelain"])).toBe("M  folder/file\n M other.txt");
    expect(await world.read("touched.txt")).toBe("one\ntwo\nthree\n");
    expect(existsSync(join(world.root, "deep"))).toBe(false);
    expect(existsSync(join(world.root, ".git/index.lock"))).toBe(false);
  });

  test("a file that can't be written takes the others back", async ({ skip }) => {
    const scene = await makeScene();
    const { world } = scene;
    await mkdir(join(world.root, "deep"));
    if ((await world.tryGit(["-c", "alias.no=!chattr +i deep", "no"])).code !== 0) skip();
    try {
      await expectRefused(scene, []);
    } finally {
      await world.git(["-c", "alias.yes=!chattr -i deep", "yes"]);
    }
    expect(await world.git(["status", "--porcelain"])).toBe("");
    await expectTidy(scene);
  });
});
