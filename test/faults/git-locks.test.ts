/** Other users of git beside muster: locks that they hold or left, and muster's own, which it must not take. */
import { spawn } from "node:child_process";
import { once } from "node:events";
import { existsSync, readFileSync } from "node:fs";
import { chmod, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { expect, test } from "vitest";
import { commitAll } from "../../src/git/commit-all.ts";
import { openRepository } from "../../src/git/git.ts";
import { readHead } from "../../src/git/inspect.ts";
import { snapshot } from "../../src/git/snapshot.ts";
import { countUncommitted } from "../../src/git/uncommitted.ts";
import { addWorktree, listWorktrees } from "../../src/git/worktree.ts";
import { type World, makeWorld, put } from "../integration/git/world.ts";

const ref = "refs/muster/attempts/att_1/1";
const pat = { name: "Pat", email: "pat@example.org" };

test("twenty worktrees at once are all made, beside a person who makes five more (F15)", async () => {
  const world = await makeWorld();
  const commit = await world.git(["rev-parse", "HEAD"]);
  const theirs = async (): Promise<void> => {
    for (let n = 0; n < 5; n++)
      // Their git may lose the race for a lock; they would try again.
      while (
        (await world.tryGit(["worktree", "add", "-q", "--detach", join(world.dir, `mine-${n}`)]))
          .code !== 0
      );
  };
  const [, ...records] = await Promise.all([
    theirs(),
    ...Array.from({ length: 20 }, (_, n) =>
      addWorktree(world.repo, {
        path: join(world.dir, "worktrees", `att_${n}`),
        branch: `muster/run_1/t${n}`,
        commit,
        reason: "attempt",
      }),
    ),
  ]);
  for (const { path } of records)
    expect(await world.git(["status", "--porcelain"], { cwd: path })).toBe("");
  expect(await listWorktrees(world.repo)).toHaveLength(26);
});

test("looking at a worktree again and again never gets in the way of the session's own git (F14)", async () => {
  const world = await makeWorld();
  const { record, place } = await world.addWorktree("att_1");
  const base = await world.git(["rev-parse", "HEAD"]);
  const git = { cwd: record.path };
  let working = true;
  const watch = async (own: string): Promise<number> => {
    let looks = 0;
    for (; working; looks++) {
      await readHead(world.repo, place, base);
      await snapshot(world.repo, place, { ref: own, message: "look" });
      await countUncommitted(await openRepository(record.path, world.env));
    }
    return looks;
  };
  const work = async (): Promise<void> => {
    for (let n = 0; n < 20; n++) {
      await put(join(record.path, `f${n}.txt`), `${n}\n`);
      await world.git(["add", "-A"], git);
      await world.git(["commit", "-q", "-m", `${n}`], git);
    }
  };
  const [, ...looks] = await Promise.all([
    work().finally(() => (working = false)),
    watch("refs/muster/attempts/att_1/1"),
    watch("refs/muster/attempts/att_1/2"),
  ]);
  for (const count of looks) expect(count).toBeGreaterThan(0);
  expect(await world.git(["rev-list", "--count", `${base}..HEAD`], git)).toBe("20");
});

test("every git that muster calls is told to take no optional lock (F14)", async () => {
  const world = await makeWorld();
  const seen = join(world.dir, "seen");
  const real = (await world.git(["--exec-path"])).concat("/git");
  const script = `#!/bin/sh\necho "$GIT_OPTIONAL_LOCKS $*" >> ${seen}\nexec ${real} "$@"\n`;
  await put(join(world.dir, "bin/git"), script);
  await chmod(join(world.dir, "bin/git"), 0o755);
  const env = { ...world.env, PATH: `${join(world.dir, "bin")}:${world.env["PATH"]}` };
  const repo = await openRepository(world.root, env, { scratch: join(world.dir, "scratch") });
  const { record, place } = await world.addWorktree("att_1");
  await put(join(record.path, "new.txt"), "new\n");
  await readHead(repo, place, await world.git(["rev-parse", "HEAD"]));
  await snapshot(repo, place, { ref, message: "look" });
  await commitAll(repo, place, "all", pat);
  await countUncommitted(repo);
  await listWorktrees(repo);
  const calls = readFileSync(seen, "utf8").trim().split("\n");
  expect(calls.length).toBeGreaterThan(20);
  expect(calls.filter((call) => !call.startsWith("0 --no-optional-locks "))).toEqual([]);
});

/** Kills a session's git in the middle of an `add`, so that its lock stays. */
async function killInAdd(world: World, cwd: string): Promise<void> {
  const filter = join(world.dir, "slow.sh");
  await put(filter, "#!/bin/sh\necho begun >&2\nexec sleep 60\n");
  await chmod(filter, 0o755);
  await put(join(cwd, ".gitattributes"), "slow.txt filter=slow\n");
  await put(join(cwd, "slow.txt"), "slow\n");
  const args = ["-c", `filter.slow.clean=${filter}`, "add", "-A"];
  const adding = spawn("git", args, { cwd, env: world.env, detached: true });
  await once(adding.stderr, "data");
  const ended = once(adding, "exit");
  process.kill(-(adding.pid ?? 0), "SIGKILL");
  await ended;
}

test("a lock that a killed session left in its worktree disturbs no other worktree, and no look at its own (F13)", async () => {
  const world = await makeWorld();
  const { record, place } = await world.addWorktree("att_1");
  const other = await world.addWorktree("att_2");
  await killInAdd(world, record.path);
  const lock = join(record.gitDir, "index.lock");
  expect(existsSync(lock)).toBe(true);
  const head = await world.git(["rev-parse", "HEAD"]);
  expect(await readHead(world.repo, place, head)).toMatchObject({ dirty: true });
  const taken = await snapshot(world.repo, place, { ref, message: "look" });
  expect(await world.git(["cat-file", "blob", `${taken.commit}:slow.txt`])).toBe("slow");
  await put(join(other.record.path, "x.txt"), "x\n");
  await world.git(["add", "-A"], { cwd: other.record.path });
  await commitAll(world.repo, other.place, "all", pat);
  expect(await readHead(world.repo, other.place, head)).toMatchObject({ dirty: false });
});

test("what a killed session left is committed though its git left a lock behind (F13)", async () => {
  const world = await makeWorld();
  const { record, place } = await world.addWorktree("att_1");
  const head = await world.git(["rev-parse", "HEAD"]);
  await killInAdd(world, record.path);
  // As often as it is tried again where it fails.
  for (let tries = 0; tries < 3; tries++)
    await commitAll(world.repo, place, "all", pat).catch(() => {});
  expect(await world.git(["rev-list", "--count", `${head}..HEAD`], { cwd: record.path })).toBe("1");
  expect(await readHead(world.repo, place, head)).toMatchObject({ dirty: false });
  await writeFile(join(record.path, "next.txt"), "next\n");
  await world.git(["add", "-A"], { cwd: record.path });
});
