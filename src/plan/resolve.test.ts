import { describe, expect, test } from "vitest";
import type { PlannedTask, Plan } from "../core/plan.ts";
import { simplePlan, simpleTask } from "./prompts.ts";
import { resolveRun } from "./resolve.ts";
import type { ProjectFacts, RunOptions } from "./resolve.ts";

const here: ProjectFacts = {
  id: "/repo/.git",
  root: "/repo",
  target: "main",
  integration: null,
  gate: ["make"],
  gateFrom: "proposed",
  permissions: { deny: ["WebFetch"], ask: ["Bash(rm *)"] },
  limits: { minutes: 10, usd: 1 },
};
const other: ProjectFacts = {
  ...here,
  id: "/other/.git",
  root: "/other",
  target: "trunk",
  gate: null,
  gateFrom: "missing",
  permissions: {},
  limits: {},
};

function task(id: string, said: Partial<PlannedTask> = {}): PlannedTask {
  return { ...simpleTask(id, "x", { file: "p.yaml", line: 1 }), ...said };
}

function planOf(id: string, tasks: readonly PlannedTask[], target: string | null = null): Plan {
  return { ...simplePlan(id, new Set(), tasks), target };
}

function resolved(plans: readonly Plan[], options: RunOptions = {}) {
  return resolveRun(plans, (each) => (each.project === null ? here : other), options);
}

test("a task that says nothing takes the project's word, then the defaults", () => {
  expect(resolved([planOf("p", [task("a")])])).toEqual([
    {
      key: "a",
      id: "a",
      plan: "p",
      project: "/repo/.git",
      root: "/repo",
      target: "main",
      standsFor: null,
      prompt: "x",
      needs: [],
      runner: "claude-cli",
      model: "sonnet",
      profile: "isolated",
      gate: ["make"],
      gateFrom: "proposed",
      limits: { turns: 60, minutes: 10, usd: 1, fixes: 2 },
      cwd: null,
      paths: null,
      artifacts: [],
      tools: null,
      permissions: { allow: [], ask: ["Bash(rm *)"], deny: ["WebFetch"] },
      approval: false,
      land: "local",
    },
  ]);
});

test("a task's word goes over the project's, and the command line's over both", () => {
  const said = task("a", {
    model: "opus",
    runner: "claude-sdk",
    profile: "project",
    gate: ["x"],
    target: "dev",
    land: "pr",
    limits: { usd: 5 },
  });
  expect(resolved([planOf("p", [said])])[0]).toMatchObject({
    model: "opus",
    runner: "claude-sdk",
    profile: "project",
    gate: ["x"],
    gateFrom: "said",
    target: "dev",
    land: "pr",
    limits: { minutes: 10, usd: 5 },
  });
  const options: RunOptions = {
    model: "haiku",
    runner: "claude-cli",
    gate: [],
    target: "next",
    limits: { usd: 7 },
    waitMs: 0,
  };
  expect(resolved([planOf("p", [said])], options)[0]).toMatchObject({
    model: "haiku",
    runner: "claude-cli",
    gate: [],
    gateFrom: "said",
    target: "next",
    limits: { usd: 7 },
    permissions: { waitMs: 0 },
  });
});

test("gate none is said on purpose, and a missing one stays missing", () => {
  const [none, missing] = resolved([
    planOf("p", [task("a", { gate: [] }), task("b", { project: "../o" })]),
  ]);
  expect([none?.gate, none?.gateFrom]).toEqual([[], "said"]);
  expect([missing?.gate, missing?.gateFrom]).toEqual([null, "missing"]);
});

test("the plan's target is for the run's own project", () => {
  const tasks = [
    task("a"),
    task("b", { project: "../o" }),
    task("c", { project: "../o", target: "dev" }),
  ];
  expect(resolved([planOf("p", tasks, "release")]).map((each) => each.target)).toEqual([
    "release",
    "trunk",
    "dev",
  ]);
});

test("a project narrows: its rules are added to ask and deny, and a task's allow stays its own", () => {
  const permissions = { allow: ["Bash"], deny: ["WebFetch", "WebSearch"], waitMs: null };
  expect(resolved([planOf("p", [task("a", { permissions })])])[0]?.permissions).toEqual({
    allow: ["Bash"],
    ask: ["Bash(rm *)"],
    deny: ["WebFetch", "WebSearch"],
    waitMs: null,
  });
});

const need = (name: string, when: "verified" | "landed" | null = null) => ({
  needs: [{ task: name, when }],
});

describe("needs", () => {
  test("a verified commit is enough, but what needs approval must have landed", () => {
    const tasks = [
      task("a"),
      task("b", { approval: true }),
      task("c", need("a")),
      task("d", need("b")),
      task("e", need("b", "verified")),
      task("f", need("a", "landed")),
    ];
    expect(
      resolved([planOf("p", tasks)]).flatMap((each) => each.needs.map(({ when }) => when)),
    ).toEqual(["verified", "landed", "verified", "landed"]);
  });

  test("work is merged within one project where it lands, else only ordered", () => {
    const tasks = [
      task("a"),
      task("b", { land: "none" }),
      task("c", { project: "../o" }),
      task("d", need("a")),
      task("e", need("b")),
      task("f", need("c")),
      task("g", { ...need("c"), project: "../o" }),
    ];
    expect(
      resolved([planOf("p", tasks)]).flatMap((each) => each.needs.map(({ merge }) => merge)),
    ).toEqual([true, false, false, true]);
  });

  test("with several plans keys carry the plan, and a plain need stays in its own", () => {
    const plans = [
      planOf("one", [task("a")]),
      planOf("two", [task("a"), task("b", need("a")), task("c", need("one.a"))]),
    ];
    expect(resolved(plans).map((each) => [each.key, ...each.needs.map(({ key }) => key)])).toEqual([
      ["one.a"],
      ["two.a"],
      ["two.b", "two.a"],
      ["two.c", "one.a"],
    ]);
  });
});

test("where work lands on branches of muster's own, each stands for the branch that was meant", () => {
  const project = { ...here, integration: "muster/integration/" };
  const plan = planOf("p", [task("a"), task("b", { target: "next" })]);
  expect(
    resolveRun([plan], () => project).map(({ target, standsFor }) => [target, standsFor]),
  ).toEqual([
    ["muster/integration/main", "main"],
    ["muster/integration/next", "next"],
  ]);
});
