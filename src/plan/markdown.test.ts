import * as fc from "fast-check";
import { describe, expect, test } from "vitest";
import { checkMarkdown, parseMarkdown } from "./markdown.ts";
import { problemLine } from "./problem.ts";

function tasks(text: string): [string, string, string[]][] {
  return parseMarkdown(text, "todo.md").tasks.map((task) => [
    task.id,
    task.prompt,
    task.needs.map((need) => need.task),
  ]);
}

function problems(text: string): string[] {
  return (checkMarkdown(text, "todo.md", new Set()).problems ?? []).map(problemLine);
}

describe("checkboxes", () => {
  test("every unchecked item is a task, in order, whatever its marker, and checked ones are skipped", () => {
    const text =
      "# Plan\n\n- [ ] one\n* [ ] two\n+ [ ] three\n1. [ ] four\n2) [ ] five\n- [x] six\n- [X] seven\n- eight\n";
    expect(tasks(text).map(([id]) => id)).toEqual(["one", "two", "three", "four", "five"]);
  });

  test("indented text is the rest of the prompt, dedented, code and plain bullets with it", () => {
    const text =
      "- [ ] Add a limiter\n\n  First line.\n  - bullet\n\n  ```js\n  - [ ] not a task\n  ```\n- [ ] Next\n";
    expect(tasks(text)).toEqual([
      [
        "add-a-limiter",
        "Add a limiter\n\nFirst line.\n- bullet\n\n```js\n- [ ] not a task\n```",
        [],
      ],
      ["next", "Next", []],
    ]);
  });

  test("nested items are tasks of their own and no part of the one around them", () => {
    const text =
      "- [ ] outer\n  before\n  - [ ] inner\n    inner body\n  - [x] done\n    done body\n\n  after\n- [x] closed\n  - [ ] still open\n";
    expect(tasks(text)).toEqual([
      ["outer", "outer\nbefore\n\nafter", []],
      ["inner", "inner\ninner body", []],
      ["still-open", "still open", []],
    ]);
  });

  test("text in code and comments is no checkbox", () => {
    const text =
      "- [ ] real\n\n```\n- [ ] fenced\n```\n\n<!--\n- [ ] hidden\n-->\n\ntext\n\n    - [ ] code\n";
    expect(tasks(text).map(([id]) => id)).toEqual(["real"]);
  });

  test("quoted items, items in items and late boxes are found", () => {
    expect(tasks("> - [ ] quoted\n>   body\n\n- - [ ] twice\n-\n  [ ] late\n  body\n")).toEqual([
      ["quoted", "quoted\nbody", []],
      ["twice", "twice", []],
      ["late", "late\nbody", []],
    ]);
  });

  test("ids and needs at the end of the first line are read and taken out, in either order", () => {
    const text =
      "- [ ] Build **it** {#build}\n- [ ] Test it (needs: build) {#test}\n- [ ] Ship {#ship} (Needs: build , test,)\n- [ ] See (the docs)\n- [ ] Run `(needs: x)`\n";
    expect(tasks(text)).toEqual([
      ["build", "Build **it**", []],
      ["test", "Test it", ["build"]],
      ["ship", "Ship", ["build", "test"]],
      ["see-the-docs", "See (the docs)", []],
      ["run-needs-x", "Run `(needs: x)`", []],
    ]);
  });

  test("ids that are said come before those made of words, wherever they stand", () => {
    expect(tasks("- [ ] Fix\n- [ ] Fix\n- [ ] Other {#fix}\n").map(([id]) => id)).toEqual([
      "fix-2",
      "fix-3",
      "fix",
    ]);
  });

  test("items have no order unless they say so", () => {
    expect(tasks("- [ ] a\n- [ ] b\n").every(([, , needs]) => needs.length === 0)).toBe(true);
  });

  test("CRLF and a byte order mark change nothing", () => {
    const text = "# T\n\n- [ ] one {#x}\n  more\n- [ ] two (needs: x)\n";
    expect(tasks(`\ufeff${text.replaceAll("\n", "\r\n")}`)).toEqual(tasks(text));
  });

  test("lines are those of the file", () => {
    const plan = parseMarkdown("# T\n\n- [ ] one\n\n  body\n\n- [ ] two\n", "todo.md");
    expect(plan.tasks.map((task) => task.place)).toEqual([
      { file: "todo.md", line: 3 },
      { file: "todo.md", line: 7 },
    ]);
    expect(plan).toMatchObject({ id: "todo", name: "todo" });
  });
});

test("a file without a checkbox is one prompt", () => {
  expect(tasks("# Fix the build on Windows now please\n\nIt is red.\n- really\n")).toEqual([
    [
      "fix-the-build-on-windows-now",
      "# Fix the build on Windows now please\n\nIt is red.\n- really",
      [],
    ],
  ]);
});

describe("a bad file is refused at its line", () => {
  test.each([
    [
      "all checked",
      "- [x] a\n- [X] b\n",
      "todo.md:1: all 2 checkboxes are checked, expected one to do: - [ ] text",
    ],
    [
      "one checked",
      "\n- [x] a\n",
      "todo.md:2: its only checkbox is checked, expected one to do: - [ ] text",
    ],
    ["empty", "", "todo.md:1: the file is empty, expected text"],
    [
      "a box without text",
      "- [ ] a\n- [ ]\n",
      "todo.md:2: the text of the checkbox is empty, expected text",
    ],
    ["a bad id", "- [ ] a {#Bad Id}\n", /^todo.md:1: id "Bad Id", expected lower-case letters/],
    [
      "an id said twice",
      "- [ ] a {#x}\n- [ ] b {#x}\n",
      'todo.md:2: id "x" a second time, expected it once (line 1)',
    ],
    [
      "an unknown need",
      "- [ ] a {#api}\n- [ ] b (needs: apo)\n",
      'todo.md:2: task "b" needs unknown task "apo", did you mean "api"',
    ],
    [
      "a need that is no id",
      "- [ ] b (needs: A b)\n",
      /^todo.md:1: need "A b", expected a task's id/,
    ],
    [
      "a need of itself",
      "- [ ] b (needs: b)\n",
      'todo.md:1: task "b" needs itself, expected another task',
    ],
    [
      "a cycle",
      "text\n- [ ] a (needs: b)\n- [ ] b (needs: a)\n",
      "todo.md:2: tasks need each other in a circle: a → b → a",
    ],
    ["NUL", "- [ ] a\n- [ ] b\0\n", "todo.md:2: a NUL character, expected text"],
    [
      "lists a hundred deep",
      Array.from({ length: 150 }, (_, i) => `${"  ".repeat(i)}- [ ] n`).join("\n"),
      /^todo.md:\d+: nested too deeply/,
    ],
  ])("%s", (_, text, expected) => {
    const found = problems(text);
    expect(found).toHaveLength(1);
    if (typeof expected === "string") expect(found[0]).toBe(expected);
    else expect(found[0]).toMatch(expected);
  });

  test("the fault has a code and a remedy", () => {
    expect(() => parseMarkdown("- [x] a\n", "todo.md")).toThrow(
      expect.objectContaining({
        code: "bad_plan",
        remedy: "To see what a plan may say, run muster schema plan",
      }),
    );
  });
});

const boxes = (n: number): string =>
  Array.from({ length: n }, (_, i) => `- [ ] Task ${i}\n  text\n`).join("");

test("10,000 checkboxes are read at once and one more is refused", () => {
  const started = performance.now();
  expect(parseMarkdown(boxes(10_000), "todo.md").tasks).toHaveLength(10_000);
  expect(performance.now() - started).toBeLessThan(15_000);
  expect(problems(boxes(10_001))).toEqual([
    "todo.md:1: the plan has 10001 tasks, expected at most 10000",
  ]);
}, 20_000);

test("every written item comes back with its text and its place", () => {
  const word = fc.stringMatching(/^[a-z]{1,8}$/);
  const item = fc.record({
    words: fc.array(word, { minLength: 1, maxLength: 4 }),
    body: fc.array(word, { maxLength: 3 }),
    checked: fc.boolean(),
    depth: fc.nat(2),
  });
  fc.assert(
    fc.property(fc.array(item, { minLength: 1, maxLength: 8 }), (items) => {
      let depth = -1;
      const lines: string[] = [];
      const expected: { prompt: string; line: number }[] = [];
      for (const each of items) {
        depth = Math.min(each.depth, depth + 1);
        const indent = "  ".repeat(depth);
        if (!each.checked)
          expected.push({
            prompt: [each.words.join(" "), ...each.body].join("\n"),
            line: lines.length + 1,
          });
        lines.push(`${indent}- [${each.checked ? "x" : " "}] ${each.words.join(" ")}`);
        lines.push(...each.body.map((text) => `${indent}  ${text}`));
      }
      const { plan } = checkMarkdown(lines.join("\n"), "todo.md", new Set());
      expect(
        (plan?.tasks ?? []).map((task) => ({ prompt: task.prompt, line: task.place.line })),
      ).toEqual(expected);
      expect(new Set(plan?.tasks.map((task) => task.id)).size).toBe(expected.length);
    }),
  );
});

test("no text makes it throw", () => {
  const piece = fc.constantFrom(
    "- [ ] ",
    "- [x] ",
    "a",
    "\n",
    "  ",
    "> ",
    "1. ",
    "```\n",
    "(needs: ",
    ")",
    "{#",
    "}",
    "<!--",
    "-->",
    "\t",
    "\r",
    "[ ]",
    "# ",
    "\0",
    "\ud800",
  );
  fc.assert(
    fc.property(fc.array(piece, { maxLength: 40 }), (pieces) => {
      for (const line of problems(pieces.join(""))) expect(line).toMatch(/^todo\.md:\d+: [^\n]+$/);
    }),
    { numRuns: 2_000 },
  );
});
