import { describe, expect, test } from "vitest";
import type { Plan } from "../core/plan.ts";
import { checkPlanYaml, parsePlanYaml } from "./plan-yaml.ts";
import { problemLine } from "./problem.ts";

const files: Readonly<Record<string, string>> = {
  "prompts/docs.md": "\ufeffWrite\r\nthe docs\r\n",
};
const read = (path: string): string | undefined => files[path];

function plan(text: string): Plan {
  return parsePlanYaml(text, "plan.yaml", new Set(), read);
}

function problems(text: string): string[] {
  return (checkPlanYaml(text, "plan.yaml", new Set(), read).problems ?? []).map(problemLine);
}

const one = (task: string): string => `version: 1\ntasks:\n  - id: a\n    prompt: x\n${task}`;

const designExample = `version: 1
name: rate limiter
target: main
defaults:
  runner: claude-cli
  model: sonnet
  gate: [npm test]
  limits: { turns: 60, minutes: 45, usd: 2, fixes: 2 }
limits: { parallel: 3, usd: 10 }
tasks:
  - id: api
    prompt: Add a token bucket limiter to src/http …
  - id: docs
    needs: [api]
    prompt: { file: prompts/docs.md }
    cwd: packages/docs
    paths: [docs/**]
    artifacts: [docs/limits.md]
    tools: [Bash, Edit, Read, Write]
    permissions: { allow: ["Bash(make *)"], deny: [WebFetch] }
  - id: release
    needs: [api, { task: docs, when: landed }]
    prompt: Release
    approval: required
    land: local
  - id: other-repo
    project: ../service
    prompt: …
`;

const planId = (text: string, file: string, taken: string[]): string =>
  parsePlanYaml(text, file, new Set(taken), read).id;

describe("a good plan", () => {
  test("the design's example is read, defaults folded into every task", () => {
    const { tasks, ...head } = plan(designExample);
    expect(head).toEqual({
      id: "rate-limiter",
      name: "rate limiter",
      target: "main",
      parallel: 3,
      usd: 10,
    });
    expect(tasks.map((task) => task.id)).toEqual(["api", "docs", "release", "other-repo"]);
    expect(tasks[1]).toEqual({
      id: "docs",
      prompt: "Write\nthe docs",
      needs: [{ task: "api", when: null }],
      runner: "claude-cli",
      model: "sonnet",
      profile: null,
      gate: ["npm test"],
      limits: { turns: 60, minutes: 45, usd: 2, fixes: 2 },
      cwd: "packages/docs",
      paths: ["docs/**"],
      artifacts: ["docs/limits.md"],
      tools: ["Bash", "Edit", "Read", "Write"],
      permissions: { allow: ["Bash(make *)"], deny: ["WebFetch"] },
      approval: false,
      land: null,
      project: null,
      target: null,
      place: { file: "plan.yaml", line: 13 },
    });
    expect(tasks[2]).toMatchObject({
      needs: [
        { task: "api", when: null },
        { task: "docs", when: "landed" },
      ],
      approval: true,
      land: "local",
    });
  });

  test("a task of another project takes that project's gate, unless it names one", () => {
    const text =
      "version: 1\ndefaults: {gate: make}\ntasks:\n  - {id: a, prompt: x, project: ../s}\n  - {id: b, prompt: x, project: ../s, gate: npm test}\n  - {id: c, prompt: x, project: .}\n";
    expect(plan(text).tasks.map(({ gate, project }) => [gate, project])).toEqual([
      [null, "../s"],
      [["npm test"], "../s"],
      [["make"], null],
    ]);
  });

  test("a task replaces defaults key by key", () => {
    const text =
      "version: 1\ndefaults:\n  limits: {turns: 5, usd: 1}\n  permissions: {allow: [A], deny: [D], wait: forever}\n  approval: required\n  gate: x\ntasks:\n  - {id: a, prompt: p, limits: {usd: 9}, permissions: {allow: [B], wait: 90s}, approval: none, gate: none}\n";
    expect(plan(text).tasks[0]).toMatchObject({
      limits: { turns: 5, usd: 9 },
      permissions: { allow: ["B"], deny: ["D"], waitMs: 90_000 },
      approval: false,
      gate: [],
    });
  });

  test("a profile is said for a task or for all of them", () => {
    const text =
      "version: 1\ndefaults: {profile: project}\ntasks:\n  - {id: a, prompt: x}\n  - {id: b, prompt: x, profile: isolated}\n";
    expect(plan(text).tasks.map(({ profile }) => profile)).toEqual(["project", "isolated"]);
    expect(plan(one("")).tasks[0]?.profile).toBeNull();
  });

  test("wait may be 0, as a number too, and forever is null", () => {
    const waits = ["0", '"0"', "15m", "forever"].map(
      (wait) => plan(one(`    permissions: {wait: ${wait}}\n`)).tasks[0]?.permissions.waitMs,
    );
    expect(waits).toEqual([0, 0, 900_000, null]);
  });

  test("the id is the slug of the name, else of the file, and differs from taken ones", () => {
    expect(planId(one(""), "plans/Rate Limiter.v2.yaml", [])).toBe("rate-limiter-v2");
    expect(planId(`name: "Ünï"\n${one("")}`, "plan.yaml", ["u-ni", "uni"])).toMatch(/^u-?ni(-2)?$/);
    expect(planId(one(""), "plan.yaml", ["plan", "plan-2"])).toBe("plan-3");
  });

  test("anchors, aliases and merge keys, a byte order mark and CRLF do what they do", () => {
    const text =
      "version: 1\ntasks:\n  - &a\n    id: a\n    prompt: |\n      one\n      two\n    model: opus\n  - {<<: *a, id: b}\n";
    const { tasks } = plan(`\ufeff${text.replaceAll("\n", "\r\n")}`);
    expect(tasks.map((task) => [task.id, task.prompt, task.model])).toEqual([
      ["a", "one\ntwo", "opus"],
      ["b", "one\ntwo", "opus"],
    ]);
  });

  test("needs of another plan's tasks are left for the look at the whole run", () => {
    expect(problems(one("    needs: [other.task]\n"))).toEqual([]);
    expect(problems(one("    needs: [plan.task]\n"))).toHaveLength(1);
  });
});

const task = (i: number, needs: string): string =>
  `  - id: t${i}\n    prompt: |\n      Do thing ${i}\n      and more\n    needs: [${needs}]\n`;

describe("large plans", () => {
  const head = "version: 1\nname: x\ndefaults: {gate: npm test}\ntasks:\n";
  test("10,000 tasks in one chain are read in a few seconds", () => {
    const text =
      head + Array.from({ length: 10_000 }, (_, i) => task(i, i === 0 ? "" : `t${i - 1}`)).join("");
    const started = performance.now();
    expect(plan(text).tasks).toHaveLength(10_000);
    // 1.2 s alone on two cores; the rest is room for the other tests.
    expect(performance.now() - started).toBeLessThan(20_000);
  }, 30_000);

  test("a circle of 10,000 tasks is shown short", () => {
    const text =
      head + Array.from({ length: 10_000 }, (_, i) => task(i, `t${(i + 9_999) % 10_000}`)).join("");
    const found = problems(text);
    expect(found).toHaveLength(1);
    expect(found[0]).toMatch(/in a circle: t0 → t9999 → .* → … 9992 more tasks … → t0$/);
  }, 30_000);

  test("10,001 tasks are refused", () => {
    const text = `version: 1\ntasks:\n${Array.from({ length: 10_001 }, (_, i) => `  - {id: t${i}, prompt: x}\n`).join("")}`;
    expect(problems(text)).toEqual([
      "plan.yaml:2: the plan has 10001 tasks, expected at most 10000",
    ]);
  }, 30_000);

  test("one long prompt for ten thousand tasks is refused by its sum", () => {
    const text = `version: 1\ntasks:\n  - &a\n    id: t0\n    prompt: ${"x".repeat(100_000)}\n${Array.from({ length: 200 }, (_, i) => `  - {<<: *a, id: t${i + 1}}\n`).join("")}`;
    expect(problems(text)).toEqual([
      "plan.yaml:2: the prompts are over 16 MB together, expected less",
    ]);
  });
});
