/** Tests that prove a fault, found in the sources by the ids at the end of their names. */
import { globSync, readFileSync } from "node:fs";
import { join } from "node:path";

/** One test as its source has it: the name may hold places such as `%s` or `$where`. */
export interface Proof {
  readonly ids: readonly string[];
  /** Without the ids. */
  readonly name: string;
  /** Relative to the root of the repository. */
  readonly file: string;
}

export const root = join(import.meta.dirname, "../..");

/** A name as the first thing in a call, with ids in parentheses at its end. */
const namePattern = /\(\s*(["'`])((?:\\.|(?!\1)[^\\\n])+?) \((F\d+(?:, F\d+)*)\)\1/g;

/** Every proof in the tests and suites, by file. */
export function readProofs(): readonly Proof[] {
  const files = globSync(["src/**/*.{test,suite}.ts", "test/**/*.{test,suite,chaos}.ts"], {
    cwd: root,
    exclude: ["test/evidence/**"], // Its examples are none.
  });
  return files.toSorted().flatMap((file) => proofsIn(file, readFileSync(join(root, file), "utf8")));
}

export function proofsIn(file: string, text: string): readonly Proof[] {
  return [...text.matchAll(namePattern)].map(([, , name = "", ids = ""]) => ({
    ids: ids.split(", "),
    name: name.replaceAll(/\\(.)/g, "$1"),
    file,
  }));
}

/** True where a test that ran is this proof: its name is the proof's with something in its places, and its file runs the proof. */
export function isRunOf({ ids, name, file }: Proof, ran: Ran): boolean {
  if (!file.endsWith(".suite.ts") && file !== ran.file) return false;
  const literal = `${name} (${ids.join(", ")})`.split(/%[a-z]|\$\{[^}]*\}|\$[a-z.]+/i);
  const pattern = literal.map((part) => part.replace(/[.*+?^${}()|[\]\\]/g, "\\$&")).join(".*");
  return new RegExp(`^${pattern}$`, "s").test(ran.name);
}

export type Result = "passed" | "failed" | "skipped";

export interface Ran {
  readonly name: string;
  /** The file that vitest loaded: for a test of a suite, the one that calls it. */
  readonly file: string;
  readonly result: Result;
}

/** The worst of what a proof came to; a skip says nothing beside a result. Undefined where it did not run. */
export function resultOf(proof: Proof, all: readonly Ran[]): Result | undefined {
  const results = new Set(all.filter((ran) => isRunOf(proof, ran)).map(({ result }) => result));
  return (["failed", "passed", "skipped"] as const).find((result) => results.has(result));
}
