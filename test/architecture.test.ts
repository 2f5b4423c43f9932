/** The house as it is drawn in docs/architecture.md: arrows go down, one door per effect, small rooms. */
import { globSync, readFileSync } from "node:fs";
import { join, normalize } from "node:path";
import { describe, expect, it } from "vitest";

const root = join(import.meta.dirname, "..");
const files = globSync("src/**/*.ts", { cwd: root }).filter(
  (path) => !path.endsWith(".test.ts") && !path.endsWith(".suite.ts"),
);
const texts = new Map(files.map((path) => [path, readFileSync(join(root, path), "utf8")]));

/** What each room may import besides itself. */
const below: Readonly<Record<string, readonly string[]>> = {
  core: [],
  plan: ["core"],
  ledger: ["core"],
  process: ["core"],
  git: ["core", "process"],
  config: ["core", "process"],
  runner: ["core", "process"],
  gate: ["core", "process"],
  host: ["core", "process", "git", "runner", "gate", "config"],
  api: ["core"],
  daemon: ["core", "plan", "ledger", "host", "git", "runner", "config", "process", "api"],
  cli: ["core", "api", "plan", "process", "config"],
  testing: ["core", "plan", "ledger", "process", "git", "runner", "gate", "config", "host"],
};

/** Single files that may look further, each for its reason. */
const exceptions: Readonly<Record<string, readonly string[]>> = {
  "src/cli/demo/demo.ts": ["testing", "runner"], // The demo brings its own model and asks whether the SDK is there.
  "src/cli/demo/script.ts": ["testing"],
};

interface Import {
  readonly from: string;
  readonly to: string;
}

const imports: readonly Import[] = [...texts].flatMap(([from, text]) =>
  [
    ...text.matchAll(/(?:^|\n)\s*(?:import|export)\b[^;]*?from\s+"([^"]+)"|import\("([^"]+)"\)/g),
  ].map((match) => ({
    from,
    to: match[1] ?? match[2] ?? "",
  })),
);

function roomOf(path: string): string {
  return path.split("/")[1] ?? "";
}

function violations(all: readonly Import[]): string[] {
  return all.flatMap(({ from, to }) => {
    if (!to.startsWith(".")) return [];
    const target = roomOf(normalize(join(from, "..", to)));
    const own = roomOf(from);
    const allowed = [own, ...(below[own] ?? []), ...(exceptions[from] ?? [])];
    return allowed.includes(target) ? [] : [`${from} imports ${to}`];
  });
}

const only = (specifier: RegExp, rooms: readonly string[]): string[] =>
  imports
    .filter(
      ({ from, to }) => specifier.test(to) && !rooms.some((room) => from.startsWith(`src/${room}`)),
    )
    .map(({ from, to }) => `${from} imports ${to}`);

describe("the house", () => {
  it("has no arrow that goes up", () => {
    console.log(`${imports.length} imports in ${files.length} files looked at`);
    expect(imports.length).toBeGreaterThan(500);
    expect(Object.keys(below).toSorted()).toEqual([...new Set(files.map(roomOf))].toSorted());
    expect(violations(imports)).toEqual([]);
  });

  it("would see an arrow that goes up", () => {
    expect(violations([{ from: "src/core/due.ts", to: "../git/git.ts" }])).toHaveLength(1);
    expect(violations([{ from: "src/git/git.ts", to: "../runner/fold.ts" }])).toHaveLength(1);
  });

  it("has one door each for processes, the database, HTTP and Claude Code (F17)", () => {
    expect(only(/^node:child_process$/, ["process/"])).toEqual([]);
    expect(only(/^node:sqlite$/, ["ledger/"])).toEqual([]);
    expect(only(/^@anthropic-ai\//, ["runner/"])).toEqual([]);
    expect(only(/^(?:hono|@hono\/)/, ["api/"])).toEqual([]);
    expect(only(/^commander$/, ["cli/"])).toEqual([]);
  });

  it("reads no clock and no chance in the pure rooms", () => {
    const pure = [...texts].filter(([path]) => /^src\/(?:core|plan)\//.test(path));
    expect(pure.length).toBeGreaterThan(20);
    const impure = pure.filter(([, text]) =>
      /\bDate\.now\b|\bMath\.random\b|new Date\(\)|["']node:/.test(text),
    );
    expect(impure.map(([path]) => path)).toEqual([]);
  });

  it("keeps every file within 300 lines", () => {
    const long = [...texts]
      .map(([path, text]) => [path, text.split("\n").length - 1] as const)
      .filter(([, lines]) => lines > 300);
    expect(long).toEqual([]);
  });

  it("names no machine and no registry", () => {
    const found = [...texts].filter(([, text]) =>
      /registry\.npmjs|\/home\/[a-z]+\/|\/root\//.test(text),
    );
    expect(found.map(([path]) => path)).toEqual([]);
  });
});
