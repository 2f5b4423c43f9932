import { describe, expect, it } from "vitest";
import { drive, need, runId, startOf, taskSpec } from "../../testing/core.ts";
import { walk } from "../../testing/walk.ts";
import type { Command } from "../inputs.ts";

type Extend = Extract<Command, { type: "run.extend" }>;

function extend(over: Partial<Extend> = {}): Extend {
  return {
    type: "run.extend",
    run: runId,
    tasks: [taskSpec("b")],
    settled: null,
    usd: null,
    credential: "key",
    attended: true,
    acceptGates: false,
    ...over,
  };
}

describe("a run that is given more tasks", () => {
  it("runs them beside what is there, which stays as it is", () => {
    const d = drive();
    d.command(startOf([taskSpec("a")]));
    const before = d.task("a");
    const types = d.command(extend());
    expect(types[0]).toBe("task.added");
    expect(d.task("a")).toBe(before);
    expect(d.task("b").state.is).toBe("active");
  });

  it("starts them from what is there, where they need that", () => {
    const d = drive();
    const w = walk(d);
    d.command(startOf([taskSpec("a")]));
    d.command(extend({ tasks: [taskSpec("b", { needs: [need("a")] })] }));
    expect(d.task("b").state.is).toBe("pending");
    w.prove("a");
    expect(d.task("b").state.is).toBe("active");
    expect(d.attempt("b").basis).toEqual({ a: "commit-a" });
  });

  it("is opened again where it was settled, and is judged by all of its tasks", () => {
    const d = drive();
    const w = walk(d);
    d.command(startOf([taskSpec("a")]));
    w.prove("a");
    w.exit("a");
    w.merge("a", "a");
    w.land("a");
    const settled = {
      ...d.run(),
      paused: true,
      past: new Map([[d.attempt("a").id, d.attempt("a")]]),
    };
    w.retire("a");
    expect(d.state.runs.has(runId)).toBe(false);
    d.command(extend({ settled, tasks: [taskSpec("b", { needs: [need("a")] })] }));
    expect([d.task("a").state.is, d.task("b").state.is]).toEqual(["landed", "active"]);
    expect(d.attempt("b").id).toBe("att_a_2");
    expect(d.run().paused).toBe(false);
    d.command({ type: "stop", run: runId, task: "b" });
    w.cancel("b");
    w.retire("b");
    expect(d.events.at(-1)).toMatchObject({ type: "run.settled", state: "canceled" });
  });

  it("goes on with the budget and the credential that came with them", () => {
    const d = drive();
    d.command(startOf([taskSpec("a")]));
    d.command(extend({ usd: 42, credential: "other", attended: true }));
    expect(d.run()).toMatchObject({ usd: 42, credential: "other", attended: true });
  });

  it("accepts the gates that muster proposes for them", () => {
    const d = drive();
    d.command(startOf([taskSpec("a")]));
    const proposed = taskSpec("b", { gate: ["make"], gateFrom: "proposed", project: "/other" });
    d.command(extend({ tasks: [proposed], acceptGates: true }));
    expect(d.state.projects.get("/other")?.gate).toEqual(["make"]);
  });

  it.each<[string, Partial<Extend>, string, string]>([
    ["none", { tasks: [] }, "refused", `${runId} has every task of the plan already`],
    ["one that is there", { tasks: [taskSpec("a")] }, "refused", `${runId} has a task a already`],
    [
      "one that needs what is not there",
      { tasks: [taskSpec("b", { needs: [need("zz")] })] },
      "bad_plan",
      "task b needs zz, which is not there",
    ],
    [
      "two in a circle",
      {
        tasks: [
          taskSpec("b", { needs: [need("c")] }),
          taskSpec("c", { needs: [need("b"), need("a")] }),
        ],
      },
      "bad_plan",
      "needs form a cycle: b → c → b",
    ],
    ["one of no run", { run: "run_none" }, "not_found", "no open run run_none"],
  ])("refuses %s, and nothing has changed", (_, over, code, message) => {
    const d = drive();
    d.command(startOf([taskSpec("a")]));
    const before = d.state;
    expect(() => d.command(extend(over))).toThrow(expect.objectContaining({ code, message }));
    expect(d.state).toBe(before);
  });
});
