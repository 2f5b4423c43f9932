/** The person's own checkout while work lands on its branch: it follows where nothing of theirs is touched, else it is left alone. */
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterEach, expect, test } from "vitest";
import { writeAndCommit } from "../../src/testing/model/behaviors.ts";
import { type World, openWorld, taskOf } from "./harness.ts";

let world: World;
afterEach(() => world.close());

const files = { "line.md": "start\n", "notes.md": "start\n" };
const changesLine = { id: "a", prompt: writeAndCommit({ "line.md": "from a\n" }, "Change line") };

const here = (path: string): string => readFileSync(join(world.repo, path), "utf8");

test("a clean checkout of the target follows", async () => {
  world = await openWorld({ files });
  const { code } = await world.muster(["run", world.plan([changesLine])]);
  expect(code).toBe(0);
  expect(here("line.md")).toBe("from a\n");
  expect(await world.git("status", "--porcelain", "--branch")).toBe("## main");
});

test("changes of the person in other files are kept while the checkout follows, and are counted at the start", async () => {
  world = await openWorld({ files });
  writeFileSync(join(world.repo, "notes.md"), "mine, not committed\n");
  writeFileSync(join(world.repo, "scratch.md"), "mine, untracked\n");
  const { code, stderr } = await world.muster(["run", world.plan([changesLine])]);
  expect(code).toBe(0);
  expect(stderr).toContain("2 uncommitted files");
  expect(here("line.md")).toBe("from a\n");
  expect(await world.git("status", "--porcelain")).toBe(" M notes.md\n?? scratch.md");
  expect([here("notes.md"), here("scratch.md")]).toEqual([
    "mine, not committed\n",
    "mine, untracked\n",
  ]);
  expect(await world.git("show", "main:notes.md")).toBe("start");
});

test("a change of the person in the same file holds the landing up, untouched, until it is out of the way", async () => {
  world = await openWorld({ files });
  writeFileSync(join(world.repo, "line.md"), "mine, not committed\n");
  const before = await world.git("rev-parse", "main");
  const run = await world.start(world.plan([changesLine]));
  const parked = await world.until(run, (detail) => taskOf(detail, "a").state === "parked");
  expect(taskOf(parked, "a").reason).toBe("checkout");
  expect(parked.tasks[0]?.detail).toContain("line.md");
  expect(here("line.md")).toBe("mine, not committed\n");
  expect(await world.git("rev-parse", "main")).toBe(before);
  expect(await world.git("status", "--porcelain")).toBe(" M line.md");
  await world.git("stash", "-q");
  await world.command({ type: "resume", run, task: null, usd: null, ...world.caller });
  expect(taskOf(await world.settled(run), "a").state).toBe("landed");
  expect(here("line.md")).toBe("from a\n");
  expect(await world.git("stash", "show", "-p", "stash@{0}")).toContain("+mine, not committed");
});

test("an untracked file of the person where a new one goes is not written over", async () => {
  world = await openWorld({ files });
  writeFileSync(join(world.repo, "new.md"), "mine\n");
  const plan = world.plan([
    { id: "a", prompt: writeAndCommit({ "new.md": "from a\n" }, "Add new") },
  ]);
  const run = await world.start(plan);
  await world.until(run, (detail) => taskOf(detail, "a").reason === "checkout");
  expect(here("new.md")).toBe("mine\n");
  expect(await world.git("status", "--porcelain")).toBe("?? new.md");
});

test("a target that is not checked out moves, and the checkout stays as it is", async () => {
  world = await openWorld({ files });
  await world.git("checkout", "-q", "-b", "mine");
  writeFileSync(join(world.repo, "line.md"), "mine, not committed\n");
  const { code } = await world.muster(["run", "--target", "main", world.plan([changesLine])]);
  expect(code).toBe(0);
  expect(await world.git("show", "main:line.md")).toBe("from a");
  expect(here("line.md")).toBe("mine, not committed\n");
  expect(await world.git("status", "--porcelain", "--branch")).toBe("## mine\n M line.md");
});
