/** What an attempt may take, and what happens while the model is busy or refuses the key. */
import { afterEach, expect, test } from "vitest";
import type { RunDetail } from "../../src/api/service.ts";
import { prompt, writeAndCommit } from "../../src/testing/model/behaviors.ts";
import type { FailureStep } from "../../src/testing/model/script.ts";
import { bash, commit, say, write } from "../../src/testing/model/steps.ts";
import { type World, hold, openWorld, statesOf, taskOf } from "./harness.ts";

let world: World;
afterEach(() => world.close());

/** Fails as scripted in the middle of its work, then goes on. */
function fails(failure: FailureStep): string {
  const rest = [write("a.txt", "good\n"), commit("Add a"), say("Done.")];
  return prompt("Add a.", [write("half.md", "half\n"), failure, ...rest]);
}

/** Reasons of the parks that the run went through. */
async function parksOf(run: string): Promise<readonly string[]> {
  const events = await world.events(run, ({ type }) => type === "run.settled");
  return events.flatMap((event) => (event.type === "attempt.parked" ? [event.park.reason] : []));
}

test("a used-up rate limit parks the task until it is reset, and the task goes on (F19)", async () => {
  world = await openWorld();
  const resetsAt = Math.floor(Date.now() / 1000) + 6;
  const headers = {
    "anthropic-ratelimit-unified-status": "rejected",
    "anthropic-ratelimit-unified-reset": String(resetsAt),
  };
  const plan = world.plan([{ id: "a", prompt: fails({ status: 429, headers, times: 1 }) }]);
  const run = await world.start(plan);
  const parked = await world.until(run, (detail) => taskOf(detail, "a").state === "parked");
  expect(taskOf(parked, "a").reason).toBe("rate_limit");
  expect(parked.run.state).toBe("running");
  expect(statesOf(await world.settled(run))).toEqual({ a: "landed" });
  expect(Date.now()).toBeGreaterThanOrEqual(resetsAt * 1000);
  expect(await parksOf(run)).toEqual(["rate_limit"]);
  expect(await world.git("ls-files", "half.md")).toBe("half.md");
});

/** How long the first park of a run is to take, in ms. */
async function firstParkMs(run: string): Promise<number> {
  const [parked] = await world
    .events(run, ({ type }) => type === "attempt.parked")
    .then((all) =>
      all.flatMap((event) =>
        event.type === "attempt.parked" ? [(event.park.until ?? 0) - event.at] : [],
      ),
    );
  return parked ?? 0;
}

test("a wait that the API asks a key to make parks the task for as long (F18, F20)", async () => {
  world = await openWorld();
  const failure = { status: 529, headers: { "retry-after": "5" }, times: 3 };
  const run = await world.start(world.plan([{ id: "a", prompt: fails(failure) }]));
  expect(await firstParkMs(run)).toBeGreaterThanOrEqual(5_000);
  expect(statesOf(await world.settled(run))).toEqual({ a: "landed" });
});

test("a wait that is too long for the real binary to pass on parks the task for a minute at least (F19)", async () => {
  world = await openWorld({ real: true });
  const failure = { status: 429, headers: { "retry-after": "3600" }, times: 1 };
  const run = await world.start(world.plan([{ id: "a", prompt: fails(failure) }]));
  expect(await firstParkMs(run)).toBeGreaterThanOrEqual(60_000);
});

test("an overloaded model parks the task for a while, and the task goes on (F20)", async () => {
  world = await openWorld();
  const plan = world.plan([{ id: "a", prompt: fails({ status: 529, times: 3 }) }]);
  const { code, stdout } = await world.muster(["run", "--json", plan]);
  expect([code, statesOf(JSON.parse(stdout))]).toEqual([0, { a: "landed" }]);
  expect(await parksOf(JSON.parse(stdout).run.id)).toEqual(["outage"]);
});

test("a key that is refused on the real binary waits for a person, and goes on once they resume (F46)", async () => {
  world = await openWorld({ real: true });
  world.model.force({ status: 401, times: 1_000 });
  const plan = world.plan([{ id: "a", prompt: writeAndCommit({ "a.txt": "good\n" }, "Add a") }]);
  const { code, stdout } = await world.muster(["run", "--json", plan]);
  const { run } = JSON.parse(stdout);
  expect([code, run.state]).toEqual([3, "needs_attention"]);
  expect(taskOf({ run }, "a")).toMatchObject({ state: "parked", reason: "credentials" });
  world.model.reset();
  await world.command({ type: "resume", run: run.id, task: null, usd: null, ...world.caller });
  expect(statesOf(await world.settled(run.id))).toEqual({ a: "landed" });
});

test("a spend cap on the real binary waits for a person, fails nothing, and goes on once they resume", async () => {
  world = await openWorld({ real: true });
  const cap = { status: 429, errorCode: "enforced_spend_limit_reached", times: 5 };
  const plan = world.plan([{ id: "a", prompt: fails(cap) }]);
  const { code, stdout } = await world.muster(["run", "--json", plan]);
  const { run } = JSON.parse(stdout);
  expect([code, run.state]).toEqual([3, "needs_attention"]);
  expect(taskOf({ run }, "a")).toMatchObject({ state: "parked", reason: "credentials" });
  await world.command({ type: "resume", run: run.id, task: null, usd: null, ...world.caller });
  expect(statesOf(await world.settled(run.id))).toEqual({ a: "landed" });
});

const isRefused = (detail: RunDetail): boolean => taskOf(detail, "a").reason === "credentials";

test("a daemon that came back without the key parks what needs it, and goes on with a resume", async () => {
  world = await openWorld();
  const { code } = await world.muster(["ls"], { env: { ANTHROPIC_API_KEY: undefined } });
  expect(code).toBe(0);
  const steps = [bash(hold("a")), write("a.txt", "good\n"), commit("Add a"), say("Done.")];
  const held = { id: "a", runner: "claude-sdk", prompt: prompt("Add a.", steps) };
  const plan = world.plan([{ ...held, permissions: { allow: ["Bash"] } }]);
  const run = await world.start(plan);
  await world.held("a");
  await world.killDaemon();
  const parked = await world.until(run, isRefused);
  expect(parked.run.state).toBe("needs_attention");
  world.letGo("a");
  await world.command({ type: "resume", run, task: null, usd: null, ...world.caller });
  expect(statesOf(await world.settled(run))).toEqual({ a: "landed" });
});

test("an attempt that is over its turns ends, and its work is kept (F24)", async () => {
  world = await openWorld();
  const many = Array.from({ length: 6 }, (_, i) => write(`${i}.md`, `step ${i}\n`));
  const plan = world.plan([{ id: "a", prompt: prompt("Go on.", many), limits: { turns: 3 } }]);
  const detail = await world.settled(await world.start(plan));
  const task = taskOf(detail, "a");
  expect(task).toMatchObject({ state: "failed", reason: "budget_exhausted", landed: null });
  const last =
    (await world.git("for-each-ref", "--format=%(refname)", "refs/muster/attempts"))
      .split("\n")
      .at(-1) ?? "";
  expect(await world.git("ls-tree", "--name-only", last)).toContain("0.md");
});

test("an attempt that is over its money ends (F24)", async () => {
  world = await openWorld();
  const many = Array.from({ length: 6 }, (_, i) => write(`${i}.md`, `step ${i}\n`));
  const plan = world.plan([{ id: "a", prompt: prompt("Go on.", many), limits: { usd: 0.02 } }]);
  const detail = await world.settled(await world.start(plan));
  expect(taskOf(detail, "a")).toMatchObject({ state: "failed", reason: "budget_exhausted" });
});

test("an attempt that is over its minutes ends, and nothing of it is left running (F24, F25)", async () => {
  world = await openWorld();
  const steps = [write("a.txt", "good\n"), bash(hold("a")), say("Done.")];
  const limited = { permissions: { allow: ["Bash"] }, limits: { minutes: 0.03 } };
  const run = await world.start(
    world.plan([{ id: "a", prompt: prompt("Wait.", steps), ...limited }]),
  );
  const detail = await world.settled(run);
  expect(taskOf(detail, "a")).toMatchObject({ state: "failed", reason: "timed_out" });
  const running = world.processes().filter((line) => !/muster-respawn|daemon\/main/.test(line));
  expect(running).toEqual([]);
});
