import { describe, expect, test } from "vitest";
import { readFlags } from "./flags.ts";

describe("the command line", () => {
  test("is read with and without the equals sign", () => {
    const flags = readFlags([
      "-p",
      "--input-format=stream-json",
      "--verbose",
      "--permission-prompt-tool",
      "stdio",
      "--resume=r1",
      "--session-id",
      "s1",
      "--fork-session",
      "--model=m1",
      "--max-turns=3",
      "--max-budget-usd",
      "1.5",
      "--allowedTools=Bash(git *),Bash(make -j 2, x),Read",
      "--tools=",
    ]);
    expect(flags).toMatchObject({
      command: "session",
      asks: true,
      resume: "r1",
      sessionId: "s1",
      fork: true,
    });
    expect(flags).toMatchObject({ model: "m1", maxTurns: 3, maxBudgetUsd: 1.5, tools: [] });
    expect(flags.allowedTools).toEqual(["Bash(git *)", "Bash(make -j 2, x)", "Read"]);
  });

  test("has limits that never hold and all tools where it says nothing", () => {
    expect(readFlags([])).toMatchObject({
      maxTurns: Infinity,
      maxBudgetUsd: Infinity,
      asks: false,
      fork: false,
    });
    expect(readFlags([]).tools).toContain("AskUserQuestion");
  });

  test("takes the rules of settings that are JSON and nothing from others", () => {
    const settings = JSON.stringify({ permissions: { allow: ["Bash(make)"], ask: ["Read"] } });
    const flags = readFlags(["--allowedTools=Read", `--settings=${settings}`]);
    expect(flags.allowedTools).toEqual(["Read", "Bash(make)"]);
    expect(readFlags(["--settings=/etc/settings.json"]).allowedTools).toEqual([]);
  });

  test("names the command", () => {
    expect(readFlags(["--version"]).command).toBe("version");
    expect(readFlags(["auth", "status", "--json"]).command).toBe("auth");
  });
});
