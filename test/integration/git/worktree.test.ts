import { chmod, mkdir, readFile, readdir, rm, stat, symlink, writeFile } from "node:fs/promises";
import { existsSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import {
  addWorktree,
  listWorktrees,
  lockWorktree,
  openPlace,
  retireWorktree,
  unlockWorktree,
} from "../../../src/git/worktree.ts";
import { deleteTrash } from "../../../src/git/trash.ts";
import { openRepository } from "../../../src/git/git.ts";
import { makeWorld, put } from "./world.ts";

describe("adding", () => {
  test("ten worktrees at once all get their files, their branch and their lock (F15)", async () => {
    const world = await makeWorld({ "a.txt": "one\n", "sub/run.sh": "#!/bin/sh\n" });
    await chmod(join(world.root, "sub/run.sh"), 0o755);
    const head = await world.commit("exec");
    const records = await Promise.all(
      Array.from({ length: 10 }, (_, n) =>
        addWorktree(world.repo, {
          path: join(world.dir, "worktrees", `att_1_${n}`),
          branch: `muster/run_1/t${n}`,
          commit: head,
          reason: "attempt",
        }),
      ),
    );
    expect(new Set(records.map(({ gitDir }) => gitDir)).size).toBe(10);
    for (const [n, record] of records.entries()) {
      expect(await readFile(join(record.path, "a.txt"), "utf8")).toBe("one\n");
      expect((await stat(join(record.path, "sub/run.sh"))).mode & 0o100).toBe(0o100);
      expect(await world.git(["status", "--porcelain"], { cwd: record.path })).toBe("");
      expect(await world.git(["symbolic-ref", "HEAD"], { cwd: record.path })).toBe(
        `refs/heads/muster/run_1/t${n}`,
      );
    }
    const listed = await listWorktrees(world.repo);
    expect(listed).toHaveLength(11);
    expect(listed.slice(1).every(({ locked }) => locked === "attempt")).toBe(true);
    expect(await world.git(["config", "--local", "--get-regexp", "^branch"]).catch(() => "")).toBe(
      "",
    );
  });

  test("only one git adds a worktree at a time (F15)", async () => {
    const world = await makeWorld();
    const commit = await world.git(["rev-parse", "HEAD"]);
    const real = (await world.git(["--exec-path"])).concat("/git");
    const [held, overlap] = [join(world.dir, "held"), join(world.dir, "overlap")];
    const script = `case "$*" in *"worktree add"*) mkdir ${held} || touch ${overlap};; *) exec ${real} "$@";; esac`;
    await put(
      join(world.dir, "bin/git"),
      `#!/bin/sh\n${script}\n${real} "$@"\ncode=$?\nsleep 0.02\nrmdir ${held}\nexit $code\n`,
    );
    await chmod(join(world.dir, "bin/git"), 0o755);
    const env = { ...world.env, PATH: `${join(world.dir, "bin")}:${world.env["PATH"]}` };
    // Two doors to one project share the queue.
    const repos = [await openRepository(world.root, env), await openRepository(world.root, env)];
    await Promise.all(
      repos.flatMap((repo, r) =>
        [1, 2, 3].map((n) => {
          const name = `att_${r}_${n}`;
          const path = join(world.dir, "worktrees", name);
          return addWorktree(repo, { path, branch: `muster/run_1/${name}`, commit, reason: "x" });
        }),
      ),
    );
    expect(await listWorktrees(world.repo)).toHaveLength(7);
    expect(existsSync(overlap)).toBe(false);
  });

  test("the same worktree again changes nothing, also with work in it", async () => {
    const world = await makeWorld();
    const { record } = await world.addWorktree("att_1");
    await put(join(record.path, "a.txt"), "edited\n");
    await world.git(["commit", "-qam", "work"], { cwd: record.path });
    await put(join(record.path, "a.txt"), "more\n");
    expect((await world.addWorktree("att_1")).record).toEqual(record);
    expect(await readFile(join(record.path, "a.txt"), "utf8")).toBe("more\n");
  });

  test("a checkout that was cut off is completed (F13)", async () => {
    const world = await makeWorld({ "a.txt": "one\n", "b.txt": "two\n" });
    const { record } = await world.addWorktree("att_1");
    await rm(join(record.gitDir, "index"));
    await writeFile(join(record.gitDir, "index.lock"), "");
    await writeFile(join(record.path, "a.txt"), "on");
    await rm(join(record.path, "b.txt"));
    await world.addWorktree("att_1");
    expect(await readFile(join(record.path, "a.txt"), "utf8")).toBe("one\n");
    expect(await world.git(["status", "--porcelain"], { cwd: record.path })).toBe("");
  });

  test("a branch that someone else made is refused and left alone", async () => {
    const world = await makeWorld();
    await world.git(["branch", "muster/run_1/att_1"]);
    await expect(world.addWorktree("att_1")).rejects.toMatchObject({ code: "refused" });
    expect(await listWorktrees(world.repo)).toHaveLength(1);
    expect(existsSync(join(world.dir, "worktrees/att_1"))).toBe(false);
  });

  test("a folder with something in it is refused and left alone", async () => {
    const world = await makeWorld();
    await put(join(world.dir, "worktrees/att_1/mine"), "x");
    await expect(world.addWorktree("att_1")).rejects.toMatchObject({ code: "refused" });
    expect(await readdir(join(world.dir, "worktrees/att_1"))).toEqual(["mine"]);
  });

  test("no hook of the repository runs", async () => {
    const world = await makeWorld();
    for (const name of ["post-checkout", "reference-transaction", "post-index-change"]) {
      await put(
        join(world.root, ".git/hooks", name),
        `#!/bin/sh\ntouch ${world.dir}/ran-${name}\n`,
      );
      await chmod(join(world.root, ".git/hooks", name), 0o755);
    }
    await world.addWorktree("att_1");
    expect((await readdir(world.dir)).filter((name) => name.startsWith("ran-"))).toEqual([]);
    await world.git(["worktree", "add", "-q", join(world.dir, "control")]);
    expect(
      (await readdir(world.dir)).filter((name) => name.startsWith("ran-")).length,
    ).toBeGreaterThan(0);
  });
});

describe("locking", () => {
  test("a locked worktree survives a prune, and both directions can be repeated", async () => {
    const world = await makeWorld();
    const { place } = await world.addWorktree("att_1");
    await unlockWorktree(world.repo, place);
    await unlockWorktree(world.repo, place);
    expect((await listWorktrees(world.repo))[1]?.locked).toBeNull();
    await lockWorktree(world.repo, place, "again");
    await lockWorktree(world.repo, place, "other");
    expect((await listWorktrees(world.repo))[1]?.locked).toBe("again");
  });
});

describe("retiring", () => {
  test("the folder and the registration go to the trash, the branch and other worktrees stay", async () => {
    const world = await makeWorld();
    const { record, place } = await world.addWorktree("att_1");
    const { place: other } = await world.addWorktree("att_2");
    await put(join(record.path, "new.txt"), "kept\n");
    const done = await retireWorktree(world.repo, place, join(world.dir, "trash"));
    if (!done.retired || done.trash === null || done.metadata === null)
      throw new Error("not retired");
    expect(await readFile(join(done.trash, "new.txt"), "utf8")).toBe("kept\n");
    expect(existsSync(record.path)).toBe(false);
    expect((await listWorktrees(world.repo)).map(({ path }) => path)).toEqual([
      world.root,
      other.worktree,
    ]);
    expect(await world.git(["branch", "--list", "muster/*"])).toContain("muster/run_1/att_1");
    await deleteTrash(done.trash);
    await deleteTrash(done.metadata);
    expect(await readdir(join(world.dir, "trash"))).toEqual([]);
  });

  test("a worktree whose folder is gone loses its registration", async () => {
    const world = await makeWorld();
    const { record, place } = await world.addWorktree("att_1");
    await rm(record.path, { recursive: true });
    expect(await retireWorktree(world.repo, place, join(world.dir, "trash"))).toMatchObject({
      retired: true,
      trash: null,
    });
    expect(await listWorktrees(world.repo)).toHaveLength(1);
  });

  test("a folder on another file system stays where it is", async ({ skip }) => {
    const world = await makeWorld();
    const { record, place } = await world.addWorktree("att_1");
    const elsewhere = "/dev/shm";
    if (!existsSync(elsewhere) || (await stat(elsewhere)).dev === (await stat(world.dir)).dev)
      skip();
    const trash = join(elsewhere, `muster-test-${process.pid}`);
    const done = await retireWorktree(world.repo, place, trash);
    await rm(trash, { recursive: true });
    expect(done).toEqual({ retired: false, why: "other_file_system" });
    expect(existsSync(join(record.path, "a.txt"))).toBe(true);
    expect(await listWorktrees(world.repo)).toHaveLength(2);
  });

  test("a registration that was redirected is refused", async () => {
    const world = await makeWorld();
    const { record, place } = await world.addWorktree("att_1");
    await writeFile(join(record.gitDir, "gitdir"), `${world.root}/.git\n`);
    await expect(retireWorktree(world.repo, place, join(world.dir, "trash"))).rejects.toMatchObject(
      {
        code: "refused",
        message: expect.stringContaining("worktree metadata was changed"),
      },
    );
    await expect(openPlace(world.repo, record)).rejects.toMatchObject({ code: "refused" });
    expect(existsSync(record.path)).toBe(true);
  });

  test("deleting trash follows no link and opens folders without write permission", async () => {
    const world = await makeWorld();
    const trash = join(world.dir, "trash/t");
    await put(join(trash, "cache/mod/file"), "x");
    await symlink(world.root, join(trash, "link"));
    await chmod(join(trash, "cache/mod"), 0o555);
    await mkdir(join(trash, "empty"));
    await deleteTrash(trash);
    expect(existsSync(trash)).toBe(false);
    expect(existsSync(join(world.root, "a.txt"))).toBe(true);
  });
});
