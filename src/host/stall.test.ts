import { expect, test } from "vitest";
import type { AgentEvent } from "../core/runner.ts";
import { type Silence, watchStalls } from "./stall.ts";

const limits = { startMs: 10, modelMs: 300, toolMs: 100 };
const at = { offset: 0 };
const taken: AgentEvent = { ...at, is: "taken", uuid: "00000000-0000-4000-a000-000000000000" };
const tool: AgentEvent = { ...at, is: "used_tool", tool: "Bash", text: "make" };
const toolDone: AgentEvent = { ...at, is: "tool_done" };
const alive: AgentEvent = { ...at, is: "alive" };
const over: AgentEvent = { ...at, is: "round_ended", failure: null, text: "", usd: 0 };
const state = (is: "running" | "requires_action" | "idle"): AgentEvent => ({
  ...at,
  is: "state",
  state: is,
});

/** What is told at `now` after these events, each a millisecond after the one before. */
function told(events: readonly AgentEvent[], now: number): Silence | undefined {
  const watch = watchStalls(limits, 0);
  for (const [i, event] of events.entries()) watch.saw(event, i);
  return watch.look(now);
}

test.each<[string, readonly AgentEvent[], number, Silence["during"]]>([
  ["a start that says nothing", [], 10, "start"],
  ["a model that does not answer", [taken], 300, "model"],
  ["a tool that does not end", [taken, tool], 101, "tool"],
  ["a model after its tool", [taken, tool, toolDone], 302, "model"],
])("%s is told when its own limit is over, and not before (F23)", (_, events, limit, during) => {
  expect(told(events, limit - 1)).toBeUndefined();
  expect(told(events, limit)).toMatchObject({ during });
});

test("silence counts from the last line, whatever it says, and is told once until the next one (F23)", () => {
  const watch = watchStalls(limits, 0);
  watch.saw(taken, 0);
  watch.saw(alive, 250);
  expect(watch.look(300)).toBeUndefined();
  expect(watch.look(550)).toEqual({ silentMs: 300, during: "model" });
  expect(watch.look(900)).toBeUndefined();
  watch.saw(alive, 1_000);
  expect(watch.look(1_300)).toEqual({ silentMs: 300, during: "model" });
});

test("a wait for a person, an idle session and an announced back-off are no silence (F23)", () => {
  expect(told([taken, state("requires_action")], 100_000)).toBeUndefined();
  expect(told([taken, state("idle")], 100_000)).toBeUndefined();
  expect(told([taken, over], 100_000)).toBeUndefined();
  const retrying: AgentEvent = { ...at, is: "retrying", status: 529, delayMs: 5_000, attempt: 1 };
  expect(told([taken, retrying], 5_000)).toBeUndefined();
  expect(told([taken, retrying], 5_301)).toMatchObject({ silentMs: 300 });
});

const asked = (ask: string): AgentEvent => ({
  ...{ ...at, is: "asked", ask, kind: "permission", tool: "Bash" },
  ...{ text: "make", input: {}, rule: null },
});
const uuid = (n: number) => `${n}0000000-0000-4000-a000-000000000000` as const;

test("a session that does not go on from an answer is silent, once nobody is asked any more (F23)", () => {
  const watch = watchStalls(limits, 0);
  for (const event of [taken, state("requires_action"), asked("q"), asked("r")])
    watch.saw(event, 1);
  watch.answered("q", 1_000);
  expect(watch.look(100_000)).toBeUndefined();
  watch.answered("r", 2_000);
  expect(watch.look(2_299)).toBeUndefined();
  expect(watch.look(2_300)).toEqual({ silentMs: 300, during: "model" });
});

test("an answer to what the session took back does not end the wait for another one (F23)", () => {
  const watch = watchStalls(limits, 0);
  for (const event of [taken, state("requires_action"), asked("q"), asked("r")])
    watch.saw(event, 1);
  watch.saw({ ...at, is: "ask_withdrawn", ask: "q" }, 2);
  watch.answered("q", 3);
  expect(watch.look(100_000)).toBeUndefined();
});

test("a live session that does not hear its next message is silent from when it was said (F23)", () => {
  const watch = watchStalls(limits, 0);
  for (const event of [taken, over, state("idle")]) watch.saw(event, 1);
  watch.said(uuid(2), 50_000);
  expect(watch.look(50_299)).toBeUndefined();
  expect(watch.look(50_300)).toEqual({ silentMs: 300, during: "model" });
  watch.saw({ ...at, is: "taken", uuid: uuid(2) }, 50_400);
  watch.saw(state("idle"), 50_500);
  expect(watch.look(100_000)).toBeUndefined();
});

test("a word that was said into a round and not heard in it is waited for behind it (F23)", () => {
  const watch = watchStalls(limits, 0);
  watch.saw(taken, 0);
  watch.said(uuid(2), 100);
  for (const event of [over, state("idle")]) watch.saw(event, 200);
  expect(watch.look(500)).toMatchObject({ silentMs: 300, during: "model" });
});

test("a word into a round is no sign of life of its session (F23)", () => {
  const watch = watchStalls(limits, 0);
  watch.saw(taken, 0);
  watch.saw(tool, 0);
  watch.said(uuid(2), 90);
  expect(watch.look(100)).toEqual({ silentMs: 100, during: "tool" });
});

test("a word that was heard before it was said again, after a restart, is not waited for (F23)", () => {
  const watch = watchStalls(limits, 0);
  watch.saw({ ...at, is: "taken", uuid: uuid(2) }, 0);
  watch.said(uuid(2), 1);
  for (const event of [over, state("idle")]) watch.saw(event, 2);
  expect(watch.look(100_000)).toBeUndefined();
  watch.said(uuid(3), 200_000);
  expect(watch.look(200_299)).toBeUndefined();
  expect(watch.look(200_300)).toEqual({ silentMs: 300, during: "model" });
});

test("a start that was told as silent is told again once something was said to it (F23)", () => {
  const watch = watchStalls(limits, 0);
  expect(watch.look(10)).toMatchObject({ during: "start" });
  watch.said(uuid(2), 20);
  expect(watch.look(29)).toBeUndefined();
  expect(watch.look(30)).toEqual({ silentMs: 10, during: "start" });
});
