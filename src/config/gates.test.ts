import * as fc from "fast-check";
import { describe, expect, test } from "vitest";
import { proposeGate } from "./gates.ts";

const propose = (files: Readonly<Record<string, string>>) => proposeGate((path) => files[path]);
const script = (command: unknown, more: object = {}): string =>
  JSON.stringify({ scripts: { test: command }, ...more });

describe("package.json", () => {
  test.each([
    [{}, "npm test"],
    [{ "package-lock.json": "" }, "npm test"],
    [{ "pnpm-lock.yaml": "" }, "pnpm test"],
    [{ "yarn.lock": "" }, "yarn test"],
    [{ "bun.lock": "" }, "bun run test"],
    [{ "bun.lockb": "" }, "bun run test"],
  ])("with %j runs %s", (lock, command) => {
    expect(propose({ "package.json": script("vitest"), ...lock })).toEqual({
      gate: [command],
      reason: 'package.json has a "test" script',
    });
  });

  test("names its package manager where no lockfile does", () => {
    expect(
      propose({ "package.json": script("x", { packageManager: "pnpm@9.0.0" }) })?.gate,
    ).toEqual(["pnpm test"]);
    expect(propose({ "package.json": script("x", { packageManager: "rm -rf /" }) })?.gate).toEqual([
      "npm test",
    ]);
  });

  test("without a real test script proposes nothing, and the next file is asked", () => {
    const placeholder = 'echo "Error: no test specified" && exit 1';
    for (const text of [
      script(placeholder),
      script(" "),
      script(5),
      "{}",
      "[]",
      "null",
      "not json",
      '{"scripts": null}',
    ]) {
      expect(propose({ "package.json": text }), text).toBeNull();
      expect(propose({ "package.json": text, "go.mod": "module x" })?.gate, text).toEqual([
        "go test ./...",
      ]);
    }
  });
});

describe("Makefile", () => {
  test.each([
    "test:\n\tgo test\n",
    "all: x\ntest : build\n",
    "lint test: x\n",
    "test::\n",
    ".PHONY: test\r\ntest:\r\n\tx\r\n",
  ])("%j has a test target", (text) => {
    expect(propose({ Makefile: text })).toEqual({
      gate: ["make test"],
      reason: 'Makefile has a "test" target',
    });
  });

  test.each([
    ".PHONY: test\n",
    "test := x\n",
    "test ::= x\n",
    "\ttest: x\n",
    "# test: x\n",
    "tests: x\n",
    "all: test\n",
  ])("%j has none", (text) => {
    expect(propose({ Makefile: text })).toBeNull();
  });
});

describe("Python, Rust and Go", () => {
  test.each([
    [
      { "pyproject.toml": "[tool.pytest.ini_options]\n" },
      "python3 -m pytest",
      "pyproject.toml names pytest",
    ],
    [
      { "pyproject.toml": 'dev = ["pytest>=8"]\n', "uv.lock": "" },
      "uv run pytest",
      "pyproject.toml names pytest",
    ],
    [
      { "pyproject.toml": "pytest = '*'\n", "poetry.lock": "" },
      "poetry run pytest",
      "pyproject.toml names pytest",
    ],
    [{ "pytest.ini": "" }, "python3 -m pytest", "there is a pytest.ini"],
    [{ "Cargo.toml": "" }, "cargo test", "there is a Cargo.toml"],
    [{ "go.mod": "" }, "go test ./...", "there is a go.mod"],
  ])("%j", (files, command, reason) => {
    expect(propose(files as Record<string, string>)).toEqual({ gate: [command], reason });
  });

  test("pytest in a comment is no pytest", () => {
    expect(propose({ "pyproject.toml": "# pytest later\n" })).toBeNull();
  });
});

test("whatever the files say, only known commands are proposed", () => {
  const known =
    /^(?:npm test|pnpm test|yarn test|bun run test|make test|(?:uv run |poetry run |python3 -m )pytest|cargo test|go test \.\/\.\.\.)$/;
  const names = ["package.json", "Makefile", "pyproject.toml", "Cargo.toml", "go.mod", "yarn.lock"];
  fc.assert(
    fc.property(
      fc.dictionary(
        fc.constantFrom(...names),
        fc.oneof(
          fc.string(),
          fc.json(),
          fc.string().map((text) => script(text)),
        ),
      ),
      (files) => {
        for (const command of propose(files)?.gate ?? []) expect(command).toMatch(known);
      },
    ),
  );
});
