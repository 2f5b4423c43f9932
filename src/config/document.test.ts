import * as fc from "fast-check";
import { describe, expect, test } from "vitest";
import { Fault } from "../core/fault.ts";
import { parseProjectConfig } from "./project.ts";
import { parseUserConfig } from "./user.ts";

function message(parse: () => unknown): string {
  try {
    parse();
  } catch (error) {
    if (error instanceof Fault && error.code === "bad_config") return error.message;
    throw error;
  }
  return "no fault";
}

describe("text that is no configuration is refused at its line", () => {
  test.each([
    [
      "a duplicate key",
      "ssh: true\nssh: false\n",
      /^c.yaml:2: not readable as YAML: Map keys must be unique$/,
    ],
    [
      "a tag that nobody knows",
      "claude: !x /a\n",
      /^c.yaml:1: not readable as YAML: Unresolved tag/,
    ],
    ["two documents", "ssh: true\n---\nssh: true\n", /^c.yaml:2: not readable/],
    ["tabs", "limits:\n\tusd: 1\n", /^c.yaml:2: not readable as YAML: Tabs/],
    ["a list", "- a\n", /^c.yaml:1: the file is a list, expected keys and values$/],
    ["a text", "hello\n", /^c.yaml:1: the file is "hello", expected keys and values$/],
    ["an alias without anchor", "env: *x\n", /^c.yaml:1: not readable as YAML: Unresolved alias/],
    ["a value that contains itself", "env: &a [*a]\n", /^c.yaml:1: /],
    [
      "an alias bomb",
      `a: &a [x]\n${"bcdefgh"
        .split("")
        .map((c, i) => `${c}: &${c} [${Array(9).fill(`*${"abcdefg"[i]}`).join(", ")}]`)
        .join("\n")}`,
      /Excessive alias count/,
    ],
    ["a hundred thousand levels", "[".repeat(60_000), /^c.yaml:1: not readable as YAML/],
    ["too much text", "#".repeat(70_000), /^c.yaml:1: over 64 KB/],
    [
      "a prototype",
      "__proto__: {ssh: true}\n",
      /^c.yaml:1: unknown key "__proto__", expected one of/,
    ],
    [
      "a key of every object",
      "constructor: 1\n",
      /^c.yaml:1: unknown key "constructor", expected one of/,
    ],
    [
      "a hostile key",
      '"a\\n\\e[2J": 1\n',
      /^c.yaml:1: unknown key "a\\u000a\\u001b\[2J", expected/,
    ],
  ])("%s", (_, text, expected) => {
    expect(message(() => parseUserConfig(text, "c.yaml"))).toMatch(expected);
  });

  test("the first problem by line is said, with the others and a command to paste", () => {
    const text = "ssh: maybe\nlimit: {}\nauth: keys\n";
    expect(() => parseUserConfig(text, "c.yaml")).toThrow(
      expect.objectContaining({
        message: 'c.yaml:1: "ssh" is "maybe", expected true or false',
        more: [expect.stringMatching(/^c.yaml:2: /), expect.stringMatching(/^c.yaml:3: /)],
        remedy: "To see every key and where its value comes from, run muster config explain",
      }),
    );
  });
});

test("an empty text, comments and a byte order mark are the defaults", () => {
  for (const text of ["", "# nothing\n", "\ufeff", "---\n"]) {
    expect(parseUserConfig(text, "c.yaml")).toMatchObject({ auth: "auto", places: {} });
    expect(parseProjectConfig(text, "m.yaml")).toMatchObject({ gate: null, places: {} });
  }
});

test("every wrong value is told in our words", () => {
  const leaf = fc.oneof(
    fc.constant(null),
    fc.integer(),
    fc.boolean(),
    fc.double(),
    fc.constantFrom("", "x", "none", "../x", "\n"),
  );
  const value = fc.oneof(
    leaf,
    fc.array(leaf, { maxLength: 3 }),
    fc.dictionary(fc.constantFrom("usd", "turns", "ask", "deny", "A"), leaf, { maxKeys: 3 }),
  );
  const keys = [
    "setup",
    "copy",
    "gate",
    "target",
    "limits",
    "permissions",
    "ports",
    "env",
    "hooks",
    "follow",
    "auth",
    "claude",
    "ceiling",
    "notify",
    "ssh",
  ];
  fc.assert(
    fc.property(fc.dictionary(fc.constantFrom(...keys), value, { maxKeys: 3 }), (raw) => {
      for (const parse of [parseUserConfig, parseProjectConfig]) {
        const text = message(() => parse(JSON.stringify(raw), "c"));
        expect(text).toMatch(/^(?:no fault|c:1: [^\n]+)$/);
        expect(text).not.toMatch(/Invalid|Too (?:small|big)|Unrecognized|undefined/);
      }
    }),
    { numRuns: 2_000 },
  );
});

test("no text makes a reader throw anything but a bad_config fault of one line", () => {
  const piece = fc.constantFrom(
    "env",
    "gate",
    "limits",
    ": ",
    "- ",
    "\n",
    "  ",
    "&a ",
    "*a",
    "[",
    "]",
    "{",
    "}",
    "1",
    "none",
    "!x ",
    "? ",
    "\t",
    "\0",
    "\ud800",
  );
  fc.assert(
    fc.property(fc.array(piece, { maxLength: 30 }), (pieces) => {
      for (const parse of [parseUserConfig, parseProjectConfig]) {
        expect(message(() => parse(pieces.join(""), "c.yaml"))).toMatch(
          /^(?:no fault|c\.yaml:\d+: [^\n]+)$/,
        );
      }
    }),
    { numRuns: 1_000 },
  );
});
