import { describe, expect, it } from "vitest";
import { drive, need, runId, startOf, taskSpec } from "../../testing/core.ts";
import { Fault } from "../fault.ts";
import { findCycle } from "./start.ts";

describe("the start of a run", () => {
  it("adds every task in the plan's order and admits what is ready", () => {
    const d = drive();
    const types = d.command(startOf([taskSpec("api"), taskSpec("docs", { needs: [need("api")] })]));
    expect(types.slice(0, 3)).toEqual(["run.started", "task.added", "task.added"]);
    expect([...d.run().tasks.keys()]).toEqual(["api", "docs"]);
    expect(d.task("api").state.is).toBe("active");
    expect(d.task("docs").state.is).toBe("pending");
  });

  it("accepts the gates that muster proposes once per project, where the person said yes", () => {
    const d = drive();
    const proposed = { gate: ["make test"], gateFrom: "proposed" as const };
    d.command(
      startOf(
        [
          taskSpec("a", proposed),
          taskSpec("b", proposed),
          taskSpec("c"),
          taskSpec("d", { gate: null, gateFrom: "missing", project: "/other" }),
        ],
        { acceptGates: true },
      ),
    );
    expect(d.events.filter(({ type }) => type === "gate.accepted")).toHaveLength(1);
    expect(d.state.projects.get("/project/.git")?.gate).toEqual(["make test"]);
    expect(d.state.projects.has("/other")).toBe(false);
  });

  it.each([
    ["a run id that is taken", [taskSpec("a")], "refused", `run ${runId} exists`],
    ["a plan without tasks", [], "bad_plan", "the plan has no task"],
    [
      "a task that is there twice",
      [taskSpec("b"), taskSpec("b")],
      "bad_plan",
      "task b is there twice",
    ],
    [
      "a need that is not there",
      [taskSpec("b", { needs: [need("zz")] })],
      "bad_plan",
      "task b needs zz, which is not there",
    ],
    [
      "needs in a circle",
      [taskSpec("b", { needs: [need("c")] }), taskSpec("c", { needs: [need("b")] })],
      "bad_plan",
      "needs form a cycle: b → c → b",
    ],
  ])("refuses %s and leaves nothing half-started", (what, tasks, code, message) => {
    const d = drive();
    d.command(startOf([taskSpec("a")]));
    const before = d.state;
    const start = startOf(tasks, what.startsWith("a run id") ? {} : { run: "run_b" });
    expect(() => d.command(start)).toThrow(expect.objectContaining({ code, message }));
    expect(() => d.command(start)).toThrow(Fault);
    expect(d.state).toBe(before);
  });
});

describe("a cycle of needs", () => {
  const graph = (edges: Record<string, string[]>) =>
    new Map(Object.entries(edges).map(([key, to]) => [key, { needs: to.map((one) => need(one)) }]));

  it("is found wherever it is, without what only leads to it", () => {
    expect(findCycle(graph({ a: ["b"], b: ["c"], c: ["d"], d: ["b"] }))).toEqual([
      "b",
      "c",
      "d",
      "b",
    ]);
    expect(findCycle(graph({ a: ["a"] }))).toEqual(["a", "a"]);
  });

  it("is not seen in a diamond, nor in a need that leads nowhere", () => {
    expect(findCycle(graph({ a: ["b", "c"], b: ["d"], c: ["d"], d: [] }))).toBeUndefined();
    expect(findCycle(graph({ a: ["gone"] }))).toBeUndefined();
  });

  it("is looked for in chains of any length", () => {
    const long: Record<string, string[]> = {};
    for (let i = 0; i < 20_000; i++) long[`t${i}`] = [`t${i + 1}`];
    expect(findCycle(graph(long))).toBeUndefined();
    expect(findCycle(graph({ ...long, t20000: ["t0"] }))).toHaveLength(20_002);
  });
});
