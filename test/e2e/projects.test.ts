/** More than one project, more than one plan, and tasks that stand on others that fail. */
import { globSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { afterEach, expect, test } from "vitest";
import { prompt, writeAndCommit } from "../../src/testing/model/behaviors.ts";
import { bash, commit, say } from "../../src/testing/model/steps.ts";
import { type World, hold, openWorld, statesOf, taskOf } from "./harness.ts";

let world: World;
afterEach(() => world.close());

test("a run over two projects lands in both and hands the promised file over", async () => {
  world = await openWorld();
  const other = await world.addRepo("other", { "muster.yaml": "gate: test -e got.md\n" });
  const copy = bash('cp "$CLAUDE_CONFIG_DIR/../artifacts/lib/docs/api.md" got.md');
  const plan = world.plan([
    {
      id: "lib",
      prompt: writeAndCommit({ "docs/api.md": "the interface\n" }, "Write the interface"),
      artifacts: ["docs/api.md"],
    },
    {
      id: "app",
      project: "../other",
      needs: ["lib"],
      prompt: prompt("Use it.", [copy, commit("Use the interface"), say("Done.")]),
      permissions: { allow: ["Bash"] },
    },
  ]);
  const { code, stdout } = await world.muster(["run", "--json", plan]);
  const { run } = JSON.parse(stdout);
  expect([code, statesOf({ run })]).toEqual([0, { lib: "landed", app: "landed" }]);
  expect([taskOf({ run }, "lib").project, taskOf({ run }, "app").project]).toEqual([
    world.repo,
    other,
  ]);
  expect(taskOf({ run }, "app").gates[0]?.command).toBe("test -e got.md");
  expect(await world.gitIn(other, "show", "main:got.md")).toBe("the interface");
  expect(await world.git("ls-files", "got.md")).toBe("");
  expectToldOf(run.id, "artifacts/lib/docs/api.md");
  for (const repo of [world.repo, other])
    expect(await world.gitIn(repo, "worktree", "list")).not.toContain("\n");
});

/** The transcript of the run's second session says where a file is. */
function expectToldOf(run: string, path: string): void {
  const att = `att_${run.replace("run_", "")}_2`;
  const dir = join(world.state, "attempts", att, "cfg", "projects", att);
  const said = globSync(join(dir, "*.jsonl")).map((file) => readFileSync(file, "utf8"));
  expect(said.join("\n")).toContain(join(world.state, "attempts", att, path));
}

test("several plans in one run keep their tasks apart by plan.task, and may need each other's", async () => {
  world = await openWorld();
  const task = (id: string, plan: string) => ({
    id,
    prompt: writeAndCommit({ [`${plan}-${id}.txt`]: "good\n" }, `Add ${plan} ${id}`),
  });
  const one = world.plan([task("a", "one"), task("b", "one")], {}, "one");
  const needs = { needs: ["one.b"] };
  const two = world.plan([task("a", "two"), { ...task("c", "two"), ...needs }], {}, "two");
  const { code, stdout } = await world.muster(["run", "--json", one, two]);
  const { run } = JSON.parse(stdout);
  expect(code).toBe(0);
  const seen = run.tasks.map(({ plan, id, state }: Record<string, string>) => [plan, id, state]);
  expect(seen).toEqual([
    ["one", "a", "landed"],
    ["one", "b", "landed"],
    ["two", "a", "landed"],
    ["two", "c", "landed"],
  ]);
  expect(taskOf({ run }, "c").branch).toBe(`muster/${run.id}/two.c`);
  const detail = await world.api.run(run.id);
  expect(detail.tasks.map(({ key }) => key)).toEqual(["one.a", "one.b", "two.a", "two.c"]);
  const trailer = "--format=%(trailers:key=Muster-Task,valueonly,separator=)";
  const landed = (await world.git("log", "--first-parent", trailer)).split("\n");
  expect(landed.indexOf("two.c")).toBeLessThan(landed.indexOf("one.b"));
});

/** A plan whose first task is red until the flag `ok` is let go. */
function redFirst(): string {
  const ready = 'test -e "$HOME/../flags/ok.go"';
  return world.plan([
    {
      id: "a",
      prompt: writeAndCommit({ "a.txt": "good\n" }, "Add a"),
      gate: ready,
      limits: { fixes: 0 },
    },
    { id: "b", needs: ["a"], prompt: writeAndCommit({ "b.txt": "good\n" }, "Add b") },
    { id: "c", needs: ["b"], prompt: writeAndCommit({ "c.txt": "good\n" }, "Add c") },
    { id: "d", prompt: writeAndCommit({ "d.txt": "good\n" }, "Add d") },
  ]);
}

test("what needs a failed task fails with it, what does not lands, and a retry of the settled run lands the rest", async () => {
  world = await openWorld();
  const { code, stdout } = await world.muster(["run", "--json", redFirst()]);
  const { run } = JSON.parse(stdout);
  expect([code, run.state]).toEqual([1, "failed"]);
  expect(run.tasks.map(({ id, reason }: Record<string, string>) => [id, reason])).toEqual([
    ["a", "gate_failed"],
    ["b", "needs_failed"],
    ["c", "needs_failed"],
    ["d", null],
  ]);
  expect(statesOf({ run })["d"]).toBe("landed");

  world.letGo("ok");
  await world.command({ type: "retry", run: run.id, task: null, ...world.caller });
  const again = await world.until(
    run.id,
    ({ settled, run: now }) => settled && now.state !== "failed",
  );
  expect(statesOf(again)).toEqual({ a: "landed", b: "landed", c: "landed", d: "landed" });
  expect(again.run.state).toBe("succeeded");
  expect([taskOf(again, "a").attempts, taskOf(again, "b").attempts]).toEqual([2, 1]);
});

test("one failed task is retried while the rest of its run goes on", async () => {
  world = await openWorld();
  const a = {
    id: "a",
    prompt: writeAndCommit({ "a.txt": "good\n" }, "Add a"),
    gate: 'test -e "$HOME/../flags/ok.go"',
    limits: { fixes: 0 },
  };
  const waiting = prompt("Wait.", [bash(hold("e")), say("Done.")]);
  const e = { id: "e", prompt: waiting, permissions: { allow: ["Bash"] } };
  const run = await world.start(world.plan([a, e]));
  await world.until(run, (detail) => taskOf(detail, "a").state === "failed");
  world.letGo("ok");
  await world.command({ type: "retry", run, task: "a", ...world.caller });
  await world.until(run, (detail) => taskOf(detail, "a").state === "landed");
  world.letGo("e");
  expect(statesOf(await world.settled(run))).toEqual({ a: "landed", e: "done" });
});
