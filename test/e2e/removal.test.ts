/** Retiring goes by the plan that `clean` shows: what, why it may go, which ref holds it, which branch goes after it. */
import { spawn } from "node:child_process";
import { once } from "node:events";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import type { CleanItem } from "../../src/api/housekeeping.ts";
import { prompt } from "../../src/testing/model/behaviors.ts";
import { bash, commit, say, write } from "../../src/testing/model/steps.ts";
import { type World, hold, openWorld, taskOf } from "./harness.ts";

let world: World;
let run: string;
/** The plans of retiring, by task, from the daemon's log. */
let plans: Readonly<Record<string, Omit<CleanItem, "restored" | "bytes">>>;
const worktrees: Record<string, string> = {};
const program = { pid: 0, stop: async () => {} };

beforeAll(async () => {
  world = await openWorld();
  const steps = {
    idle: [bash(hold("idle")), say("Not reached.")],
    works: [write("w.txt", "good\n"), commit("Begin"), bash(hold("works")), say("Not reached.")],
    used: [bash(hold("used")), say("Not reached.")],
  };
  const ids = Object.keys(steps);
  run = await world.start(
    world.plan(
      Object.entries(steps).map(([id, each]) => ({
        id,
        prompt: prompt(`Do ${id}.`, each),
        permissions: { allow: ["Bash"] },
      })),
    ),
  );
  for (const id of ids) await world.held(id);
  const { tasks } = (await world.api.run(run)).run;
  for (const { id, worktree } of tasks) worktrees[id] = worktree ?? "";
  const child = spawn("sleep", ["3600"], { cwd: worktrees["used"] ?? "" });
  await once(child, "spawn");
  program.pid = child.pid ?? 0;
  program.stop = async () => {
    child.kill("SIGKILL");
    await once(child, "exit");
  };
  await world.muster(["stop", run]);
  await world.settled(run);
  const lines = readFileSync(join(world.state, "log", "muster.ndjson"), "utf8")
    .trim()
    .split("\n");
  plans = Object.fromEntries(
    lines
      .map((line) => JSON.parse(line))
      .filter(({ msg }) => msg === "A worktree is to go")
      .map(({ plan }) => [plan.task, plan]),
  );
});
afterAll(async () => {
  await program.stop();
  await world.close();
});

test("it says why, and the ref and the branch are what then comes true", async () => {
  const detail = await world.api.run(run);
  const [idle, works] = [taskOf(detail, "idle"), taskOf(detail, "works")];
  const retired = (await world.events(run, ({ type }) => type === "run.settled")).filter(
    ({ type }) => type === "attempt.retired",
  );
  expect(retired.map((event) => ("task" in event ? event.task : ""))).toHaveLength(2);
  expect(plans).toMatchObject({
    idle: { why: "canceled", worktree: worktrees["idle"], branch: idle.branch, blocked: null },
    works: { why: "canceled", worktree: worktrees["works"], branch: null, blocked: null },
  });
  for (const event of retired)
    if (event.type === "attempt.retired")
      expect(plans[event.task]).toMatchObject({ attempt: event.att, ref: event.ref });
  const branches = await world.git("for-each-ref", "--format=%(refname:short)", "refs/heads");
  const used = taskOf(detail, "used").branch ?? "";
  expect(new Set(branches.split("\n"))).toEqual(new Set(["main", used, works.branch ?? ""]));
});

test("`clean` shows the same plan for what had to stay, and performs it once nothing speaks against it", async () => {
  const before = await dryRun();
  const { why, ...plan } = plans["used"] ?? { why: "" };
  expect(before).toEqual([
    {
      ...plan,
      blocked: `process ${program.pid} works in it; leave it first`,
      why: `process ${program.pid} works in it; leave it first`,
      restored: false,
      bytes: expect.any(Number),
    },
  ]);
  expect([why, plan]).toMatchObject(["canceled", { worktree: worktrees["used"] }]);
  await program.stop();
  program.stop = async () => {};
  const [after] = await dryRun();
  expect(after).toMatchObject({
    blocked: null,
    branch: taskOf(await world.api.run(run), "used").branch,
  });
  expect(await world.muster(["clean"])).toMatchObject({
    code: 0,
    stdout: `✓ removed ${worktrees["used"]}\n  its content stays in ${after?.ref}\n  its branch went after it: ${after?.branch}\n`,
  });
});

async function dryRun(): Promise<readonly CleanItem[]> {
  const { stdout } = await world.muster(["clean", "--dry-run", "--json"]);
  return JSON.parse(stdout).clean.items;
}
