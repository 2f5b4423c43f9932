import { mkdtempSync, rmSync, symlinkSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, describe, expect, test } from "vitest";
import { readFlags } from "./flags.ts";
import { isAllowed } from "./permission.ts";

const folder = mkdtempSync(join(tmpdir(), "muster-permission-"));
symlinkSync("..", join(folder, "up"));
afterAll(() => rmSync(folder, { recursive: true }));

const allowed = (
  name: string,
  input: Record<string, unknown>,
  ...args: readonly string[]
): boolean => isAllowed({ id: "t1", name, input }, readFlags(args), folder);

describe("a command", () => {
  test.each([
    ["git add -A && git commit -q -m 'it; is $(done)'", true],
    ['git commit -m "a && b"', true],
    ["git status", true],
    ["git push", false],
    ["git add . ; rm x", false],
    ["git add .\nrm x", false],
    ["git commit -m $(rm x)", false],
    ['git commit -m "$(rm x)"', false],
    ["git commit -m x > /etc/x", false],
    ["git addx", false],
    ["npm test", false],
  ])("%j runs unasked: %s", (command, expected) => {
    expect(allowed("Bash", { command })).toBe(expected);
  });

  test("runs unasked where a flag names it", () => {
    const rules = "--allowedTools=Bash(npm run *),Bash(make)";
    expect(allowed("Bash", { command: "npm run test && make" }, rules)).toBe(true);
    expect(allowed("Bash", { command: "make clean" }, rules)).toBe(false);
    expect(allowed("Bash", { command: "rm x" }, "--allowedTools=Bash")).toBe(true);
    expect(allowed("Bash", { command: "rm x" }, "--permission-mode=bypassPermissions")).toBe(true);
  });
});

describe("a file", () => {
  test.each([
    ["a.txt", true],
    ["new/sub/a.txt", true],
    [join(folder, "a.txt"), true],
    ["../a.txt", false],
    ["up/a.txt", false],
    ["/etc/passwd", false],
  ])("%j is written unasked: %s", (path, expected) => {
    expect(allowed("Write", { file_path: path, content: "" })).toBe(expected);
  });
});

test("a file elsewhere is read unasked where a rule opens its folder, and not written", () => {
  const rules = `--settings=${JSON.stringify({ permissions: { allow: ["Read(//srv/msg/**)"] } })}`;
  expect(allowed("Read", { file_path: "/srv/msg/a.md" }, rules)).toBe(true);
  expect(allowed("Read", { file_path: "/srv/msg/../a.md" }, rules)).toBe(false);
  expect(allowed("Write", { file_path: "/srv/msg/a.md", content: "" }, rules)).toBe(false);
});

test("a question to the person is always asked, and a tool that nobody knows too", () => {
  expect(allowed("AskUserQuestion", {}, "--permission-mode=bypassPermissions")).toBe(false);
  expect(allowed("Launch", {})).toBe(false);
});
