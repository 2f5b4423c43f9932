import * as fc from "fast-check";
import { describe, expect, test } from "vitest";
import { isBranchName, isInside, parseDuration, promptProblem, utf8Bytes } from "./fields.ts";

test("durations are read in milliseconds, forever as null, anything else as undefined", () => {
  expect(["90s", "15m", "2h", "1d", "1.5h", "0", "forever"].map(parseDuration)).toEqual([
    90_000,
    900_000,
    7_200_000,
    86_400_000,
    5_400_000,
    0,
    null,
  ]);
  for (const text of ["", "15", "m", "-1m", "1e9s", "15 m", "15ms", "Forever", "1h30m"]) {
    expect(parseDuration(text), text).toBeUndefined();
  }
});

test("the length in UTF-8 is the one of the encoder", () => {
  fc.assert(
    fc.property(fc.string({ unit: "binary" }), (text) => {
      expect(utf8Bytes(text)).toBe(Buffer.byteLength(text));
    }),
  );
});

test("paths that leave the project, name git's metadata or look like options are not inside", () => {
  for (const path of [
    "/etc",
    "../x",
    "a/../../b",
    "-rf",
    "~/x",
    "C:x",
    "a\\b",
    ".git/config",
    "a/.GIT/x",
  ]) {
    expect(isInside(path), path).toBe(false);
  }
  for (const path of ["docs/**", ".", "a..b", ".github/x", "packages/-x", ".gitignore"]) {
    expect(isInside(path), path).toBe(true);
  }
});

test("branch names are those that git takes", () => {
  for (const name of ["main", "feature/x", "a.b", "v1"])
    expect(isBranchName(name), name).toBe(true);
  for (const name of [
    "-x",
    "a b",
    "a..b",
    "a/",
    "/a",
    "a.lock",
    ".a",
    "a/.b",
    "a~1",
    "a^",
    "@{-1}",
    "@",
    "HEAD",
    "refs/heads/a",
    "a//b",
    "a.",
  ]) {
    expect(isBranchName(name), name).toBe(false);
  }
});

describe("prompts", () => {
  test("200 KB of text is a prompt and one byte more is not", () => {
    expect(promptProblem("é".repeat(100 * 1024))).toBeUndefined();
    expect(promptProblem(`${"é".repeat(100 * 1024)}a`)).toMatch(/over 200 KB/);
  });

  test("blank text, NUL and half of a pair are no prompt", () => {
    expect(promptProblem(" \n\t")).toMatch(/is empty/);
    expect(promptProblem("a\0b")).toMatch(/not text/);
    expect(promptProblem("a\ud800")).toMatch(/not text/);
  });
});
