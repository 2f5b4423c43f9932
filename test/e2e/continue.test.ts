/** `run --continue`: an edited plan changes nothing that runs; what is new in it is taken when somebody says so. */
import { readFileSync, writeFileSync } from "node:fs";
import { afterEach, beforeEach, expect, test } from "vitest";
import { prompt, writeAndCommit } from "../../src/testing/model/behaviors.ts";
import { bash, commit, say, write } from "../../src/testing/model/steps.ts";
import { type World, hold, openWorld, statesOf, taskOf } from "./harness.ts";

let world: World;
beforeEach(async () => {
  world = await openWorld();
});
afterEach(() => world.close());

const task = (id: string, more: object = {}) => ({
  id,
  prompt: writeAndCommit({ [`${id}.txt`]: "good\n" }, `Add ${id}`),
  ...more,
});
const runOf = ({ stdout }: { stdout: string }): { id: string; state: string } =>
  JSON.parse(stdout).run;

test("new tasks of an edited plan join the run that is open, beside what it has (F38)", async () => {
  const held = [bash(hold("a")), write("a.txt", "good\n"), commit("Add a"), say("Done.")];
  const a = { id: "a", prompt: prompt("Add a.", held), permissions: { allow: ["Bash"] } };
  const run = await world.start(world.plan([a], {}, "edited"));
  await world.held("a");
  const edited = { ...a, prompt: `${a.prompt} And more.` };
  const plan = world.plan([edited, task("b"), task("c", { needs: ["a"] })], {}, "edited");
  const planned = await world.muster(["plan", plan, "--continue"]);
  expect(planned.stderr).toContain(`◎ continues ${run}: 2 new beside 1 that it has`);
  expect(planned.stderr).toContain("▲ changed in the plan, and as it was in the run: a");
  expect(Object.keys(statesOf(await world.api.run(run)))).toEqual(["a"]);
  const more = await world.muster(["run", plan, "--continue", "--detach"]);
  expect([more.code, more.stdout.trim()]).toEqual([0, run]);
  await world.until(run, (detail) => taskOf(detail, "b").state === "landed");
  world.letGo("a");
  const detail = await world.settled(run);
  expect(statesOf(detail)).toEqual({ a: "landed", b: "landed", c: "landed" });
  expect(taskOf(detail, "a").attempts).toBe(1);
  expect(detail.tasks.find(({ key }) => key === "a")?.prompt).toBe(a.prompt);
});

test("a run that is settled is opened again, the newest one of that plan", async () => {
  const plan = world.plan([task("a")], {}, "grows");
  const older = runOf(await world.muster(["run", plan, "--json"]));
  const newer = runOf(await world.muster(["run", plan, "--json"]));
  world.plan([task("a"), task("b")], {}, "grows");
  const again = await world.muster(["run", plan, "--continue", "--json"]);
  expect([again.code, runOf(again).id, runOf(again).state]).toEqual([0, newer.id, "succeeded"]);
  expect(statesOf(await world.api.run(newer.id))).toEqual({ a: "done", b: "landed" });
  expect(Object.keys(statesOf(await world.api.run(older.id)))).toEqual(["a"]);
  const nothing = await world.muster(["run", plan, "--continue"]);
  expect([nothing.code, nothing.stderr]).toEqual([
    1,
    expect.stringContaining(`${newer.id} has every task of the plan already`),
  ]);
});

test("a run of several plans takes the new tasks of one of them under their own names", async () => {
  const one = world.plan([task("a")], {}, "one");
  const two = world.plan([task("b")], {}, "two");
  const { id } = runOf(await world.muster(["run", one, two, "--json"]));
  world.plan([task("b"), task("c", { needs: ["b"] })], {}, "two");
  expect((await world.muster(["run", two, "--continue"])).code).toBe(0);
  const detail = await world.api.run(id);
  expect(detail.tasks.map(({ key }) => key)).toEqual(["one.a", "two.b", "two.c"]);
  expect(statesOf(detail)).toEqual({ a: "landed", b: "landed", c: "landed" });
});

test("what can't be continued is refused in one line, and nothing has begun", async () => {
  const plan = world.plan([task("a")], {}, "fresh");
  const refused = async (...args: string[]): Promise<string> => {
    const { code, stderr } = await world.muster(["run", ...args, "--continue"]);
    expect(code).not.toBe(0);
    return stderr;
  };
  expect(await refused(plan)).toMatch(/no run of fresh in this project to continue\n.*--continue/);
  expect(await refused("--prompt", "Do it")).toContain("--continue takes plan files, not prompts");
  expect(await refused(plan, "--parallel", "2")).toContain("--parallel can't be changed");
  await world.muster(["run", plan]);
  writeFileSync(plan, readFileSync(plan, "utf8").replace('"id":"a"', '"id":"b","needs":["zz"]'));
  expect(await refused(plan)).toContain('needs unknown task "zz"');
  expect((await world.api.runs(10)).length).toBe(1);
});
