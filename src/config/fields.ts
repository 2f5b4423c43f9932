/** The leaves of configuration files. Each message says what is expected. */
import { z } from "zod";
import { type Limits, limitNames, type Permissions } from "../core/plan.ts";

const unseen = /[\p{Cc}\p{Zl}\p{Zp}\u202a-\u202e\u2066-\u2069]/u;
export const mapping = "keys and values";

export function line(expected: string, max = 1_000) {
  return z
    .string(expected)
    .min(1, expected)
    .max(max, `${expected} of at most ${max} characters`)
    .refine(
      (text) => text.isWellFormed() && !unseen.test(text),
      `${expected} without control characters`,
    );
}

const sizeUnits = { KB: 1024, MB: 1024 ** 2, GB: 1024 ** 3, TB: 1024 ** 4 } as const;

/** Bytes of `500MB` or `1.5 GB`, in units of 1024 as sizes are shown; undefined where it is no size. */
export function parseSize(said: string): number | undefined {
  const [, number = "", unit] = /^(\d{1,6}(?:\.\d{1,3})?) ?([KMGT]B)$/.exec(said) ?? [];
  if (unit === undefined) return undefined;
  return Math.round(Number(number) * sizeUnits[unit as keyof typeof sizeUnits]);
}

const commandWords = "a shell command";
const command = z
  .string(commandWords)
  .max(10_000, `${commandWords} of at most 10,000 characters`)
  .refine(
    (text) => text.trim() !== "" && text.isWellFormed() && !text.includes("\0"),
    commandWords,
  );

const commandsWords = "a shell command or a list of them";

/** One command or a list of them; always a list when read. */
export const commands = z
  .union([command, z.array(command, commandsWords).max(50, "at most 50 commands")], commandsWords)
  .transform((value) => (typeof value === "string" ? [value] : value));

const gateWords = "a shell command, a list of them, or none";
const gateCommand = command.refine((text) => text !== "none", gateWords);

/** As in a plan: `none` is the empty list. */
export const gate = z
  .union(
    [
      z.literal("none"),
      gateCommand,
      z.array(gateCommand, gateWords).min(1, gateWords).max(50, "at most 50 commands"),
    ],
    gateWords,
  )
  .transform((value) => (value === "none" ? [] : typeof value === "string" ? [value] : value));

const branchWords = "a branch name such as main";
export const branch = line(branchWords, 200).refine(
  (name) =>
    !/[\s~^:?*[\\]|\.\.|@\{|\/\/|^[-/]|[/.]$|^refs\//.test(name) &&
    name !== "HEAD" &&
    name !== "@" &&
    name.split("/").every((part) => !part.startsWith(".") && !part.endsWith(".lock")),
  branchWords,
);

const insideWords = "a path inside the project, relative, without .. and .git";
export const inside = line(insideWords, 4096).refine(
  (path) =>
    !/^[-/~]|^[a-z]:|\\/i.test(path) &&
    path.split("/").every((part) => part !== ".." && part.toLowerCase() !== ".git"),
  insideWords,
);

const nameWords = "the name of an environment variable";
export const variable = z.string(nameWords).regex(/^[A-Za-z_][A-Za-z0-9_]{0,127}$/, nameWords);

export const turns = z
  .int("a whole number over 0")
  .min(1, "a whole number over 0")
  .max(100_000, "at most 100000");
export const minutes = z
  .number("a number over 0")
  .positive("a number over 0")
  .max(7 * 24 * 60, "at most a week of minutes");
export const usd = z
  .number("a number over 0")
  .positive("a number over 0")
  .max(1_000_000, "at most 1000000");
export const fixes = z
  .int("a whole number from 0")
  .min(0, "a whole number from 0")
  .max(100, "at most 100");
/** Claude Code compacts no earlier (claude-code.md §9). */
const leastContext = 100_000;
export const context = z
  .int("a whole number of tokens")
  .min(leastContext, `at least ${leastContext}`)
  .max(1_000_000, "at most 1000000");
export const parallel = z
  .int("a whole number over 0")
  .min(1, "a whole number over 0")
  .max(1_000, "at most 1000");

export const rules = z
  .array(line("a rule such as Bash(make *)"), "a list of rules")
  .max(500, "at most 500 rules");

/** The limits that were said: without the keys whose value is undefined. */
export function saidLimits(value: {
  readonly [K in keyof Limits]?: number | undefined;
}): Partial<Limits> {
  const limits: { -readonly [K in keyof Limits]?: number } = {};
  for (const key of limitNames) {
    if (value[key] !== undefined) limits[key] = value[key];
  }
  return limits;
}

type Rules = Pick<Permissions, "allow" | "ask" | "deny">;

/** The rules that were said: without the keys whose value is undefined. */
export function saidRules(value: {
  readonly [K in keyof Rules]?: Rules[K] | undefined;
}): Partial<Rules> {
  const kept: { -readonly [K in keyof Rules]?: Rules[K] } = {};
  for (const key of ["allow", "ask", "deny"] as const) {
    if (value[key] !== undefined) kept[key] = value[key];
  }
  return kept;
}
