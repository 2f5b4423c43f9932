import { expect, test } from "vitest";
import { asText, isWithin, parentsOf, rawOf, rawPaths, shown } from "./paths.ts";
import { isRefName, isRefPart, requireRefPart } from "./refs.ts";
import { parseWorktrees } from "./list.ts";

test("every byte of a name survives being shown and read back", () => {
  const all = Buffer.from(Array.from({ length: 255 }, (_, n) => n + 1)).toString("latin1");
  for (const raw of [
    all,
    "plain",
    "a\\xff",
    "a\xff",
    "\\",
    "\\\\",
    "n\u00c3\u00a9",
    "x\ny",
    "\\x5c\xfe",
  ]) {
    expect(rawOf(shown(raw))).toBe(raw);
  }
});

test("a name in UTF-8 is shown as it is, another one with its bytes", () => {
  expect(shown(Buffer.from("naïve ☃").toString("latin1"))).toBe("naïve ☃");
  expect(shown("caf\xe9")).toBe("caf\\xe9");
  expect(shown("a\\b")).toBe("a\\\\b");
  expect(asText("caf\xe9")).toBeUndefined();
});

test("names that differ are shown differently", () => {
  expect(shown("\xff")).not.toBe(shown("\\xff"));
});

test("lists of names, folders above a path, and folders around one", () => {
  expect(rawPaths(Buffer.from("a\0b c\0"))).toEqual(["a", "b c"]);
  expect(parentsOf("a/b/c")).toEqual(["a", "a/b"]);
  expect(parentsOf("a")).toEqual([]);
  expect(isWithin("dir/x", "dir/")).toBe(true);
  expect(isWithin("dir-evil/x", "dir")).toBe(false);
});

test("parts of ref names that muster makes are narrow", () => {
  for (const good of ["run_1/task", "a", "muster/run_1/plan.task", "a-b_c.d"])
    expect(isRefPart(good)).toBe(true);
  const bad = [
    "",
    "-x",
    "a..b",
    "a//b",
    "a.lock",
    "a.lock/b",
    "a.",
    "a/",
    "A",
    "a b",
    "$(id)",
    "naïve",
    "a/.b",
    "@",
    `a${"b".repeat(201)}`,
  ];
  for (const part of bad) {
    expect(isRefPart(part), part).toBe(false);
    expect(() => requireRefPart(part)).toThrow("branch name");
  }
});

test("a person's ref names are what git accepts", () => {
  for (const good of ["refs/heads/main", "refs/heads/Feature/JIRA-1", "refs/heads/naïve"])
    expect(isRefName(good)).toBe(true);
  for (const bad of [
    "main",
    "refs/heads",
    "refs/heads/a..b",
    "refs/heads/a b",
    "refs/heads/.a",
    "refs/heads/a\n",
    "refs/heads/x.lock",
    "refs/heads//a",
    "refs/heads/a@{1}",
  ]) {
    expect(isRefName(bad), bad).toBe(false);
  }
});

test("a list of worktrees is read with its locks and reasons", () => {
  const text =
    "worktree /r\0HEAD abc\0branch refs/heads/main\0\0worktree /w x\0HEAD def\0detached\0locked why so\0prunable gone\0\0worktree /b\0bare\0\0";
  expect(parseWorktrees(text)).toEqual([
    {
      path: "/r",
      head: "abc",
      branch: "refs/heads/main",
      bare: false,
      locked: null,
      prunable: false,
    },
    { path: "/w x", head: "def", branch: null, bare: false, locked: "why so", prunable: true },
    { path: "/b", head: null, branch: null, bare: true, locked: null, prunable: false },
  ]);
});
