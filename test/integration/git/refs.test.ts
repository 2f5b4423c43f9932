import { chmod, mkdir } from "node:fs/promises";
import { existsSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { openRepository } from "../../../src/git/git.ts";
import {
  branchPrefix,
  currentBranch,
  deleteRef,
  readRef,
  resolve,
  updateRef,
} from "../../../src/git/refs.ts";
import { makeWorld, put } from "./world.ts";

describe("opening", () => {
  test("from a subfolder and from a linked worktree it is the same project", async () => {
    const world = await makeWorld({ "sub/a.txt": "one\n" });
    const { record } = await world.addWorktree("att_1");
    const fromSub = await openRepository(join(world.root, "sub"), world.env);
    const fromLinked = await openRepository(record.path, world.env);
    expect(fromSub).toMatchObject({
      common: join(world.root, ".git"),
      root: world.root,
      format: "sha1",
    });
    expect(fromLinked).toMatchObject({
      common: join(world.root, ".git"),
      root: record.path,
      gitDir: record.gitDir,
    });
  });

  test("no repository, a bare one, no folder and no git each say what to do", async () => {
    const world = await makeWorld();
    const plain = join(world.dir, "plain");
    await mkdir(plain);
    await expect(openRepository(plain, world.env)).rejects.toMatchObject({
      code: "not_a_repository",
      remedy: "git init",
    });
    await world.git(["init", "-q", "--bare", join(world.dir, "bare")]);
    await expect(openRepository(join(world.dir, "bare"), world.env)).rejects.toMatchObject({
      code: "refused",
    });
    await expect(openRepository(join(world.dir, "none"), world.env)).rejects.toMatchObject({
      code: "not_found",
    });
    await expect(openRepository(world.root, { ...world.env, PATH: plain })).rejects.toMatchObject({
      code: "not_found",
      message: "git is not on PATH",
    });
  });

  test("an old git is refused with its version", async () => {
    const world = await makeWorld();
    await put(join(world.dir, "old/git"), "#!/bin/sh\necho git version 2.30.2\n");
    await chmod(join(world.dir, "old/git"), 0o755);
    const env = { ...world.env, PATH: `${join(world.dir, "old")}:${world.env["PATH"]}` };
    await expect(openRepository(world.root, env)).rejects.toMatchObject({
      code: "git_too_old",
      message: "git 2.30 is older than 2.39",
    });
  });

  test("a relative entry of PATH is not searched", async () => {
    const world = await makeWorld();
    await put(join(world.root, "git"), `#!/bin/sh\ntouch ${world.dir}/canary\n`);
    await chmod(join(world.root, "git"), 0o755);
    await openRepository(world.root, { ...world.env, PATH: `.:${world.env["PATH"]}` });
    expect(existsSync(join(world.dir, "canary"))).toBe(false);
  });

  test("a worktree of a bare repository opens, and a SHA-256 repository works", async () => {
    const world = await makeWorld();
    await world.git(["clone", "-q", "--bare", world.root, join(world.dir, "bare")]);
    await world.git(["worktree", "add", "-q", join(world.dir, "w"), "main"], {
      cwd: join(world.dir, "bare"),
    });
    const bare = await openRepository(join(world.dir, "w"), world.env);
    expect(await currentBranch(bare)).toEqual({ branch: "main" });
    await world.git(["init", "-q", "--object-format=sha256", join(world.dir, "long")]);
    const long = await openRepository(join(world.dir, "long"), world.env);
    expect(long.format).toBe("sha256");
    expect(await currentBranch(long)).toEqual({ unborn: "main" });
  });
});

describe("refs", () => {
  test("a ref moves only from the value that was named", async () => {
    const { repo, git, commit } = await makeWorld();
    const one = await git(["rev-parse", "HEAD"]);
    const two = await commit("second");
    const ref = "refs/muster/attempts/att_1/1";
    expect(await updateRef(repo, ref, one, null)).toBe("moved");
    expect(await updateRef(repo, ref, two, null)).toBe("raced");
    expect(await updateRef(repo, ref, two, two)).toBe("raced");
    expect(await updateRef(repo, ref, two, one)).toBe("moved");
    expect(await readRef(repo, ref)).toBe(two);
    expect(await deleteRef(repo, ref, one)).toBe("raced");
    expect(await deleteRef(repo, ref, two)).toBe("deleted");
    expect(await readRef(repo, ref)).toBeNull();
  });

  test("a symbolic ref that was planted does not move what it points to", async () => {
    const { repo, git, commit } = await makeWorld();
    const one = await git(["rev-parse", "HEAD"]);
    const two = await commit("second");
    await git(["symbolic-ref", "refs/heads/muster/x", "refs/heads/main"]);
    await updateRef(repo, "refs/heads/muster/x", one, two);
    expect(await readRef(repo, "refs/heads/main")).toBe(two);
  });

  test("revisions resolve to commits, options and nonsense to nothing", async () => {
    const { repo, git } = await makeWorld();
    const head = await git(["rev-parse", "HEAD"]);
    await git(["tag", "-a", "-m", "x", "v1"]);
    expect(await resolve(repo, "main")).toBe(head);
    expect(await resolve(repo, "v1")).toBe(head);
    for (const rev of ["--all", "nowhere", "main:a.txt", "", "a\0b"])
      expect(await resolve(repo, rev)).toBeUndefined();
  });

  test("a branch named muster moves ours out of its way", async () => {
    const { repo, git } = await makeWorld();
    expect(await branchPrefix(repo)).toBe("muster/");
    await git(["branch", "muster"]);
    expect(await branchPrefix(repo)).toBe("muster-");
  });

  test("HEAD is told as a branch or a commit", async () => {
    const { repo, git } = await makeWorld();
    expect(await currentBranch(repo)).toEqual({ branch: "main" });
    await git(["checkout", "-q", "--detach"]);
    expect(await currentBranch(repo)).toEqual({ detached: await git(["rev-parse", "HEAD"]) });
  });
});
