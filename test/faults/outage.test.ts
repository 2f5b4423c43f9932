/** The world is busy for an hour, in virtual time: nothing fails, it is asked ever less often, and everything goes on afterwards. */
import { expect, test } from "vitest";
import type { RoundFailure } from "../../src/core/inputs.ts";
import { defaultLimits } from "../../src/core/plan.ts";
import { type Drive, drive, startOf, taskSpec } from "../../src/testing/core.ts";
import { type Walk, walk } from "../../src/testing/walk.ts";

const hourMs = 60 * 60_000;
const tasks = ["a", "b", "c", "d"];
const busy = (status: number | null): RoundFailure => ({
  is: "unavailable",
  reason: "outage",
  status,
  retryAt: null,
  detail: "busy",
});

function hourOf(status: number | null): void {
  const d = drive();
  const w = walk(d);
  // The walk's rounds cost money, which is not what this is about.
  const limits = { ...defaultLimits, usd: 1_000 };
  const specs = tasks.map((key) => taskSpec(key, { limits }));
  d.command(startOf(specs, { parallel: 4, usd: 1_000 }));
  for (const key of tasks) w.work(key);
  const until = d.now + hourMs;
  const asked: number[] = [];
  for (; d.now < until; d.tick(1_000))
    for (const key of tasks) if (answer(d, w, key, busy(status))) asked.push(d.now);
  for (const key of tasks) expect(d.task(key).state.is).toBe("active");
  // A back-off that doubles up to a quarter of an hour: about ten tries in the first half, two in the second.
  expect(asked.length).toBeLessThan(15 * tasks.length);
  expect(asked.filter((at) => at > until - hourMs / 2).length).toBeLessThan(4 * tasks.length);
  for (let passed = 0; passed < hourMs; passed += 60_000, d.tick(60_000))
    for (const key of tasks) answer(d, w, key, null);
  for (const key of tasks) {
    expect(d.attempt(key).phase.at).toBe("verifying");
    expect(d.run().tasks.get(key)?.attempts).toHaveLength(1);
  }
}

/** Ends the round of a task as said, where one is in flight. */
function answer(d: Drive, w: Walk, key: string, failure: RoundFailure | null): boolean {
  // What a round left is kept before the next one begins.
  if (d.effect(key, "snapshot") !== undefined) w.snapshot(key);
  const { phase, slot, mail } = d.attempt(key);
  if (phase.at !== "working" || !slot) return false;
  if (mail.some(({ taken }) => !taken)) w.take(key);
  if (failure === null) {
    w.commit(key);
    return true;
  }
  w.endRound(key, failure);
  return true;
}

test("an hour of an overloaded model fails nothing, and everything goes on afterwards (F20)", () => {
  hourOf(529);
});

test("an hour without a network fails nothing, and everything goes on afterwards (F21)", () => {
  hourOf(null);
});
