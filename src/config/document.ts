/** Reads a small YAML file by a schema: every error at its line, every value with the place it was said at. */
import { LineCounter, isAlias, isMap, isNode, isScalar, isSeq, parseDocument } from "yaml";
import type { Document } from "yaml";
import type { z } from "zod";
import { Fault } from "../core/fault.ts";
import type { Place } from "../core/plan.ts";
import { oneLine, quote, suggest } from "../core/words.ts";

export interface ConfigDocument<T> {
  readonly value: T;
  /** Where each key was said, by its dotted path. */
  readonly places: Readonly<Record<string, Place>>;
}

export interface Format<T> {
  readonly schema: z.ZodType<T>;
  /** The keys that may stand in a mapping, by its dotted path; the file's own under "". */
  readonly keysAt: ReadonlyMap<string, readonly string[]>;
  /** What to say of a key that is refused for a reason, by its dotted path. */
  readonly refused?: ReadonlyMap<string, string>;
}

/** Nobody writes more by hand; the parser's work on hostile text grows with its square. */
const maxCharacters = 64 * 1024;
const maxAliases = 100;

/**
 * The values of `text`; an empty document counts as no keys. Throws Fault `bad_config` with the first problem as
 * `file:line: what was found, what was expected`, and how many more there are.
 */
export function parseConfig<T>(text: string, file: string, format: Format<T>): ConfigDocument<T> {
  if (text.length > maxCharacters) {
    throw configFault(file, [{ line: 1, text: "over 64 KB of text, expected a small file" }]);
  }
  const lines = new LineCounter();
  const document = parsed(text, file, lines);
  const lineOf = (path: readonly PropertyKey[]): number => lineAt(document, path, lines);
  const value = plainValue(document, file);
  const result = format.schema.safeParse(value ?? {}, { reportInput: false });
  if (result.success) return { value: result.data, places: placesOf(value, file, lineOf) };
  const problems = result.error.issues.flatMap((issue) =>
    issueProblems(issue, value, format, lineOf),
  );
  throw configFault(
    file,
    problems.toSorted((a, b) => a.line - b.line),
  );
}

interface Problem {
  readonly line: number;
  readonly text: string;
}

function configFault(file: string, problems: readonly Problem[]): Fault {
  const lines = problems.map(({ line, text }) => `${oneLine(file)}:${line}: ${text}`);
  const [first = oneLine(file), ...more] = lines;
  return new Fault("bad_config", first, {
    remedy: "To see every key and where its value comes from, run muster config explain",
    more,
  });
}

function parsed(text: string, file: string, lines: LineCounter): Document.Parsed {
  let document: Document.Parsed;
  try {
    document = parseDocument(text.replace(/^\ufeff/, ""), {
      lineCounter: lines,
      prettyErrors: false,
      logLevel: "error",
    });
  } catch (error) {
    throw configFault(file, [{ line: 1, text: unreadable(error) }]);
  }
  const [first, ...others] = [...document.errors, ...document.warnings].map((error) => ({
    line: Math.max(1, lines.linePos(error.pos[0]).line),
    text: unreadable(error),
  }));
  if (first !== undefined) throw configFault(file, [first, ...others]);
  return document;
}

function unreadable(error: unknown): string {
  const message = error instanceof Error ? error.message : String(error);
  return `not readable as YAML: ${/call stack/i.test(message) ? "nested too deeply" : oneLine(message)}`;
}

function plainValue(document: Document.Parsed, file: string): unknown {
  try {
    const value: unknown = document.toJS({ maxAliasCount: maxAliases });
    JSON.stringify(value); // Throws for what contains itself.
    return value;
  } catch (error) {
    throw configFault(file, [{ line: 1, text: unreadable(error) }]);
  }
}

/** The line of the key or item that `path` leads to, else of the last part of it that is there. */
function lineAt(
  document: Document.Parsed,
  path: readonly PropertyKey[],
  lines: LineCounter,
): number {
  let node: unknown = document.contents;
  let last: unknown = node;
  for (const key of path) {
    if (isAlias(node)) node = node.resolve(document);
    if (isMap(node)) {
      const pair = node.items.find((each) => isScalar(each.key) && String(each.key.value) === key);
      if (pair === undefined) break;
      [last, node] = [pair.key, pair.value];
    } else if (isSeq(node) && typeof key === "number") {
      node = node.items[key];
      last = node;
    } else break;
  }
  const offset = isNode(last) ? last.range?.[0] : undefined;
  return Math.max(1, lines.linePos(offset ?? 0).line);
}

function placesOf(
  value: unknown,
  file: string,
  lineOf: (path: readonly PropertyKey[]) => number,
): Readonly<Record<string, Place>> {
  const places: Record<string, Place> = {};
  const walk = (at: unknown, path: readonly string[]): void => {
    if (path.length > 0) places[path.join(".")] = { file, line: lineOf(path) };
    if (typeof at !== "object" || at === null || Array.isArray(at)) return;
    for (const [key, inner] of Object.entries(at)) walk(inner, [...path, key]);
  };
  walk(value, []);
  return places;
}

function issueProblems<T>(
  issue: z.core.$ZodIssue,
  root: unknown,
  format: Format<T>,
  lineOf: (path: readonly PropertyKey[]) => number,
): readonly Problem[] {
  if (issue.code === "unrecognized_keys") {
    return issue.keys.map((key) => {
      const path = [...issue.path, key];
      return { line: lineOf(path), text: unknownKey(path, format) };
    });
  }
  const value = valueAt(root, issue.path);
  const meant =
    issue.code === "invalid_value" && typeof value === "string"
      ? suggest(
          value,
          issue.values.filter((each) => typeof each === "string"),
        )
      : undefined;
  const hint = meant === undefined ? "" : `, did you mean ${quote(meant)}`;
  const what = issue.path.length === 0 ? "the file" : quote(dotted(issue.path));
  return [
    {
      line: lineOf(issue.path),
      text: `${what} is ${found(value)}, expected ${issue.message}${hint}`,
    },
  ];
}

function unknownKey<T>(path: readonly PropertyKey[], format: Format<T>): string {
  const key = String(path.at(-1));
  const reason = format.refused?.get(dotted(path));
  const where = path.length > 1 ? ` in ${quote(dotted(path.slice(0, -1)))}` : "";
  if (reason !== undefined) return `key ${quote(key)}${where}, ${reason}`;
  const known = format.keysAt.get(dotted(path.slice(0, -1))) ?? [];
  const meant = suggest(key, known);
  const expected =
    meant === undefined ? `expected one of ${known.join(", ")}` : `did you mean ${quote(meant)}`;
  return `unknown key ${quote(key)}${where}, ${expected}`;
}

function found(value: unknown): string {
  if (value === null || value === undefined) return "empty";
  if (typeof value === "string") return value === "" ? "empty text" : quote(value);
  if (typeof value === "object") return Array.isArray(value) ? "a list" : "keys and values";
  return typeof value === "number" ? `the number ${value}` : String(value === true);
}

function dotted(path: readonly PropertyKey[]): string {
  return path.map(String).join(".");
}

function valueAt(root: unknown, path: readonly PropertyKey[]): unknown {
  let value = root;
  for (const key of path) {
    if (typeof value !== "object" || value === null || !Object.hasOwn(value, key)) return undefined;
    value = Reflect.get(value, key);
  }
  return value;
}
