/** Scripts as files: what a failing run chose, cut down to what it takes, and what it once caught. */
import { readFileSync } from "node:fs";
import type { Script } from "./random.ts";

export interface Scripted {
  /** What did not hold. */
  readonly caught: string;
  /** A negative number -n stands for n quiet choices. */
  readonly choices: Script;
}

/** Reads a script from a file that `scriptText` has written, or a person. */
export function readScript(path: string): Scripted {
  const { caught, choices } = JSON.parse(readFileSync(path, "utf8")) as Scripted;
  return { caught, choices: mapValues(choices, unpack) };
}

export function scriptText(caught: string, script: Script): string {
  const lines = Object.entries(script)
    .toSorted(([a], [b]) => (a < b ? -1 : 1))
    .map(([name, values]) => `    ${JSON.stringify(name)}: [${pack(values).join(", ")}]`);
  return `{\n  "caught": ${JSON.stringify(caught)},\n  "choices": {\n${lines.join(",\n")}\n  }\n}\n`;
}

/** How many choices of a script are not the quiet one. */
export function choicesIn(script: Script): number {
  return Object.values(script)
    .flat()
    .filter((choice) => choice !== 0).length;
}

function mapValues(
  script: Script,
  change: (values: readonly number[]) => readonly number[],
): Script {
  return Object.fromEntries(Object.entries(script).map(([name, values]) => [name, change(values)]));
}

function pack(values: readonly number[]): readonly number[] {
  const packed: number[] = [];
  let quiet = 0;
  for (const value of values) {
    if (value === 0) quiet++;
    else {
      packed.push(...(quiet === 1 ? [0] : quiet > 1 ? [-quiet] : []), value);
      quiet = 0;
    }
  }
  return packed;
}

function unpack(values: readonly number[]): readonly number[] {
  return values.flatMap((value) => (value < 0 ? Array<number>(-value).fill(0) : [value]));
}
