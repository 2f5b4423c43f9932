/** Questions of a session: who answers them, what an answer does, and what happens where nobody is there. */
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { afterEach, expect, test } from "vitest";
import type { RunDetail } from "../../src/api/service.ts";
import type { CommandRequest } from "../../src/api/schema.ts";
import { decideYourselfText, deniedBeforeText, deniedText } from "../../src/core/texts.ts";
import { prompt } from "../../src/testing/model/behaviors.ts";
import { ask, bash, commit, say, write } from "../../src/testing/model/steps.ts";
import { type World, openWorld, statesOf, taskOf } from "./harness.ts";

let world: World;
afterEach(() => world.close());

/** Not among what the binary lets edit a worktree unasked. */
const touch = "sh -c 'touch asked.md'";

/** A task that runs a command which nobody allowed, as often as given, then writes its file and commits everything. */
function asks(id: string, times = 1, more: Readonly<Record<string, unknown>> = {}) {
  const calls = Array.from({ length: times }, () => bash(touch));
  const rest = [write(`${id}.txt`, "good\n"), commit(`Add ${id}`), say("Done.")];
  return { id, prompt: prompt(`Add ${id}.`, [...calls, ...rest]), ...more };
}

const isAsking = ({ run }: RunDetail): boolean => run.tasks.some(({ state }) => state === "asking");

type Answer = Extract<CommandRequest, { type: "answer" }>["answer"];

async function answer(run: string, task: string, given: Answer): Promise<void> {
  await world.command({ type: "answer", run, task, ask: null, answer: given });
}

/** What the sessions of the run's first attempt were told in tool results and questions. */
function streamOf(run: string): string {
  const att = `att_${run.replace("run_", "")}_1`;
  return readFileSync(join(world.state, "attempts", att, "1", "out.jsonl"), "utf8");
}

async function answersOf(run: string): Promise<readonly (readonly [string, string])[]> {
  const events = await world.events(run, ({ type }) => type === "run.settled");
  return events.flatMap((event) =>
    event.type === "ask.answered" ? [[event.by, event.answer.is] as const] : [],
  );
}

test("a permission that is allowed lets the command run, and holds for the same rule in the run", async () => {
  world = await openWorld();
  const run = await world.start(world.plan([asks("a", 2), asks("b", 1, { needs: ["a"] })]));
  const asking = await world.until(run, isAsking);
  const task = taskOf(asking, "a");
  expect(task).toMatchObject({
    asks: 1,
    asking: { kind: "permission", tool: "Bash", input: { command: touch } },
  });
  expect(task.asking?.text).toContain(touch);
  const leftMs = Date.parse(task.asking?.deadline ?? "") - Date.now();
  expect(leftMs).toBeGreaterThan(10 * 60_000);
  expect(leftMs).toBeLessThan(15 * 60_000);
  // A deadline runs, so it is not yet for a person alone to move.
  expect(asking.run.state).toBe("running");
  await answer(run, "a", { is: "allow" });
  expect(statesOf(await world.settled(run))).toEqual({ a: "landed", b: "landed" });
  expect(await world.git("ls-files", "asked.md")).toBe("asked.md");
  expect(await answersOf(run)).toEqual([
    ["person", "allow"],
    ["policy", "allow"],
    ["policy", "allow"],
  ]);
});

test("one answer is for everybody who waits with the same question", async () => {
  world = await openWorld();
  const run = await world.start(world.plan([asks("a"), asks("b")]));
  await world.until(run, ({ run: now }) => now.tasks.every(({ state }) => state === "asking"));
  await answer(run, "b", { is: "allow" });
  const { run: done } = await world.settled(run);
  expect(done.tasks.map(({ state, asks: open }) => [state, open])).toEqual([
    ["landed", 0],
    ["landed", 0],
  ]);
  expect(await answersOf(run)).toEqual([
    ["person", "allow"],
    ["policy", "allow"],
  ]);
});

test("a permission that is denied with a reason gives the session that reason, and the run goes on", async () => {
  world = await openWorld();
  const run = await world.start(world.plan([asks("a", 2)]));
  await world.until(run, isAsking);
  await answer(run, "a", { is: "deny", because: "write it by hand, please" });
  expect(statesOf(await world.settled(run))).toEqual({ a: "landed" });
  expect(streamOf(run)).toContain("write it by hand, please");
  expect(streamOf(run)).toContain(deniedBeforeText("Bash"));
  expect(await world.git("ls-files", "asked.md")).toBe("");
  expect(await answersOf(run)).toEqual([
    ["person", "deny"],
    ["policy", "deny"],
  ]);
});

test("where nobody is there a permission is denied at once with a text that steers, and the run goes on", async () => {
  world = await openWorld();
  const { code, stdout } = await world.muster(["run", "--json", world.plan([asks("a")])]);
  const { run } = JSON.parse(stdout);
  expect([code, statesOf({ run })]).toEqual([0, { a: "landed" }]);
  expect(streamOf(run.id)).toContain(deniedText("Bash"));
  expect(await answersOf(run.id)).toEqual([["policy", "deny"]]);
});

test("a permission that nobody answers in time is denied, and later ones are denied at once", async () => {
  world = await openWorld();
  const steps = [bash(touch), bash("touch other.md"), write("a.txt", "good\n"), commit("Add a")];
  const plan = world.plan([{ id: "a", prompt: prompt("Add a.", steps) }]);
  const run = await world.start("--wait", "1s", plan);
  await world.until(run, isAsking);
  expect(statesOf(await world.settled(run))).toEqual({ a: "landed" });
  expect(streamOf(run)).toContain(deniedText("Bash"));
  expect(await answersOf(run)).toEqual([
    ["deadline", "deny"],
    ["policy", "deny"],
  ]);
});

test("a question waits for a person without a deadline, and gets the text as its answer", async () => {
  world = await openWorld();
  const steps = [ask("Which color?", ["red", "blue"]), write("a.txt", "good\n"), commit("Add a")];
  const plan = world.plan([{ id: "a", prompt: prompt("Ask first.", steps) }]);
  const run = await world.start("--wait", "1s", plan);
  const detail = await world.until(run, isAsking);
  expect(taskOf(detail, "a").asking).toMatchObject({ kind: "question", deadline: null });
  expect(detail.run.state).toBe("needs_attention");
  await answer(run, "a", { is: "text", text: "blue" });
  expect(statesOf(await world.settled(run))).toEqual({ a: "landed" });
  expect(streamOf(run)).toContain('\\"Which color?\\"=\\"blue\\"');
});

test("where nobody is there a question is sent back with the word to decide", async () => {
  world = await openWorld();
  const steps = [ask("Which color?", ["red", "blue"]), write("a.txt", "good\n"), commit("Add a")];
  const plan = world.plan([{ id: "a", prompt: prompt("Ask first.", steps) }]);
  const { code, stdout } = await world.muster(["run", "--json", plan]);
  expect(code).toBe(0);
  expect(streamOf(JSON.parse(stdout).run.id)).toContain(decideYourselfText);
});

/** After the session was resumed with the answer, it does what it was about. */
const goesOn = [
  {
    match: /It is allowed: run it again/,
    steps: [bash(touch), commit("Add asked.md"), say("Done.")],
  },
  {
    match: /The answer: blue/,
    steps: [write("a.txt", "good, blue\n"), commit("Add a"), say("Done.")],
  },
];

test.each([
  ["the protocol stand-in", false, "claude-cli"],
  ["the real binary", true, "claude-cli"],
  ["the real binary by the SDK", true, "claude-sdk"],
] as const)(
  "a permission stays when its session is paused, and the answer is what it goes on with: %s",
  async (_, real, runner) => {
    world = await openWorld({ real });
    const plan = world.plan([
      { id: "a", prompt: prompt("Add a.", [bash(touch), say("Done.")], goesOn) },
    ]);
    const run = await world.start("--runner", runner, plan);
    await world.until(run, isAsking);
    await world.command({ type: "pause", run, task: null, interrupt: true });
    const paused = await world.until(
      run,
      ({ tasks: [task] }) => task?.attempts[0]?.process === "none",
    );
    expect(taskOf(paused, "a")).toMatchObject({ state: "asking", asking: { kind: "permission" } });
    await answer(run, "a", { is: "allow" });
    await world.command({ type: "resume", run, task: null, usd: null, ...world.caller });
    expect(statesOf(await world.settled(run))).toEqual({ a: "landed" });
    expect(await world.git("ls-files", "asked.md")).toBe("asked.md");
    expect(await answersOf(run)).toEqual([
      ["person", "allow"],
      ["policy", "allow"],
    ]);
  },
);

test("a question stays when its session crashes, and its answer is told to the resumed one", async () => {
  world = await openWorld();
  const steps = [ask("Which color?", ["red", "blue"]), say("Done.")];
  const plan = world.plan([{ id: "a", prompt: prompt("Ask first.", steps, goesOn) }]);
  const run = await world.start(plan);
  await world.until(run, isAsking);
  const [session] = (await world.api.host()).sessions;
  process.kill(session?.pid ?? 0, "SIGKILL");
  const left = await world.until(run, ({ tasks: [task] }) => task?.attempts[0]?.process === "none");
  expect(taskOf(left, "a")).toMatchObject({ state: "asking", asking: { kind: "question" } });
  await answer(run, "a", { is: "text", text: "blue" });
  expect(statesOf(await world.settled(run))).toEqual({ a: "landed" });
  expect(await world.git("show", "main:a.txt")).toBe("good, blue");
});
