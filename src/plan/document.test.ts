import * as fc from "fast-check";
import { describe, expect, test } from "vitest";
import { yamlDocument } from "./document.ts";
import { problemLine } from "./problem.ts";

function problems(text: string): string[] {
  return yamlDocument(text, "p.yaml").problems.map(problemLine);
}

test("values remember the line of their key or item", () => {
  const document = yamlDocument("# c\na: 1\nb:\n  - x\n  - y: 2\n", "p.yaml");
  expect(document.value).toEqual({ a: 1, b: ["x", { y: 2 }] });
  const paths = [["a"], ["b"], ["b", 1], ["b", 1, "y"], ["b", 1, "gone", "deeper"], ["gone"]];
  expect(paths.map((path) => document.lineOf(path))).toEqual([2, 3, 5, 5, 5, 2]);
});

test("a byte order mark and CRLF change neither values nor lines", () => {
  const plain = "a: |\n  one\n  two\nb: 1\n";
  const windows = yamlDocument(`\ufeff${plain.replaceAll("\n", "\r\n")}`, "p.yaml");
  expect(windows.value).toEqual(yamlDocument(plain, "p.yaml").value);
  expect(windows.lineOf(["b"])).toBe(4);
});

test("JSON is read as it is", () => {
  fc.assert(
    fc.property(fc.jsonValue({ maxDepth: 4 }), (value) => {
      const json = JSON.stringify(value);
      const document = yamlDocument(json, "p.yaml");
      expect(document.problems).toEqual([]);
      expect(JSON.stringify(document.value)).toBe(json);
    }),
  );
});

test("no text makes it throw", () => {
  const piece = fc.constantFrom(
    "a",
    ": ",
    "- ",
    "\n",
    "  ",
    "&a ",
    "*a",
    "<<: ",
    "[",
    "]",
    "{",
    "}",
    "'",
    '"',
    "|\n",
    "!x ",
    "? ",
    "#",
    "\t",
    "%YAML 1.1\n",
    "---\n",
    "\0",
    "\ufeff",
    "\ud800",
  );
  fc.assert(
    fc.property(fc.array(piece, { maxLength: 40 }), (pieces) => {
      const text = pieces.join("");
      for (const line of problems(text)) expect(line).toMatch(/^p\.yaml:\d+: [^\n]+$/);
    }),
    { numRuns: 2_000 },
  );
});

describe("anchors", () => {
  test("aliases and merge keys give their values, own keys first, the first of several mappings first", () => {
    const text =
      "base: &b {x: 1, y: 2}\nother: &o {y: 3, z: 4}\na: {<<: [*b, *o], x: 0}\nc: *b\nd: {<<: *o}\n";
    expect(yamlDocument(text, "p.yaml")).toMatchObject({
      problems: [],
      value: { a: { x: 0, y: 2, z: 4 }, c: { x: 1, y: 2 }, d: { y: 3, z: 4 } },
    });
  });

  test("a value that came in by an alias has the line of its anchor", () => {
    const document = yamlDocument("base: &b\n  x: 1\na:\n  <<: *b\nc: *b\n", "p.yaml");
    expect([document.lineOf(["a", "x"]), document.lineOf(["c", "x"])]).toEqual([2, 2]);
  });

  test("one anchor may have ten thousand aliases", () => {
    const text = `a: &a {x: 1}\nb:\n${"  - {<<: *a}\n  - *a\n".repeat(5_000)}`;
    const document = yamlDocument(text, "p.yaml");
    expect(document.problems).toEqual([]);
    expect(document.value).toMatchObject({ b: { length: 10_000 } });
  });

  test("alias bombs of lists and of merges are refused at once", () => {
    const names = "abcdefghijk".split("");
    const bomb = (wrap: (aliases: string) => string): string =>
      names
        .map(
          (name, i) =>
            `${name}: &${name} ${
              i === 0
                ? "{x: 1}"
                : wrap(
                    Array(9)
                      .fill(`*${names[i - 1]}`)
                      .join(", "),
                  )
            }`,
        )
        .join("\n");
    const started = performance.now();
    expect(problems(bomb((aliases) => `[${aliases}]`))).toEqual([
      expect.stringMatching(/1,000,000 values/),
    ]);
    expect(problems(bomb((aliases) => `{<<: [${aliases}]}`))).toEqual([
      expect.stringMatching(/1,000,000 values/),
    ]);
    expect(performance.now() - started).toBeLessThan(15_000);
  });

  test("a large mapping merged again and again is refused before the merging is done", () => {
    const keys = Array.from({ length: 20_000 }, (_, i) => `k${i}: 1`).join(", ");
    const text = `a: &a {${keys}}\nb:\n${"  - {<<: *a}\n".repeat(5_000)}`;
    expect(problems(text)).toEqual([expect.stringMatching(/1,000,000 merged keys/)]);
  });

  test("an alias without anchor and one inside its own anchor are refused", () => {
    expect(problems("a: *b\n")).toEqual(['p.yaml:1: alias "*b", expected its anchor before it']);
    expect(problems("a: &a\n  - *a\n")).toEqual([
      'p.yaml:2: alias "*a", expected its anchor before it',
    ]);
  });
});

describe("refused", () => {
  test("a key that stands twice, with both lines", () => {
    expect(problems("a: 1\nb: 2\na: 3\n")).toEqual([
      'p.yaml:3: key "a" a second time, expected it once (line 1)',
    ]);
  });

  test.each([
    ["a tag that nobody knows", "a: !secret x", /1: not readable as YAML: Unresolved tag/],
    ["two documents", "a: 1\n---\nb: 2", /2: not readable as YAML: a second document/],
    ["tabs as indentation", "a:\n\tb: 1", /2: not readable as YAML: Tabs/],
    ["a key that is a list", "? [a]\n: 1", /1: a key that is not text/],
    ["a merge of a text", "a: {<<: x}", /1: merge key "<<", expected a mapping/],
    ["NUL", "a: 1\nb: \0", /2: a NUL character/],
    ["seventy levels", `a: ${"[".repeat(70)}${"]".repeat(70)}`, /1: nested deeper than 64 levels/],
    ["a hundred thousand levels", "[".repeat(100_000), /nested too deeply|not readable/],
    ["seventeen million characters", "#".repeat(17 * 1024 * 1024), /1: over 16 MB/],
  ])("%s", (_, text, expected) => {
    expect(problems(text)[0]).toMatch(expected);
  });

  test("nothing of a prototype: __proto__ is a key like any other", () => {
    const { value } = yamlDocument("__proto__: {admin: true}\n", "p.yaml");
    expect(JSON.stringify(value)).toBe('{"__proto__":{"admin":true}}');
    expect({}).not.toHaveProperty("admin");
  });

  test("fifty thousand different keys cost no square", () => {
    const text = Array.from({ length: 50_000 }, (_, i) => `k${i}: 1`).join("\n");
    const started = performance.now();
    expect(problems(text)).toEqual([]);
    expect(performance.now() - started).toBeLessThan(15_000);
  });
});
