/** A person's yes to an exact commit, and gates that a project does not configure. */
import { afterEach, expect, test } from "vitest";
import type { RunDetail } from "../../src/api/service.ts";
import { prompt, writeAndCommit } from "../../src/testing/model/behaviors.ts";
import { commit, say, write } from "../../src/testing/model/steps.ts";
import { type World, openWorld, statesOf, taskOf } from "./harness.ts";

let world: World;
afterEach(() => world.close());

const waits = ({ run }: RunDetail): boolean => run.tasks[0]?.asking?.kind === "approval";
const addA = { id: "a", prompt: writeAndCommit({ "a.txt": "good\n" }, "Add a") };
/** A project that says nothing of a gate but has one that can be proposed. */
const ungated = { "muster.yaml": "", Makefile: "test:\n\tsh test.sh\n" };

async function landedHead(run: string): Promise<string> {
  const { landed } = taskOf(await world.settled(run), "a");
  return world.git("rev-parse", `${landed}^2`);
}

test("a task that needs an approval asks for its exact commit and lands it once a person says yes", async () => {
  world = await openWorld();
  const before = await world.git("rev-parse", "main");
  const plan = world.plan([{ ...addA, approval: "required" }]);
  const { code, stdout } = await world.muster(["run", "--json", plan]);
  const { run } = JSON.parse(stdout);
  expect([code, run.state]).toEqual([3, "needs_attention"]);
  const { asking, head, gates } = taskOf({ run }, "a");
  expect(asking).toMatchObject({ kind: "approval", tool: null, deadline: null });
  expect(asking?.text).toContain(head?.slice(0, 12));
  expect(gates).toMatchObject([{ exit: 0, commit: head }]);
  expect(await world.git("rev-parse", "main")).toBe(before);
  await world.command({ type: "approve", run: run.id, task: "a", gate: false });
  expect(await landedHead(run.id)).toBe(head);
});

test("a result that is rejected goes back with the reason, and its next commit is asked for anew", async () => {
  world = await openWorld();
  const again = {
    match: /rejected: say it louder/,
    steps: [write("a.txt", "good, louder\n"), commit("Louder"), say("Done.")],
  };
  const steps = [write("a.txt", "good\n"), commit("Add a"), say("Done.")];
  const plan = world.plan([
    { id: "a", prompt: prompt("Add a.", steps, [again]), approval: "required" },
  ]);
  const run = await world.start(plan);
  const first = taskOf(await world.until(run, waits), "a").head;
  await world.command({ type: "reject", run, task: "a", because: "say it louder" });
  const second = await world.until(
    run,
    (detail) => waits(detail) && taskOf(detail, "a").head !== first,
  );
  await world.command({ type: "approve", run, task: "a", gate: false });
  expect(await landedHead(run)).toBe(taskOf(second, "a").head);
  expect(await world.git("show", "main:a.txt")).toBe("good, louder");
});

test("a project without a gate asks; an accepted proposal is run on the commit and holds for the next run", async () => {
  world = await openWorld({ files: ungated });
  const run = await world.start(world.plan([addA]));
  const { asking, gates } = taskOf(await world.until(run, waits), "a");
  expect(asking?.text).toContain("make test");
  expect(gates).toEqual([]);
  await world.command({ type: "approve", run, task: "a", gate: true });
  const landed = taskOf(await world.settled(run), "a");
  expect(landed).toMatchObject({ state: "landed" });
  expect(landed.gates[0]).toMatchObject({ command: "make test", exit: 0, on: "head" });
  const next = world.plan([{ id: "b", prompt: writeAndCommit({ "b.txt": "good\n" }, "Add b") }]);
  const { code, stdout } = await world.muster(["run", "--json", next]);
  expect(code).toBe(0);
  expect(taskOf(JSON.parse(stdout), "b").gates[0]).toMatchObject({ command: "make test", exit: 0 });
});

test("an accepted proposal that is red does not land, whatever was approved", async () => {
  world = await openWorld({ files: ungated });
  const bad = writeAndCommit({ "a.txt": "broken\n" }, "Add a");
  const run = await world.start(world.plan([{ id: "a", prompt: bad, limits: { fixes: 0 } }]));
  await world.until(run, waits);
  await world.command({ type: "approve", run, task: "a", gate: true });
  expect(taskOf(await world.settled(run), "a")).toMatchObject({
    state: "failed",
    reason: "gate_failed",
  });
});

test("a plain yes lands without a gate, and the landing says so", async () => {
  world = await openWorld({ files: ungated });
  const run = await world.start(world.plan([addA]));
  await world.until(run, waits);
  await world.command({ type: "approve", run, task: "a", gate: false });
  expect(taskOf(await world.settled(run), "a")).toMatchObject({ state: "landed", gates: [] });
  const trailer = "--format=%(trailers:key=Muster-Gate,valueonly)";
  expect(await world.git("log", "-1", trailer, "main")).toBe("none");
});

test("--yes accepts the proposed gate before the first start", async () => {
  world = await openWorld({ files: ungated });
  const { code, stdout, stderr } = await world.muster([
    "run",
    "--json",
    "--yes",
    world.plan([addA]),
  ]);
  expect(stderr).toContain("make test");
  expect([code, statesOf(JSON.parse(stdout))]).toEqual([0, { a: "landed" }]);
  expect(taskOf(JSON.parse(stdout), "a").gates[0]).toMatchObject({ command: "make test", exit: 0 });
});
