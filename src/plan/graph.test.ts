import * as fc from "fast-check";
import { describe, expect, test } from "vitest";
import type { Plan } from "../core/plan.ts";
import { needProblems, needed, requireRunnable, taskKey } from "./graph.ts";
import { simplePlan, simpleTask } from "./prompts.ts";

function planOf(id: string, tasks: Readonly<Record<string, readonly string[]>>): Plan {
  const list = Object.entries(tasks).map(([task, needs], index) =>
    simpleTask(
      task,
      "x",
      { file: `${id}.yaml`, line: index + 1 },
      needs.map((need) => ({ task: need, when: null })),
    ),
  );
  return simplePlan(id, new Set(), list);
}

const half = (id: string): Plan =>
  planOf(id, Object.fromEntries(Array.from({ length: 5_001 }, (_, i) => [`t${i}`, []])));

test("keys carry the plan only where there is more than one", () => {
  expect([taskKey("p", "t", 1), taskKey("p", "t", 2)]).toEqual(["t", "p.t"]);
  expect([needed("p", "t"), needed("p", "q.t")]).toEqual([
    { plan: "p", task: "t" },
    { plan: "q", task: "t" },
  ]);
});

describe("several plans in one run", () => {
  test("a task may need a task of another plan", () => {
    expect(
      needProblems([planOf("one", { a: [] }), planOf("two", { b: ["one.a"], c: ["b", "two.b"] })]),
    ).toEqual([]);
  });

  test("a cycle over plans is shown with their names, at the task that stands first", () => {
    const plans = [planOf("one", { x: [], a: ["two.b"] }), planOf("two", { b: ["one.a"] })];
    expect(() => requireRunnable(plans)).toThrow(
      "one.yaml:2: tasks need each other in a circle: one.a → two.b → one.a",
    );
  });

  test("an unknown plan, an unknown task and a task of another plan get the nearest word", () => {
    const texts = needProblems([
      planOf("server", { api: [], x: ["serverr.api", "server.apo", "docs"] }),
      planOf("client", { docs: [] }),
    ]).map((problem) => problem.text);
    expect(texts).toEqual([
      'task "x" needs "serverr.api", but no plan of this run is "serverr", did you mean "server.api"',
      'task "x" needs unknown task "server.apo", did you mean "server.api"',
      'task "x" needs unknown task "docs", did you mean "client.docs"',
    ]);
  });

  test("no task at all and more than 10,000 over all plans are refused", () => {
    expect(() => requireRunnable([])).toThrow("nothing to run");
    expect(() => requireRunnable([half("a"), half("b")])).toThrow(
      "10002 tasks in one run, expected at most 10000",
    );
  });
});

test("a cycle is found exactly where there is one", () => {
  const edges = fc.array(fc.tuple(fc.nat(7), fc.nat(7)), { maxLength: 14 });
  fc.assert(
    fc.property(edges, (pairs) => {
      const real = pairs.filter(([from, to]) => from !== to);
      const tasks = Object.fromEntries(
        Array.from({ length: 8 }, (_, i) => [
          `t${i}`,
          real.filter(([from]) => from === i).map(([, to]) => `t${to}`),
        ]),
      );
      // Taking away what needs nothing, again and again, leaves the cycles and what stands on them.
      const left = new Set(Object.keys(tasks));
      for (let before = -1; before !== left.size;) {
        before = left.size;
        for (const task of left)
          if ((tasks[task] ?? []).every((need) => !left.has(need))) left.delete(task);
      }
      const found = needProblems([planOf("p", tasks)]);
      expect(found.length > 0).toBe(left.size > 0);
      for (const { text } of found) {
        const ring = text.replace(/^.*circle: /, "").split(" → ");
        expect(ring[0]).toBe(ring.at(-1));
        for (const [i, task] of ring.slice(0, -1).entries())
          expect(tasks[task]).toContain(ring[i + 1]);
      }
    }),
  );
});
