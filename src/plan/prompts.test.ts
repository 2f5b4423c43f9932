import { describe, expect, test } from "vitest";
import { taskIdPattern } from "../core/ids.ts";
import { classifyArguments, planFromPrompts } from "./prompts.ts";

describe("arguments of run", () => {
  const none = { file: [], prompt: [] };

  test("names of plan files and anything with a slash and no space are files, the rest prompts", () => {
    const args = [
      "plan.yaml",
      "a b.yml",
      "todo.md",
      "plans/x",
      "./x",
      "fix it",
      "fix src/a.ts please",
      "fix",
      "",
    ];
    expect(classifyArguments(args, none)).toEqual({
      files: ["plan.yaml", "a b.yml", "todo.md", "plans/x", "./x"],
      prompts: ["fix it", "fix src/a.ts please", "fix", ""],
    });
  });

  test("--file and --prompt say what they are", () => {
    expect(classifyArguments(["a.md"], { file: ["-", "x y"], prompt: ["b.yaml"] })).toEqual({
      files: ["a.md", "-", "x y"],
      prompts: ["b.yaml"],
    });
  });

  test("a text of several lines is a prompt, whatever it ends in", () => {
    expect(classifyArguments(["Write this:\nREADME.md"], none).files).toEqual([]);
  });
});

describe("prompts as a plan", () => {
  test("ids are slugs of the first words, at most 30 characters, all different", () => {
    const { tasks, ...head } = planFromPrompts(
      [
        "Fix the flaky login test on macOS and Windows",
        "Fix it",
        "Fix it",
        "修正",
        "\n\n  Trim me \n",
      ],
      "my run",
      new Set(["my-run"]),
    );
    expect(head).toMatchObject({ id: "my-run-2", name: "my run" });
    expect(tasks.map((task) => task.id)).toEqual([
      "fix-the-flaky-login-test-on",
      "fix-it",
      "fix-it-2",
      "task",
      "trim-me",
    ]);
    expect(tasks.every((task) => taskIdPattern.test(task.id))).toBe(true);
    expect(tasks[4]).toMatchObject({
      prompt: "Trim me",
      place: { file: "command line", line: 5 },
      needs: [],
    });
  });

  test("an empty prompt and no prompt are refused", () => {
    expect(() => planFromPrompts(["x", " "], "run")).toThrow(
      "command line:2: prompt 2 is empty, expected text",
    );
    expect(() => planFromPrompts([], "run")).toThrow("no prompt, expected text");
  });
});
