import { rm, writeFile } from "node:fs/promises";
import { existsSync, readFileSync, readdirSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { dropLock, takeLock } from "../../../src/git/follow.ts";
import { recoverFollow, type FollowRecord } from "../../../src/git/land.ts";
import { expectTidy, makeScene, type Scene } from "./landing.ts";

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
/** What a look at any moment finds in the lock, until `act` is over. */
async function seenMeanwhile(lock: string, act: Promise<unknown>): Promise<readonly string[]> {
  const seen: string[] = [];
  let isOver = false;
  void act.finally(() => (isOver = true));
  while (!isOver) {
    if (existsSync(lock)) seen.push(readFileSync(lock, "utf8"));
    await new Promise(setImmediate);
  }
  return seen;
}

test("the index lock is never there without our token, whenever a crash comes (F1)", async () => {
  const { world, record } = await crash(async (_, each) => dropLock(each));
  const lock = join(world.root, ".git/index.lock");
  const seen = new Set<string>();
  for (let i = 0; i < 200; i++) {
    const taking = takeLock(record);
    for (const text of await seenMeanwhile(lock, taking)) seen.add(text);
    expect(await taking).toBe(true);
    expect(await takeLock(record)).toBe(false);
    await dropLock(record);
  }
  expect([...seen]).toEqual([`muster ${record.token}\n`]);
  const names = readdirSync(join(world.root, ".git"));
  expect(names.filter((name) => name.startsWith("index."))).toEqual([]);
});

describe("recovery", () => {
  const theirs = " M other.txt\n?? mine.txt";

  test("a crash before anything moved is completed", async () => {
    const { scene, world, record } = await crash(async () => {});
    expect(await recoverFollow(world.repo, record)).toEqual({ landed: true, followed: world.root });
    expect(await world.git(["rev-parse", "main"])).toBe(scene.next);
    expect(await world.git(["status", "--porcelain"])).toBe(theirs);
    expect(await recoverFollow(world.repo, record)).toEqual({ landed: true, followed: world.root });
  });

  test("a checkout that was half written, one file cut and one gone, is completed (F1)", async () => {
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

  test("a crash between index and ref, and one after the ref, are completed (F1)", async () => {
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

  test("the lock of HEAD that a killed git left in the checkout goes (F1)", async () => {
    for (const withRef of [false, true]) {
      const { world, record } = await crash(async ({ world: { git, root }, old, next }) => {
        await rm(join(root, ".git/index.lock"));
        await git(["read-tree", "-m", "-u", old, next]);
        if (withRef) await git(["update-ref", "refs/heads/main", next, old]);
        await writeFile(join(root, ".git/HEAD.lock"), "");
      });
      expect(await recoverFollow(world.repo, record)).toMatchObject({ landed: true });
      expect(existsSync(join(world.root, ".git/HEAD.lock"))).toBe(false);
    }
  });

  test("what a person committed on top of a landing that was cut off behind the ref stays, and so do its files (F1)", async () => {
    const { scene, world, record } = await crash(
      async ({ world: { git, root, write }, old, next }) => {
        await rm(join(root, ".git/index.lock"));
        await git(["read-tree", "-m", "-u", old, next]);
        await git(["update-ref", "refs/heads/main", next, old]);
        await write("touched.txt", "theirs\n");
        await git(["commit", "-q", "-m", "On top", "touched.txt"]);
      },
    );
    expect(await recoverFollow(world.repo, record)).toEqual({ landed: true, followed: world.root });
    expect(await world.git(["status", "--porcelain"])).toBe(theirs);
    expect(await world.git(["rev-parse", "main~1"])).toBe(scene.next);
  });

  test("where a person has taken over what was added, it is not removed (F1)", async () => {
    const { world, record } = await crash(async ({ world: { git, root, write } }) => {
      await rm(join(root, ".git/index.lock"));
      await write("added.txt", "added\n");
      await git(["add", "added.txt"]);
      await git(["commit", "-q", "-m", "Mine", "added.txt"]);
    });
    expect(await recoverFollow(world.repo, record)).toMatchObject({ landed: false, why: "moved" });
    expect(await world.git(["status", "--porcelain"])).toBe(theirs);
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

  test("a lock that is not ours stays, and recovery waits for later (F13)", async () => {
    const { world, record } = await crash(async ({ world: { root } }) =>
      writeFile(join(root, ".git/index.lock"), "DIRC"),
    );
    await expect(recoverFollow(world.repo, record)).rejects.toMatchObject({ code: "locked" });
    expect(existsSync(join(world.root, ".git/index.lock"))).toBe(true);
  });
});
