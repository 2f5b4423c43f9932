import * as fc from "fast-check";
import { describe, expect, test } from "vitest";
import { beginning, count, isPlain, oneLine, quote, shellWord, suggest } from "./words.ts";

describe("suggest", () => {
  test("finds a word with a letter missing, added, replaced or swapped", () => {
    const known = ["needs", "prompt", "paths"];
    expect(["need", "needss", "neets", "nedes"].map((word) => suggest(word, known))).toEqual(
      Array(4).fill("needs"),
    );
  });

  test("does not care about case", () => {
    expect(suggest("Claude-CLI", ["claude-cli", "claude-sdk"])).toBe("claude-cli");
  });

  test("stays silent where nothing is close", () => {
    expect(suggest("zebra", ["needs", "prompt"])).toBeUndefined();
    expect(suggest("x".repeat(1_000_000), ["needs"])).toBeUndefined();
  });
});

test("the beginning of a text is as long as it may be, and cuts no pair in two", () => {
  expect(["abc", "ab", "a", ""].map((text) => beginning(text, 2))).toEqual(["ab", "ab", "a", ""]);
  expect([1, 2, 3, 4, 5].map((chars) => beginning("a😀😀", chars))).toEqual([
    "a",
    "a",
    "a😀",
    "a😀",
    "a😀😀",
  ]);
});

describe("values in errors", () => {
  test("any text is quoted on one line, short, without control characters", () => {
    fc.assert(
      fc.property(fc.string({ unit: "binary", maxLength: 200 }), (text) => {
        const quoted = quote(text);
        // Each of 61 characters becomes six at most.
        expect(quoted.length).toBeLessThan(400);
        expect(isPlain(quoted)).toBe(true);
      }),
    );
  });

  test("what can't be seen is written as its number", () => {
    expect(oneLine("a\nb\u001b[31m\u202ec")).toBe("a\\u000ab\\u001b[31m\\u202ec");
  });

  test("a half of a pair is not plain", () => {
    expect(isPlain("\ud800")).toBe(false);
    expect(isPlain("ünïcode 🚀")).toBe(true);
  });

  test("file names are quoted for a shell where they need it", () => {
    expect(shellWord("plans/a.yaml")).toBe("plans/a.yaml");
    expect(shellWord("my plan.yaml")).toBe("'my plan.yaml'");
    expect(shellWord("it's.yaml")).toBe("'it'\\''s.yaml'");
    expect(shellWord("-rf")).toBe("'-rf'");
  });

  test("one is one and two are several", () => {
    expect([count(1, "task"), count(2, "task")]).toEqual(["1 task", "2 tasks"]);
  });
});
