import { describe, expect, test } from "vitest";
import { Fault } from "../core/fault.ts";
import { checkPlanYaml, parsePlanYaml } from "./plan-yaml.ts";
import { problemLine } from "./problem.ts";

const read = (path: string): string | undefined =>
  path === "prompts/empty.md" ? " \n" : undefined;

function problems(text: string): string[] {
  return (checkPlanYaml(text, "plan.yaml", new Set(), read).problems ?? []).map(problemLine);
}

const one = (task: string): string => `version: 1\ntasks:\n  - id: a\n    prompt: x\n${task}`;

const thrown = (text: string, file: string): unknown => {
  try {
    return parsePlanYaml(text, file, new Set(), read);
  } catch (error) {
    return error;
  }
};

describe("a bad plan is refused at its line, with what was found and what was expected", () => {
  test.each([
    [
      "an unknown key",
      one("    need: [b]\n"),
      'plan.yaml:5: unknown key "need" in task "a", did you mean "needs"',
    ],
    [
      "a key of another tool",
      one("    depends_on: [b]\n"),
      'plan.yaml:5: unknown key "depends_on" in task "a", did you mean "needs"',
    ],
    [
      "an unknown key without a likeness",
      one("    zzzzzz: 1\n"),
      'plan.yaml:5: unknown key "zzzzzz" in task "a", expected one of id, prompt, needs, runner, model, profile, gate, limits, cwd, paths, tools, permissions, approval, land, artifacts, project, target',
    ],
    [
      "an unknown limit",
      one("    limits: {turn: 1}\n"),
      'plan.yaml:5: unknown key "turn" in "limits" of task "a", did you mean "turns"',
    ],
    [
      "an unknown top key",
      `task: []\n${one("")}`,
      'plan.yaml:1: unknown key "task", did you mean "tasks"',
    ],
    ["an empty file", "", "plan.yaml:1: the plan is empty, expected version, name and tasks"],
    [
      "a file of comments",
      "# nothing\n",
      "plan.yaml:1: the plan is empty, expected version, name and tasks",
    ],
    ["a list", "- a\n", "plan.yaml:1: the plan is a list, expected a plan: version, name, tasks"],
    [
      "no tasks",
      "version: 1\ntasks: []\n",
      'plan.yaml:2: "tasks" is an empty list, expected at least one task',
    ],
    [
      "empty tasks",
      "version: 1\ntasks:\n",
      'plan.yaml:2: "tasks" is empty, expected a list of tasks',
    ],
    [
      "no version",
      "tasks: [{id: a, prompt: b}]\n",
      'plan.yaml:1: the plan has no "version", expected 1',
    ],
    [
      "another version",
      "version: 2\ntasks: [{id: a, prompt: b}]\n",
      'plan.yaml:1: "version" is the number 2, expected 1',
    ],
    [
      "no prompt",
      "version: 1\ntasks:\n  - id: a\n",
      'plan.yaml:3: task "a" has no "prompt", expected text or { file: path }',
    ],
    [
      "no id",
      "version: 1\ntasks:\n  - prompt: a\n",
      /^plan.yaml:3: task number 1 has no "id", expected an id/,
    ],
    [
      "an id with capitals",
      "version: 1\ntasks:\n  - prompt: a\n    id: A b\n",
      /^plan.yaml:4: "id" of task "A b" is "A b", expected an id/,
    ],
    [
      "a hostile id",
      'version: 1\ntasks:\n  - prompt: a\n    id: "../x\\n\\e[2J"\n',
      /^plan.yaml:4: "id" of task "..\/x\\u000a\\u001b\[2J" is /,
    ],
    [
      "a number as id",
      "version: 1\ntasks:\n  - {prompt: a, id: 7}\n",
      /"id" of task number 1 is the number 7, expected an id/,
    ],
    [
      "an empty prompt",
      "version: 1\ntasks:\n  - id: a\n    prompt: '  '\n",
      'plan.yaml:4: the prompt of task "a" is empty, expected text',
    ],
    [
      "a missing prompt file",
      one("").replace("prompt: x", "prompt: {file: gone.md}"),
      'plan.yaml:4: prompt file "gone.md" of task "a" does not exist, expected a path from the plan\'s folder',
    ],
    [
      "an empty prompt file",
      one("").replace("prompt: x", "prompt: {file: prompts/empty.md}"),
      'plan.yaml:4: prompt file "prompts/empty.md" of task "a" is empty, expected text',
    ],
    [
      "a mistyped file key",
      one("").replace("prompt: x", "prompt: {file: p, fil: x}"),
      'plan.yaml:4: unknown key "fil" in "prompt" of task "a", did you mean "file"',
    ],
    [
      "two tasks with one id",
      `${one("")}  - id: a\n    prompt: y\n`,
      'plan.yaml:5: task "a" a second time, expected it once (line 3)',
    ],
    [
      "an unknown need",
      `${one("    needs: [docz]\n")}  - {id: docs, prompt: y}\n`,
      'plan.yaml:5: task "a" needs unknown task "docz", did you mean "docs"',
    ],
    [
      "a need of itself",
      one("    needs: [a]\n"),
      'plan.yaml:5: task "a" needs itself, expected another task',
    ],
    [
      "a need said twice",
      `${one("    needs:\n      - b\n      - b\n")}  - {id: b, prompt: y}\n`,
      'plan.yaml:7: task "a" needs "b" twice, expected it once',
    ],
    [
      "a cycle",
      `${one("    needs: [b]\n")}  - {id: b, prompt: y, needs: [a]}\n`,
      "plan.yaml:5: tasks need each other in a circle: a → b → a",
    ],
    [
      "a need with a wrong word",
      one("    needs: [{task: b, when: landd}]\n"),
      'plan.yaml:5: "needs[0].when" of task "a" is "landd", expected verified or landed, did you mean "landed"',
    ],
    [
      "an unknown runner",
      one("    runner: claude\n"),
      'plan.yaml:5: "runner" of task "a" is "claude", expected claude-cli or claude-sdk',
    ],
    [
      "an unknown profile",
      one("    profile: user\n"),
      'plan.yaml:5: "profile" of task "a" is "user", expected isolated or project',
    ],
    [
      "an unknown landing",
      one("    land: remote\n"),
      'plan.yaml:5: "land" of task "a" is "remote", expected none, local, push or pr',
    ],
    [
      "approval as a boolean",
      one("    approval: true\n"),
      'plan.yaml:5: "approval" of task "a" is true, expected required or none',
    ],
    [
      "a negative limit",
      one("    limits:\n      usd: -1\n"),
      'plan.yaml:6: "limits.usd" of task "a" is the number -1, expected a number over 0',
    ],
    [
      "a limit as text",
      one("    limits: {turns: many}\n"),
      'plan.yaml:5: "limits.turns" of task "a" is "many", expected a whole number over 0',
    ],
    [
      "no limit at all",
      one("    limits: {minutes: .inf}\n"),
      /"limits.minutes" of task "a" is the number Infinity, expected a number over 0/,
    ],
    [
      "half a turn",
      one("    limits: {turns: 0.5}\n"),
      /"limits.turns" of task "a" is the number 0.5, expected a whole number/,
    ],
    [
      "parallel of zero",
      `limits: {parallel: 0}\n${one("")}`,
      'plan.yaml:1: "limits.parallel" is the number 0, expected a whole number over 0',
    ],
    [
      "a wait without unit",
      one("    permissions: {wait: 15}\n"),
      'plan.yaml:5: "permissions.wait" of task "a" is the number 15, expected a time such as 90s, 15m, 2h, 0 or forever',
    ],
    [
      "an empty list of gates",
      one("    gate: []\n"),
      'plan.yaml:5: "gate" of task "a" is an empty list, expected at least one command, or none',
    ],
    [
      "none among gates",
      one("    gate: [none, x]\n"),
      /"gate\[0\]" of task "a" is "none", expected "none" alone/,
    ],
    [
      "a path that leaves the project",
      one("    paths: [ok, ../x]\n"),
      /^plan.yaml:5: "paths\[1\]" of task "a" is "..\/x", expected a path inside the project/,
    ],
    [
      "an absolute artifact",
      one("    artifacts: [/etc/passwd]\n"),
      /"artifacts\[0\]" of task "a" is "\/etc\/passwd", expected a path inside/,
    ],
    [
      "a cwd that is an option",
      one("    cwd: -rf\n"),
      /"cwd" of task "a" is "-rf", expected a path inside/,
    ],
    [
      "a target that is an option",
      one("    target: --force\n"),
      /"target" of task "a" is "--force", expected a branch name/,
    ],
    [
      "a name with control characters",
      `name: "a\\eb"\n${one("")}`,
      'plan.yaml:1: "name" is "a\\u001bb", expected a name without control characters',
    ],
    [
      "a half of a pair in a prompt",
      'version: 1\ntasks: [{id: a, prompt: "\\ud800"}]\n',
      /prompt of task "a" is not text/,
    ],
    [
      "a prototype",
      `__proto__: {x: 1}\n${one("")}`,
      /^plan.yaml:1: unknown key "__proto__", expected one of/,
    ],
  ])("%s", (_, text, expected) => {
    const found = problems(text);
    expect(found).toHaveLength(1);
    if (typeof expected === "string") expect(found[0]).toBe(expected);
    else expect(found[0]).toMatch(expected);
  });

  test("all problems are found, in the order of their lines", () => {
    const text = one("    need: [b]\n    land: x\n    limits: {usd: 0}\n");
    expect(problems(text).map((line) => line.split(":")[1])).toEqual(["5", "6", "7"]);
  });

  test("a wrong default is said at the defaults, not at every task", () => {
    expect(problems(`defaults: {model: 5}\n${one("")}`)).toEqual([
      'plan.yaml:1: "defaults.model" is the number 5, expected the name of a model',
    ]);
  });

  test("the fault is one line with the first problem, the others behind it, and a command to paste", () => {
    const two = thrown(one("    need: [b]\n    land: x\n"), "my plan.yaml");
    expect(two).toBeInstanceOf(Fault);
    expect(two).toMatchObject({
      code: "bad_plan",
      message: 'my plan.yaml:5: unknown key "need" in task "a", did you mean "needs"',
      more: [expect.stringMatching(/^my plan.yaml:6: /)],
      remedy: "To see what a plan may say, run muster schema plan",
    });
    expect(thrown("[]", "a\nb.yaml")).toMatchObject({
      message: expect.stringMatching(/^a\\u000ab.yaml:1: /),
      remedy: "To see what a plan may say, run muster schema plan",
    });
  });
});
