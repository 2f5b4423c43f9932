/**
 * A YAML document as plain values that remember their lines. It evaluates the nodes itself instead of calling `toJS`, so that
 * duplicate keys, unknown tags, keys that are no text and aliases are judged in one walk: an anchor is evaluated once, and what
 * its aliases would expand to is counted (an alias bomb is refused before anything walks it).
 */
import { LineCounter, isAlias, isMap, isNode, isScalar, isSeq, parseDocument } from "yaml";
import type { Document, Node, Pair } from "yaml";
import type { Problem } from "./problem.ts";
import { oneLine, quote } from "../core/words.ts";

export interface YamlDocument {
  readonly value: unknown;
  readonly problems: readonly Problem[];
  /** The line of the key or item that `path` leads to, else of the last part of it that is there. */
  readonly lineOf: (path: readonly PropertyKey[]) => number;
}

/** A larger file is refused: a plan of 10,000 tasks with 1 KB of text each takes 11 MB. */
const maxCharacters = 16 * 1024 * 1024;
/** Values after every alias is followed: 10,000 tasks of 60 values take 600,000. */
const maxValues = 1_000_000;
/** Nobody nests a plan deeper; it keeps the walk off the end of the stack. */
const maxDepth = 64;

/** Reads one YAML document; never throws for what the text says: see `problems`. `value` counts only where there is none. */
export function yamlDocument(text: string, file: string): YamlDocument {
  const lines = new LineCounter();
  const failed = (line: number, why: string): YamlDocument => ({
    value: undefined,
    problems: [{ file, line, text: why }],
    lineOf: () => line,
  });
  const bare = text.startsWith("\ufeff") ? text.slice(1) : text;
  if (bare.length > maxCharacters) return failed(1, "over 16 MB of text, expected a smaller plan");
  const nul = bare.indexOf("\0");
  if (nul >= 0)
    return failed(bare.slice(0, nul).split("\n").length, "a NUL character, expected text");
  let document: Document.Parsed;
  try {
    document = parseDocument(bare, {
      lineCounter: lines,
      merge: true,
      uniqueKeys: false,
      prettyErrors: false,
    });
  } catch (error) {
    return failed(1, `not readable as YAML: ${reason(error)}`);
  }
  const problems = syntaxProblems(document, lines, file);
  if (problems.length > 0) return { value: undefined, problems, lineOf: () => 1 };
  return evaluate(document, lines, file);
}

function syntaxProblems(
  document: Document.Parsed,
  lines: LineCounter,
  file: string,
): readonly Problem[] {
  // A warning is a tag that nobody knows: its value would be taken as something else.
  return [...document.errors, ...document.warnings].map((error) => ({
    file,
    line: Math.max(1, lines.linePos(error.pos[0]).line),
    text: `not readable as YAML: ${error.code === "MULTIPLE_DOCS" ? "a second document" : reason(error)}`,
  }));
}

/** The parser's recursion ends at the stack's end; it says so as an error among others or throws it. */
function reason(error: unknown): string {
  const message = error instanceof Error ? error.message : String(error);
  return /call stack/i.test(message) ? "nested too deeply, expected a flat plan" : oneLine(message);
}

interface Evaluated {
  readonly value: unknown;
  readonly weight: number;
}

/** What stops the walk at once: it would be too large or too deep to go on. */
class TooMuch {
  readonly line: number;
  readonly text: string;
  constructor(line: number, text: string) {
    this.line = line;
    this.text = text;
  }
}

interface Walk {
  readonly anchors: Map<string, Evaluated>;
  /** The line of every key or index of a mapping or list. */
  readonly lines: WeakMap<object, Map<PropertyKey, number>>;
  readonly problem: (node: unknown, text: string) => void;
  readonly lineAt: (node: unknown) => number;
  /** Keys merged so far: `weight` is summed only where a list or mapping ends, too late to bound the time of merging. */
  merges: number;
}

function evaluate(document: Document.Parsed, lines: LineCounter, file: string): YamlDocument {
  const problems: Problem[] = [];
  const lineAt: Walk["lineAt"] = (node) =>
    Math.max(1, lines.linePos((isNode(node) ? node.range?.[0] : undefined) ?? 0).line);
  const walk: Walk = {
    anchors: new Map(),
    lines: new WeakMap(),
    lineAt,
    problem: (node, text) => problems.push({ file, line: lineAt(node), text }),
    merges: 0,
  };
  const first = lineAt(document.contents);
  let value: unknown;
  try {
    value = valueOf(document.contents, walk, 0).value;
  } catch (error) {
    if (!(error instanceof TooMuch)) throw error;
    problems.push({ file, line: error.line, text: error.text });
  }
  return { value, problems, lineOf: (path) => lineOf(value, path, walk, first) };
}

function lineOf(root: unknown, path: readonly PropertyKey[], walk: Walk, first: number): number {
  let line = first;
  let value = root;
  for (const key of path) {
    if (typeof value !== "object" || value === null) break;
    const here = walk.lines.get(value)?.get(key);
    if (here === undefined) break;
    line = here;
    value = Reflect.get(value, key);
  }
  return line;
}

function valueOf(node: unknown, walk: Walk, depth: number): Evaluated {
  if (isAlias(node)) return aliased(node, walk);
  if (depth > maxDepth) {
    throw new TooMuch(
      walk.lineAt(node),
      `nested deeper than ${maxDepth} levels, expected a flat plan`,
    );
  }
  const evaluated = isMap(node)
    ? mappingOf(node.items, walk, depth)
    : isSeq(node)
      ? listOf(node.items, walk, depth)
      : { value: isScalar(node) ? node.value : null, weight: 1 };
  if (evaluated.weight > maxValues) {
    throw new TooMuch(
      walk.lineAt(node),
      "over 1,000,000 values with its aliases, expected a smaller plan",
    );
  }
  const anchor = isMap(node) || isSeq(node) || isScalar(node) ? node.anchor : undefined;
  if (anchor !== undefined) walk.anchors.set(anchor, evaluated);
  return evaluated;
}

function aliased(node: Node & { readonly source: string }, walk: Walk): Evaluated {
  const known = walk.anchors.get(node.source);
  if (known !== undefined) return known;
  walk.problem(node, `alias ${quote(`*${node.source}`)}, expected its anchor before it`);
  return { value: null, weight: 1 };
}

function listOf(items: readonly unknown[], walk: Walk, depth: number): Evaluated {
  const value: unknown[] = [];
  const lines = new Map<PropertyKey, number>();
  let weight = 1;
  for (const [index, item] of items.entries()) {
    const evaluated = valueOf(item, walk, depth + 1);
    lines.set(index, walk.lineAt(item));
    value.push(evaluated.value);
    weight += evaluated.weight;
  }
  walk.lines.set(value, lines);
  return { value, weight };
}

function mappingOf(pairs: readonly Pair[], walk: Walk, depth: number): Evaluated {
  const value: Record<string, unknown> = {};
  const lines = new Map<PropertyKey, number>();
  const merges: Pair[] = [];
  let weight = 1;
  for (const pair of pairs) {
    if (isMergeKey(pair.key)) {
      merges.push(pair);
      continue;
    }
    const key = keyOf(pair.key, walk);
    const evaluated = valueOf(pair.value, walk, depth + 1);
    if (key === undefined) continue;
    const line = walk.lineAt(pair.key);
    const before = lines.get(key);
    if (before !== undefined) {
      walk.problem(pair.key, `key ${quote(key)} a second time, expected it once (line ${before})`);
      continue;
    }
    lines.set(key, line);
    define(value, key, evaluated.value);
    weight += evaluated.weight;
  }
  walk.lines.set(value, lines);
  for (const pair of merges) weight += merged(value, lines, pair, walk, depth);
  return { value, weight };
}

function isMergeKey(key: unknown): boolean {
  if (!isScalar(key)) return false;
  return typeof key.value === "symbol" || (key.value === "<<" && key.type === "PLAIN");
}

/** Copies what the merged mappings have and `target` has not; the first of several wins. Returns the weight it added. */
function merged(
  target: Record<string, unknown>,
  lines: Map<PropertyKey, number>,
  pair: Pair,
  walk: Walk,
  depth: number,
): number {
  const { value: source, weight } = valueOf(pair.value, walk, depth + 1);
  for (const each of Array.isArray(source) ? (source as unknown[]) : [source]) {
    if (typeof each !== "object" || each === null || Array.isArray(each)) {
      walk.problem(pair.key, 'merge key "<<", expected a mapping or a list of mappings');
      continue;
    }
    for (const [key, value] of Object.entries(each)) {
      if (++walk.merges > maxValues)
        throw new TooMuch(
          walk.lineAt(pair.key),
          "over 1,000,000 merged keys, expected a smaller plan",
        );
      if (Object.hasOwn(target, key)) continue;
      define(target, key, value);
      lines.set(key, walk.lines.get(each)?.get(key) ?? walk.lineAt(pair.key));
    }
  }
  return weight;
}

function keyOf(key: unknown, walk: Walk): string | undefined {
  if (isScalar(key) && key.anchor !== undefined) {
    walk.anchors.set(key.anchor, { value: key.value, weight: 1 });
  }
  const text = isAlias(key)
    ? walk.anchors.get(key.source)?.value
    : isScalar(key)
      ? key.value
      : undefined;
  if (typeof text === "string") return text;
  if (typeof text === "number" || typeof text === "boolean") return String(text);
  walk.problem(key, "a key that is not text, expected a word");
  return undefined;
}

/** Plain assignment would run the setter of `__proto__`. */
function define(target: Record<string, unknown>, key: string, value: unknown): void {
  Object.defineProperty(target, key, {
    value,
    writable: true,
    enumerable: true,
    configurable: true,
  });
}
