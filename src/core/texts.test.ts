import { describe, expect, it } from "vitest";
import { taskSpec } from "../testing/core.ts";
import type { Ask } from "./attempt.ts";
import { evidence, head } from "../testing/walk.ts";
import {
  answeredText,
  briefingText,
  conflictText,
  fixText,
  maxHandoverChars,
  promptText,
} from "./texts.ts";

describe("the prompt", () => {
  it("says how the result is taken, and nothing that does not hold", () => {
    const bare = promptText(taskSpec("a", { prompt: "  Do it.\n", gate: [] }));
    expect(bare.startsWith("Do it.\n\n---\n")).toBe(true);
    expect(bare).not.toContain("exit 0");
    expect(promptText(taskSpec("a", { gate: null }))).toBe(bare.replace("Do it.", "do a"));
    const full = promptText(
      taskSpec("a", { gate: ["npm test", "npm run lint"], paths: ["src/**"], artifacts: ["a.md"] }),
    );
    for (const part of ["`npm test`, `npm run lint`", "src/**", "a.md"])
      expect(full).toContain(part);
  });
});

describe("what a new session is told", () => {
  it("holds no half of a pair, wherever a long hand-over is cut", () => {
    for (const before of ["", "a"]) {
      const text = briefingText("do a", `${before}${"😀".repeat(maxHandoverChars)}`, "git", "fix");
      expect(text.isWellFormed()).toBe(true);
      expect(text).toContain("😀");
      expect(text.length).toBeLessThan(maxHandoverChars + 500);
    }
  });
});

describe("a red gate", () => {
  it("is told with what failed where, and the end of its output", () => {
    const red = evidence(head("0123456789abcdef"), { exit: 2, tail: "1 failed\n\n" });
    expect(fixText(red)).toContain("`test` exited 2 on commit commit-01234");
    expect(fixText(red)).toContain("```\n1 failed\n```");
    expect(fixText({ ...red, exit: null })).toContain("did not finish in time");
    expect(fixText({ ...red, on: "merge" })).toContain(
      "merge the target into the current branch first",
    );
  });
});

describe("an answer to a question whose process is gone", () => {
  const ask: Ask = {
    id: "q",
    kind: "permission",
    text: "run make?",
    tool: "Bash",
    input: null,
    rule: null,
    commit: null,
    openedAt: 0,
    deadlineAt: null,
    answer: null,
    detached: true,
  };
  const about = "The session was restarted while its question waited (Bash: run make?).";
  const yes = { is: "allow", text: null, answers: null } as const;

  it.each([
    ["permission", yes, "It is allowed: run it again."],
    ["permission", { is: "deny", because: "too wide" }, "The answer is no: too wide"],
    ["question", { ...yes, text: "the second" }, "The answer: the second"],
    ["question", yes, "The answer: yes"],
    ["question", { is: "deny", because: "decide yourself" }, "The answer is no: decide yourself"],
  ] as const)("names what was asked and what was said to a %s: %j", (kind, answer, said) => {
    expect(answeredText({ ...ask, kind }, answer)).toBe(`${about} ${said}`);
  });
});

it("a conflict names at most twenty files", () => {
  const paths = Array.from({ length: 30 }, (_, i) => `f${i}.ts`);
  const text = conflictText("main", paths);
  expect(text).toContain("- f19.ts");
  expect(text).not.toContain("f20.ts");
});
