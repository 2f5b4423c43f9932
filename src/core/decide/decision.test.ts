import { describe, expect, it } from "vitest";
import { drive, startOf, taskSpec } from "../../testing/core.ts";
import { walk } from "../../testing/walk.ts";
import { begin, conclude, windDown } from "./decision.ts";

const seed = "12345678-0000-4000-a000-000000000000";

describe("a decision", () => {
  it("sees what its own events lead to, and leaves the state it came from alone", () => {
    const d = drive();
    d.command(startOf([taskSpec("a")]));
    const decision = begin(d.state, d.now, seed);
    decision.of("att_a_1", { type: "attempt.cancel_requested" });
    expect(decision.attempt("att_a_1").cancelRequested).toBe(true);
    expect(d.attempt("a").cancelRequested).toBe(false);
    expect(decision.events).toEqual([
      { type: "attempt.cancel_requested", run: "run_a", task: "a", att: "att_a_1" },
    ]);
  });

  it("draws its ids from the input's seed", () => {
    const decision = begin(drive().state, 0, seed);
    expect([decision.fresh(), decision.fresh()]).toEqual([
      "12345678-0000-4000-a000-000000000000",
      "12345678-0001-4000-a000-000000000000",
    ]);
  });

  it("concludes only what is ending, and only without a process", () => {
    const d = drive();
    const w = walk(d);
    d.command(startOf([taskSpec("a")]));
    w.work("a");
    const decision = begin(d.state, d.now, seed);
    conclude(decision, "att_a_1");
    expect(decision.events).toEqual([]);
    windDown(decision, "att_a_1", { is: "landed", commit: "m", head: "h" });
    windDown(decision, "att_a_1", { is: "canceled" });
    conclude(decision, "att_a_1");
    expect(decision.events.map(({ type }) => type)).toEqual([
      "attempt.ending",
      "session.end_requested",
    ]);
    decision.of("att_a_1", { type: "session.exited", n: 1, code: 0, signal: null, why: "" });
    conclude(decision, "att_a_1");
    expect(decision.state.runs.get("run_a")?.tasks.get("a")?.state).toEqual({
      is: "landed",
      commit: "m",
      head: "h",
    });
  });
});
