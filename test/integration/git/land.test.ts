import { chmod, mkdir, rm, stat, symlink, utimes, writeFile } from "node:fs/promises";
import { existsSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { land, recoverFollow, type FollowRecord } from "../../../src/git/land.ts";
import { makeWorld, nextSecond, put, type World } from "./world.ts";

interface Scene {
  readonly world: World;
  readonly old: string;
  readonly next: string;
  readonly journal: { readonly records: FollowRecord[]; cleared: number };
  land(isOurs?: (path: string) => boolean): ReturnType<typeof land>;
}

const before = {
  "touched.txt": "one\ntwo\nthree\n",
  "other.txt": "other\n",
  "dropped.txt": "dropped\n",
  "folder/file": "x\n",
  ".gitignore": "*.log\nbuild\n",
};

/** `main` is checked out at `old`; `next` edits one file, adds three and deletes one. */
async function makeScene(files: Readonly<Record<string, string>> = before): Promise<Scene> {
  const world = await makeWorld(files);
  const old = await world.git(["rev-parse", "HEAD"]);
  await world.git(["checkout", "-q", "-b", "work"]);
  await world.write("touched.txt", "one\ntwo\nTHREE\n");
  await world.write("added.txt", "added\n");
  await world.write("deep/er/added.txt", "added\n");
  await world.write("run.sh", "#!/bin/sh\n");
  await chmod(join(world.root, "run.sh"), 0o755);
  await rm(join(world.root, "dropped.txt"));
  const next = await world.commit("next");
  await world.git(["checkout", "-q", "main"]);
  await world.git(["branch", "-q", "-D", "work"]);
  const journal: Scene["journal"] = { records: [], cleared: 0 };
  return {
    world,
    old,
    next,
    journal,
    land: (isOurs) =>
      land(world.repo, {
        target: "main",
        old,
        new: next,
        journal: {
          write: (record) => {
            journal.records.push(record);
          },
          clear: () => {
            journal.cleared++;
          },
        },
        ...(isOurs === undefined ? {} : { isOurs }),
      }),
  };
}

async function expectLanded(scene: Scene, status = ""): Promise<void> {
  const { world } = scene;
  expect(await scene.land()).toEqual({ landed: true, followed: world.root });
  expect(await world.git(["rev-parse", "main"])).toBe(scene.next);
  expect(await world.git(["status", "--porcelain"])).toBe(status);
  expect(await world.read("touched.txt")).toBe("one\ntwo\nTHREE\n");
  expect((await stat(join(world.root, "run.sh"))).mode & 0o100).toBe(0o100);
  await expectTidy(scene);
}

/** Nothing of ours is left in the git directory, and the journal is closed. */
async function expectTidy({ world, journal }: Scene): Promise<void> {
  expect(journal.records.length).toBe(journal.cleared);
  const { readdir } = await import("node:fs/promises");
  const left = (await readdir(join(world.root, ".git"))).filter((name) =>
    /^index\.|ORIG_HEAD/.test(name),
  );
  expect(left).toEqual([]);
}

/** Refused, and every byte, index entry and ref as it was. */
async function expectRefused(scene: Scene, paths: readonly string[]): Promise<string> {
  const { world, old } = scene;
  const status = await world.git(["status", "--porcelain=v2", "--ignored"]);
  const diff = await world.git(["diff"]);
  const landing = await scene.land();
  if (landing.landed || landing.why !== "checkout_in_the_way")
    throw new Error(JSON.stringify(landing));
  expect(landing.paths).toEqual(paths);
  expect(await world.git(["rev-parse", "main"])).toBe(old);
  expect(await world.git(["status", "--porcelain=v2", "--ignored"])).toBe(status);
  expect(await world.git(["diff"])).toBe(diff);
  expect(existsSync(join(world.root, "run.sh"))).toBe(false);
  return landing.detail;
}

describe("a branch that nobody has checked out", () => {
  test("moves by compare-and-swap", async () => {
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

  test("a branch that is gone has moved", async () => {
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
    await scene.world.git(["config", "filter.mark.smudge", "sed s/added/smudged/"]);
    await scene.world.git(["config", "filter.mark.clean", "sed s/smudged/added/"]);
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
    await expectLandedWithFilter(scene);
    expect(existsSync(join(scene.world.dir, "ran"))).toBe(false);
  });

  async function expectLandedWithFilter(scene: Scene): Promise<void> {
    expect(await scene.land()).toEqual({ landed: true, followed: scene.world.root });
    expect(await scene.world.read("added.txt")).toBe("smudged\n");
  }

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

  test("unmerged entries and a held index.lock are told", async () => {
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

  test("a branch that moves while its files do takes them back", async () => {
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

describe("recovery", () => {
  /** A crash at a chosen point: the record is written, then everything is left as `act` leaves it. */
  async function crash(act: (scene: Scene, record: FollowRecord) => Promise<unknown>) {
    const scene = await makeScene();
    const { world, old, next } = scene;
    const record: FollowRecord = {
      worktree: world.root,
      gitDir: join(world.root, ".git"),
      target: "main",
      old,
      new: next,
      token: "11111111-2222-4333-8444-555555555555",
    };
    await world.write("other.txt", "mine\n");
    await world.write("mine.txt", "untracked\n");
    await writeFile(join(world.root, ".git/index.lock"), `muster ${record.token}\n`);
    await act(scene, record);
    return { scene, world, record };
  }
  const theirs = " M other.txt\n?? mine.txt";

  test("a crash before anything moved is completed", async () => {
    const { scene, world, record } = await crash(async () => {});
    expect(await recoverFollow(world.repo, record)).toEqual({ landed: true, followed: world.root });
    expect(await world.git(["rev-parse", "main"])).toBe(scene.next);
    expect(await world.git(["status", "--porcelain"])).toBe(theirs);
    expect(await recoverFollow(world.repo, record)).toEqual({ landed: true, followed: world.root });
  });

  test("a checkout that was half written, one file cut and one gone, is completed", async () => {
    const { scene, world, record } = await crash(async ({ world: { root, write } }) => {
      await write("added.txt", "added\n");
      await write("run.sh", "#!/b");
      await rm(join(root, "dropped.txt"));
      await rm(join(root, "touched.txt"));
      await writeFile(
        join(root, ".git/index.muster-11111111-2222-4333-8444-555555555555.lock"),
        "",
      );
    });
    expect(await recoverFollow(world.repo, record)).toEqual({ landed: true, followed: world.root });
    expect(await world.git(["rev-parse", "main"])).toBe(scene.next);
    expect(await world.git(["status", "--porcelain"])).toBe(theirs);
    await expectTidy(scene);
  });

  test("a crash between index and ref, and one after the ref, are completed", async () => {
    for (const withRef of [false, true]) {
      const { world, record } = await crash(async ({ world: { git, root }, old, next }) => {
        await rm(join(root, ".git/index.lock"));
        await git(["read-tree", "-m", "-u", old, next]);
        if (withRef) await git(["update-ref", "refs/heads/main", next, old]);
        await writeFile(
          join(root, ".git/index.lock"),
          "muster 11111111-2222-4333-8444-555555555555\n",
        );
      });
      expect(await recoverFollow(world.repo, record)).toEqual({
        landed: true,
        followed: world.root,
      });
      expect(await world.git(["status", "--porcelain"])).toBe(theirs);
    }
  });

  test("where the branch is elsewhere by now the files go back", async () => {
    const { world, record } = await crash(async ({ world: { git, root, write }, old }) => {
      await write("added.txt", "added\n");
      await write("touched.txt", "one\ntwo\n");
      const tree = await git(["rev-parse", `${old}^{tree}`]);
      await git([
        "update-ref",
        "refs/heads/main",
        await git(["commit-tree", tree, "-p", old, "-m", "other"]),
      ]);
      await rm(join(root, "dropped.txt"));
    });
    expect(await recoverFollow(world.repo, record)).toMatchObject({ landed: false, why: "moved" });
    expect(await world.git(["status", "--porcelain"])).toBe(theirs);
    expect(await world.read("touched.txt")).toBe("one\ntwo\nthree\n");
  });

  test("an edit that the person made after the crash is kept and told", async () => {
    const { scene, world, record } = await crash(async ({ world: { write } }) => {
      await write("added.txt", "added\n");
      await write("touched.txt", "something of mine\n");
    });
    expect(await recoverFollow(world.repo, record)).toMatchObject({
      landed: false,
      why: "checkout_in_the_way",
      paths: ["touched.txt"],
    });
    expect(await world.read("touched.txt")).toBe("something of mine\n");
    expect(existsSync(join(world.root, "added.txt"))).toBe(false);
    expect(await world.git(["rev-parse", "main"])).toBe(scene.old);
  });

  test("a lock that is not ours stays, and recovery waits for later", async () => {
    const { world, record } = await crash(async ({ world: { root } }) =>
      writeFile(join(root, ".git/index.lock"), "DIRC"),
    );
    await expect(recoverFollow(world.repo, record)).rejects.toMatchObject({ code: "locked" });
    expect(existsSync(join(world.root, ".git/index.lock"))).toBe(true);
  });
});
