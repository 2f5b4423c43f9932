/** What an agent says does not count: only what a gate showed on an exact commit does. */
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { afterEach, expect, test } from "vitest";
import {
  lie,
  prompt,
  writeAndCommit,
  writeWithoutCommit,
} from "../../src/testing/model/behaviors.ts";
import { commit, say, write } from "../../src/testing/model/steps.ts";
import { type World, gateCommand, openWorld, taskOf } from "./harness.ts";

let world: World;
afterEach(() => world.close());

/** Runs a plan of one task to its end. */
async function runOne(prompted: string, more: Readonly<Record<string, unknown>> = {}) {
  const plan = world.plan([{ id: "a", prompt: prompted, ...more }]);
  const { code, stdout } = await world.muster(["run", "--json", plan]);
  const { run } = JSON.parse(stdout);
  return { code, run, task: taskOf({ run }, "a") };
}

test("an agent that claims success on a red gate never lands, after as many fixes as were allowed", async () => {
  world = await openWorld();
  const before = await world.git("rev-parse", "main");
  const again = { match: /gate/i, steps: [say("All tests pass now, I am sure.")] };
  const steps = [write("a.txt", "broken\n"), commit("Fix everything"), say("All tests pass.")];
  const { code, run, task } = await runOne(prompt("Fix it.", steps, [again]), {
    limits: { fixes: 2 },
  });
  expect(code).toBe(1);
  expect([task.state, task.reason, task.landed]).toEqual(["failed", "gate_failed", null]);
  expect(task.gates.every(({ exit }) => exit === 1)).toBe(true);
  const events = await world.events(run.id, ({ type }) => type === "run.settled");
  const fixes = events.filter((event) => event.type === "message.queued" && event.kind === "fix");
  expect(fixes).toHaveLength(2);
  expect(events.filter(({ type }) => type === "round.ended")).toHaveLength(3);
  expect(await world.git("rev-parse", "main")).toBe(before);
});

test("a change outside of `paths` never lands, however green its gate", async () => {
  world = await openWorld();
  const before = await world.git("rev-parse", "main");
  const files = { "docs/a.md": "inside\n", "outside.md": "outside\n" };
  const { code, task } = await runOne(writeAndCommit(files, "Write"), {
    paths: ["docs/**"],
    limits: { fixes: 1 },
  });
  expect(code).toBe(1);
  expect([task.state, task.reason]).toEqual(["failed", "gate_failed"]);
  expect(await world.git("rev-parse", "main")).toBe(before);
});

test("work that an agent leaves uncommitted is asked for once and lands", async () => {
  world = await openWorld();
  const { code, run, task } = await runOne(
    writeWithoutCommit({ "a.txt": "good\n" }, { message: "Add a" }),
  );
  expect([code, task.state]).toEqual([0, "landed"]);
  expect(await reminders(run.id)).toBe(1);
  expect(await world.git("log", "-1", "--format=%s", task.head ?? "")).toBe("Add a");
});

test("work that an agent leaves uncommitted even when asked is committed by muster and lands", async () => {
  world = await openWorld();
  const { code, run, task } = await runOne(writeWithoutCommit({ "a.txt": "good left\n" }));
  expect([code, task.state]).toEqual([0, "landed"]);
  expect(await reminders(run.id)).toBe(1);
  expect(
    await world.git(
      "log",
      "-1",
      "--format=%(trailers:key=Muster-Attempt,valueonly)%an",
      task.head ?? "",
    ),
  ).toMatch(/^att_\w+_1\nPat$/);
  expect(readFileSync(join(world.repo, "a.txt"), "utf8")).toBe("good left\n");
});

/** How often the session was told that something is not committed. */
async function reminders(run: string): Promise<number> {
  const events = await world.events(run, ({ type }) => type === "run.settled");
  return events.filter((event) => event.type === "message.queued" && event.kind === "commit")
    .length;
}

test("an agent that changes nothing is done without a landing", async () => {
  world = await openWorld();
  const before = await world.git("rev-parse", "main");
  const { code, task } = await runOne(lie());
  expect([code, task.state, task.reason]).toEqual([0, "done", "no_changes"]);
  expect(task.gates).toMatchObject([{ command: gateCommand, exit: 0, commit: before, on: "head" }]);
  expect(await world.git("rev-parse", "main")).toBe(before);
  expect(await world.git("worktree", "list")).not.toContain("\n");
});
