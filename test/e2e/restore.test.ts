/** What is cleaned comes back: worktree, branch and every file, byte for byte; and what goes for good goes only when it is asked for. */
import { spawn } from "node:child_process";
import {
  existsSync,
  openSync,
  closeSync,
  readFileSync,
  readdirSync,
  rmSync,
  writeFileSync,
} from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import type { CleanItem, Restoration } from "../../src/api/housekeeping.ts";
import { prompt, writeAndCommit } from "../../src/testing/model/behaviors.ts";
import { bash, commit, say, write } from "../../src/testing/model/steps.ts";
import { fill, listing, tracked } from "../integration/git/zoo.ts";
import { type World, hold, openWorld, taskOf } from "./harness.ts";

let world: World;
let run: string;
/** Of the worktree before it was taken away. */
let before: { readonly files: readonly string[]; readonly status: string; readonly head: string };
let worktree: string;
let branch: string;

const json = async <T>(...args: readonly string[]): Promise<T> => {
  const { code, stdout, stderr } = await world.muster([...args, "--json"]);
  expect([code, stderr]).toEqual([0, ""]);
  return JSON.parse(stdout) as T;
};
const restoration = async (...args: readonly string[]): Promise<Restoration & { done: boolean }> =>
  (await json<{ restore: Restoration & { done: boolean } }>("restore", ...args)).restore;
const items = async (...args: readonly string[]): Promise<readonly CleanItem[]> =>
  (await json<{ clean: { items: CleanItem[] } }>("clean", "--dry-run", ...args)).clean.items;
const statusOf = (dir: string): Promise<string> =>
  world.gitIn(dir, "status", "--porcelain=v2", "--branch", "-z");
/** Exit code, message and remedy of a refusal. */
const refusal = async (...args: readonly string[]): Promise<readonly unknown[]> => {
  const { code, stdout } = await world.muster([...args, "--json"]);
  const { error } = JSON.parse(stdout);
  return [code, error.message, error.remedy];
};

beforeAll(async () => {
  world = await openWorld({ files: tracked });
  const steps = [
    write("committed.txt", "good\n"),
    commit("Begin"),
    bash(hold("zoo")),
    say("Not reached."),
  ];
  const fails = [write("f.txt", "bad\n"), commit("Break"), say("Done.")];
  run = await world.start(
    world.plan([
      { id: "zoo", prompt: prompt("Fill it.", steps), permissions: { allow: ["Bash"] } },
      { id: "fails", prompt: prompt("Break it.", fails), limits: { fixes: 0 } },
      {
        id: "waits",
        prompt: writeAndCommit({ "w.txt": "good\n" }, "Wait"),
        gate: "none",
        approval: "required",
      },
    ]),
  );
  await world.held("zoo");
  const detail = await world.until(
    run,
    (now) =>
      taskOf(now, "fails").state === "failed" &&
      taskOf(now, "fails").worktree !== null &&
      taskOf(now, "waits").state === "asking",
  );
  const task = taskOf(detail, "zoo");
  worktree = task.worktree ?? "";
  branch = task.branch ?? "";
  await fill({ git: (args, options) => world.gitIn(options?.cwd ?? "", ...args) }, worktree);
  before = {
    files: await listing(worktree),
    status: await statusOf(worktree),
    head: await world.gitIn(worktree, "rev-parse", "HEAD"),
  };
});
afterAll(() => world.close());

test("a task that is not over is not restored over its own feet, but beside", async () => {
  const { worktree: own, branch: ownBranch } = taskOf(await world.api.run(run), "waits");
  expect(await refusal("restore", "waits")).toEqual([
    1,
    `${run}/waits is not over, and ${own} is its own`,
    `To have it beside that, run muster restore ${run}/waits --to FOLDER`,
  ]);
  const beside = join(world.root, "beside");
  expect(await restoration("waits", "--to", beside)).toMatchObject({
    worktree: beside,
    branch: null,
    detached: `${ownBranch} is checked out in another worktree`,
  });
  expect(await listing(beside)).toEqual(await listing(own ?? ""));
  await world.git("worktree", "remove", beside);
});

describe("a task that was stopped in the middle of everything", () => {
  test("comes back whole after its worktree was given back", async () => {
    await world.muster(["stop", run]);
    await world.settled(run);
    expect(existsSync(worktree)).toBe(false);
    expect(await world.git("branch", "--list", branch)).toContain(branch);
    await world.git("branch", "-qD", branch);

    const dry = await restoration("zoo", "--dry-run");
    expect(existsSync(worktree)).toBe(false);
    const { code, stdout, stderr } = await world.muster(["restore", "zoo"]);
    expect([code, stdout]).toEqual([0, `✓ restored ${worktree}\n`]);
    expect(stderr).toContain(`◎ on ${branch}, made again, at ${before.head.slice(0, 12)}\n`);
    expect(dry).toMatchObject({ worktree, branch, head: before.head, left: 0, done: false });
    expect(await listing(worktree)).toEqual(before.files);
    expect(before.files.length).toBeGreaterThan(60);
    expect(await statusOf(worktree)).toBe(before.status);
    expect(await world.git("rev-parse", branch)).toBe(before.head);
    expect(await world.gitIn(join(worktree, "nest"), "log", "--format=%s")).toBe("nested");
  });

  test("`--list` names its snapshots, `--at` and `--to` give an earlier one elsewhere", async () => {
    const { snapshots } = await json<{ snapshots: { at: string; ref: string; bytes: number }[] }>(
      "restore",
      "zoo",
      "--list",
    );
    expect(snapshots.length).toBeGreaterThan(1);
    expect(snapshots.every(({ bytes }) => bytes > 0)).toBe(true);
    const [first] = snapshots;
    const text = (await world.muster(["restore", "zoo", "--list"])).stdout;
    expect(text).toContain(`Last snapshot of ${run}/zoo`);
    const look = join(world.root, "new", "look");
    const made = await restoration("zoo", "--at", first?.at ?? "", "--to", "../new/look");
    expect(made).toMatchObject({
      worktree: look,
      ref: first?.ref,
      branch: null,
      detached: `${branch} is checked out in another worktree`,
    });
    expect(await listing(look)).toEqual(before.files);
    // It is the person's: plain git takes it away, and muster has forgotten it.
    await world.git("worktree", "remove", "--force", look);
    expect((await items()).map((item) => item.worktree)).not.toContain(look);
  });

  test("nothing is restored over something, into muster's own folders, or from nowhere", async () => {
    expect(await refusal("restore", "zoo")).toEqual([
      1,
      `${worktree} is there already`,
      `To have it beside that, run muster restore ${run}/zoo --to FOLDER`,
    ]);
    const to = (path: string) => refusal("restore", "zoo", "--to", path);
    expect((await to(world.home)).slice(0, 2)).toEqual([1, `${world.home} is there already`]);
    expect((await to(join(world.state, "worktrees", "x")))[1]).toContain("muster's own folder");
    expect((await to(join(world.repo, ".git", "x")))[1]).toContain("the repository's own folder");
    expect((await to("a\nb"))[0]).toBe(2);
    expect(await refusal("restore", "zoo", "--at", "99")).toEqual([
      1,
      `${run}/zoo has no snapshot 99`,
      `To see them, run muster restore ${run}/zoo --list`,
    ]);
    expect((await refusal("restore", "zoo", "--at", "x"))[0]).toBe(2);
    expect(readdirSync(join(world.state, "restored"))).toHaveLength(1);
  });
});

describe("a kept worktree", () => {
  test("that a person changed is in a new snapshot when it is cleaned", async () => {
    const [kept] = await items("fails");
    writeFileSync(join(kept?.worktree ?? "", "found.md"), "a thought\n");
    const { code, stdout } = await world.muster(["clean"]);
    expect([code, stdout]).toEqual([
      0,
      `✓ removed ${kept?.worktree}\n  its content stays in ${kept?.ref}\n`,
    ]);
    expect(existsSync(kept?.worktree ?? "")).toBe(false);
    const back = await restoration("fails");
    expect(back).toMatchObject({ worktree: kept?.worktree, ref: kept?.ref, branchMade: false });
    expect(readFileSync(join(back.worktree, "found.md"), "utf8")).toBe("a thought\n");
    await world.muster(["clean", "fails"]);
  });
});

describe("a restored worktree", () => {
  test("is shown by a plain `clean` and left alone, as is `uninstall`", async () => {
    const mine = (await items()).find((item) => item.restored);
    expect(mine).toMatchObject({
      worktree,
      branch,
      blocked: `it is yours; to take it away, run muster clean ${run}/zoo`,
    });
    expect(mine?.bytes).toBeGreaterThan(10_000);
    writeFileSync(join(worktree, "mine.txt"), "by a person\n");
    expect((await world.muster(["clean"])).stderr).toContain(`▲ ${worktree}`);
    expect(existsSync(worktree)).toBe(true);
    const plan = await json<{ uninstall: { kept: CleanItem[]; unknown: string[] } }>(
      "uninstall",
      "--dry-run",
    );
    expect(plan.uninstall.kept.map((item) => item.worktree)).toEqual([worktree]);
    expect(plan.uninstall.unknown).toEqual([]);
  });

  test("stays while a process has a file in it open, works in it, or a person has locked it", async () => {
    const fd = openSync(join(worktree, "mine.txt"), "r");
    const child = spawn("sh", ["-c", "echo begun; read line"], { stdio: ["pipe", "pipe", fd] });
    closeSync(fd);
    await new Promise((resolve) => child.stdout?.once("data", resolve));
    const busy = await world.muster(["clean", "zoo"]);
    expect([busy.code, busy.stdout]).toEqual([
      1,
      `✗ kept ${worktree}: process ${child.pid} has a file in it open; leave it first\n`,
    ]);
    const gone = new Promise((resolve) => child.once("exit", resolve));
    child.stdin?.end();
    await gone;
    await world.git("worktree", "lock", "--reason", "mine", worktree);
    expect((await world.muster(["clean", "zoo"])).stdout).toContain("it is locked (mine)");
    await world.git("worktree", "unlock", worktree);
  });

  test("goes where it is named, after a snapshot, with the branch that was made for it, and comes back again", async () => {
    const [planned] = await items("zoo");
    const { code, stdout } = await world.muster(["clean", "zoo"]);
    expect([code, stdout]).toEqual([
      0,
      `✓ removed ${worktree}\n  its content stays in ${planned?.ref}\n  its branch went after it: ${branch}\n`,
    ]);
    expect(existsSync(worktree)).toBe(false);
    expect(await world.git("branch", "--list", branch)).toBe("");
    expect(readdirSync(join(world.state, "trash"))).toEqual([]);
    expect(await world.git("show", `${planned?.ref}:mine.txt`)).toBe("by a person");
    await restoration("zoo");
    expect(readFileSync(join(worktree, "mine.txt"), "utf8")).toBe("by a person\n");
    rmSync(join(worktree, "mine.txt"));
    expect(await listing(worktree)).toEqual(before.files);
    await world.muster(["clean", "zoo"]);
  });

  test("one whose restoring was cut off is taken away, and is not the newest snapshot", async () => {
    const { worktree: made, ref } = await restoration("zoo");
    const notes = join(world.state, "restored");
    const [note = ""] = readdirSync(notes);
    const said = JSON.parse(readFileSync(join(notes, note), "utf8"));
    writeFileSync(join(notes, note), JSON.stringify({ ...said, done: false }));
    rmSync(join(made, "edited.txt"));
    const [planned] = await items("zoo");
    expect(planned).toMatchObject({ worktree: made, why: "its restoring was cut off" });
    await world.muster(["clean", "zoo"]);
    expect(existsSync(made)).toBe(false);
    expect((await restoration("zoo", "--dry-run")).ref).toBe(ref);
    expect(planned?.ref).toMatch(/^refs\/muster\/rescue\//);
    expect(await world.git("rev-parse", planned?.ref ?? "")).not.toBe("");
  });
});

describe("what is old", () => {
  interface OldPlan {
    readonly clean: {
      readonly items: readonly CleanItem[];
      readonly old: readonly {
        attempt: string;
        refs: string[];
        folders: string[];
        blocked: string | null;
      }[];
      readonly forgotten: readonly { attempt: string; removed: boolean; refs: string[] }[] | null;
    };
  }

  test("is not there for a plain `clean`, nor before its time", async () => {
    expect((await json<OldPlan>("clean")).clean).toMatchObject({ old: [], forgotten: [] });
    expect((await json<OldPlan>("clean", "--older-than")).clean.old).toEqual([]);
    expect((await json<OldPlan>("clean", "--older-than", "1h")).clean.old).toEqual([]);
    expect((await refusal("clean", "--older-than", "soon"))[0]).toBe(2);
    expect((await refusal("clean", "--older-than", "forever"))[0]).toBe(2);
    expect((await json<OldPlan>("clean", "--larger-than")).clean.old).toEqual([]);
    expect((await json<OldPlan>("clean", "--larger-than", "1TB")).clean.old).toEqual([]);
    expect((await refusal("clean", "--larger-than", "much"))[0]).toBe(2);
  });

  test("is shown with its reason where it is over a size, and its snapshots are not", async () => {
    const { old } = (await json<OldPlan>("clean", "--larger-than", "0MB", "--dry-run")).clean;
    expect(old.length).toBeGreaterThan(0);
    expect(old.flatMap(({ refs }) => refs)).toEqual([]);
    const { stdout } = await world.muster(["clean", "--larger-than", "0MB", "--dry-run"]);
    expect(stdout).toMatch(
      / old, over the size limit\n {2}goes for good: \d folders .*, its snapshots stay/,
    );
  });

  test("spares an attempt whose worktree is there, and what has just been snapshotted", async () => {
    await restoration("zoo");
    const { old } = (await json<OldPlan>("clean", "--older-than", "0", "--dry-run")).clean;
    const blocked = old.filter((item) => item.blocked !== null);
    expect(blocked.map(({ refs }) => refs.length > 0)).toEqual([true]);
    expect((await json<OldPlan>("clean", "--dry-run")).clean.items).toHaveLength(1);
    const bySize = await json<OldPlan>("clean", "--larger-than", "0MB", "--dry-run");
    expect(bySize.clean.items).toEqual([]);
    const { forgotten } = (await json<OldPlan>("clean", "zoo", "--older-than", "0")).clean;
    expect(forgotten).toEqual([]);
    expect(existsSync(worktree)).toBe(false);
    expect((await restoration("zoo", "--dry-run")).worktree).toBe(worktree);
  });

  test("goes for good when it is asked for: folders, then snapshots, never a branch", async () => {
    const plan = (await json<OldPlan>("clean", "--older-than", "0", "--dry-run")).clean.old;
    expect(plan).toHaveLength(3);
    expect(plan.flatMap(({ folders }) => folders).every((folder) => existsSync(folder))).toBe(true);
    expect(plan.flatMap(({ folders }) => folders).some((folder) => /gates/.test(folder))).toBe(
      true,
    );
    const branches = await world.git("branch", "--list");
    const { forgotten } = (await json<OldPlan>("clean", "--older-than", "0")).clean;
    expect(forgotten?.map(({ attempt, refs }) => [attempt, refs])).toEqual(
      plan.map(({ attempt, refs }) => [attempt, refs]),
    );
    expect(await world.git("for-each-ref", "refs/muster/attempts")).toBe("");
    expect(plan.flatMap(({ folders }) => folders).filter((folder) => existsSync(folder))).toEqual(
      [],
    );
    expect(await world.git("branch", "--list")).toBe(branches);
    expect((await refusal("restore", "zoo"))[1]).toBe(`${run}/zoo has no snapshot`);
    expect((await world.muster(["logs", "zoo"])).code).toBe(0);
    expect((await world.muster(["ls"])).stdout).toMatch(/ on disk, .* of it in worktrees\n$/);
    expect((await world.muster(["doctor"])).stdout).toMatch(
      /^✓ disk .*; 0 snapshots in this project/m,
    );
  });
});
