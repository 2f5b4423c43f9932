/** Clocks that jump: the engine with a wall clock that the test sets, beside the monotonic one as it is. */
import { afterEach, beforeEach, expect, onTestFinished, test, vi } from "vitest";
import type { Ledger } from "../../src/core/ports.ts";
import { memoryLedger } from "../../src/testing/memory-ledger.ts";
import { evidence, head } from "../../src/testing/walk.ts";
import { type Driven, driven } from "./engine.ts";

const hourMs = 60 * 60_000;
let jumpMs = 0;
let d: Driven;

/** How far the clock moves on while the next append is under way. */
let duringMs = 0;

beforeEach(async () => {
  jumpMs = 0;
  duringMs = 0;
  d = driven(slowLedger(), () => Date.now() + jumpMs);
  await d.engine.start();
});
afterEach(() => d.engine.stop());

/** A ledger whose appends take as long as `duringMs` says. */
function slowLedger(): Ledger {
  const ledger = memoryLedger();
  return {
    ...ledger,
    append(after, bodies, at) {
      jumpMs += duringMs;
      duringMs = 0;
      return ledger.append(after, bodies, at);
    },
  };
}

/** An input that changes nothing by itself. */
const attend = () => d.engine.command({ type: "attend", run: "run_a" });

test("eight hours of sleep in the middle of a round are no work, and end nothing (F8)", async () => {
  await d.work();
  jumpMs += 8 * hourMs;
  await attend();
  expect(d.attempt().phase.at).toBe("working");
  await d.commit("a");
  expect(d.attempt().phase.at).toBe("verifying");
  expect(d.attempt().workedMs).toBeLessThan(60_000);
});

test("a round whose end is the first news after a sleep has not worked through it (F8)", async () => {
  await d.work();
  jumpMs += 8 * hourMs;
  await d.commit("a");
  const gate = d.due().find((effect) => effect.do === "gate");
  if (gate === undefined) throw new Error("its gate is due");
  const red = evidence(gate.head, { exit: 1 });
  await d.see({ saw: "gated", head: gate.head, evidence: [red], passed: false });
  // The red gate goes back to the session, which has nearly all of its minutes left.
  expect(d.attempt().phase.at).not.toBe("ending");
  expect(d.attempt().workedMs).toBeLessThan(60_000);
});

test("a sleep that comes while an input is being recorded times nothing out (F8)", async () => {
  await d.work();
  duringMs = 8 * hourMs;
  await d.see({ saw: "used", turns: 1, usd: 0.1, offset: 200 });
  expect(d.attempt().usage.turns).toBe(1);
  expect(d.attempt().phase.at).toBe("working");
  await d.commit("a");
  expect(d.attempt().workedMs).toBeLessThan(60_000);
});

test("what is due again by the time that its end is recorded is begun again", async () => {
  await d.work();
  await d.see({ saw: "round_ended", failure: null, text: "", turns: 1, usd: 0.1, offset: 900 });
  const ref = d.due().find((effect) => effect.do === "snapshot")?.ref ?? "";
  await d.see({ saw: "snapshot", ref, commit: head("snapshot").commit, left: 0 });
  const inspect = d.due().find((effect) => effect.do === "inspect")?.key ?? "";
  // It is parked for two seconds, and recording that takes ten.
  duringMs = 10_000;
  await d.engine.observe({ att: d.attempt().id, key: inspect, saw: "inspect_failed", why: "busy" });
  expect(d.attempt()).toMatchObject({ park: null, unread: 1 });
  expect(d.due().map(({ key }) => key)).toContain(inspect);
  expect(d.over).toContain(inspect);
});

test("a wait that ended while the machine slept is over a minute after it wakes at most (F8)", async () => {
  vi.useFakeTimers({ toFake: ["setTimeout", "clearTimeout"] });
  onTestFinished(() => void vi.useRealTimers());
  await d.work();
  const failure = {
    is: "unavailable",
    reason: "rate_limit",
    status: 429,
    retryAt: Date.now() + 4 * hourMs,
    detail: "limited",
  } as const;
  await d.see({ saw: "round_ended", failure, text: "", turns: 0, usd: 0, offset: 900 });
  expect(d.attempt().park?.reason).toBe("rate_limit");
  await vi.advanceTimersByTimeAsync(60_000);
  expect(d.attempt().park?.reason).toBe("rate_limit");
  // Timers stand still while the machine sleeps.
  jumpMs += 8 * hourMs;
  await vi.advanceTimersByTimeAsync(60_000);
  expect(d.attempt().park).toBeNull();
});

test("a clock that is set forward by an hour times nothing out (F9)", async () => {
  await d.work();
  jumpMs += hourMs;
  await attend();
  expect(d.attempt().phase.at).toBe("working");
  await d.commit("a");
  expect(d.attempt().workedMs).toBeLessThan(60_000);
});

test("a clock that is set back by an hour makes no wait longer (F9)", async () => {
  await d.work();
  jumpMs -= hourMs;
  await d.see({ saw: "session_exited", n: 1, code: 137, signal: null, why: "killed" });
  expect(d.attempt().park?.reason).toBe("backoff");
  // Two seconds, and up to a quarter of it.
  await expect.poll(() => d.attempt().park, { timeout: 4_000 }).toBeNull();
});
