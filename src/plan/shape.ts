/** What zod found wrong with a read document, in words and with lines. */
import type { z } from "zod";
import type { YamlDocument } from "./document.ts";
import type { Problem } from "./problem.ts";
import { quote, suggest } from "../core/words.ts";

type Issue = z.core.$ZodIssue;

/** Words of other tools, and the key that means the same here. */
const otherWords: Readonly<Record<string, string>> = {
  after: "needs",
  branch: "target",
  budget: "usd",
  command: "gate",
  depends_on: "needs",
  dependsOn: "needs",
  description: "prompt",
  directory: "cwd",
  steps: "tasks",
  test: "gate",
  timeout: "minutes",
};

/** Every problem of `issues`, in the order of their lines; `keysAt` names the keys that may stand at a path. */
export function shapeProblems(
  document: YamlDocument,
  file: string,
  issues: readonly Issue[],
  keysAt: (path: readonly PropertyKey[]) => readonly string[],
): readonly Problem[] {
  const problems: Problem[] = [];
  const seen = new Set<string>();
  const add = (path: readonly PropertyKey[], text: string): void => {
    const key = path.join("\0");
    if (seen.has(key)) return;
    seen.add(key);
    problems.push({ file, line: document.lineOf(path), text });
  };
  for (const issue of issues.flatMap((each) => unwrapped(each, []))) {
    if (issue.code === "unrecognized_keys") {
      for (const key of issue.keys) {
        add([...issue.path, key], unknownKey(document.value, issue.path, key, keysAt(issue.path)));
      }
    } else add(issue.path, wrongValue(document.value, issue));
  }
  return problems.toSorted((a, b) => a.line - b.line);
}

/** An issue of a union as the issues of the one alternative whose kind of value was given, if there is one. */
function unwrapped(issue: Issue, before: readonly PropertyKey[]): Issue[] {
  const path = [...before, ...issue.path];
  if (issue.code === "invalid_union") {
    const meant = issue.errors.find((errors) =>
      errors.every(
        (error) => error.path.length > 0 || error.code === "unrecognized_keys" || isLeafRule(error),
      ),
    );
    if (meant !== undefined) return meant.flatMap((error) => unwrapped(error, path));
  }
  return [{ ...issue, path }];
}

/** A rule that a value of the right kind broke: its message is more to the point than the union's. */
function isLeafRule(error: Issue): boolean {
  return error.code === "too_big" || error.code === "too_small" || error.code === "custom";
}

function unknownKey(
  root: unknown,
  path: readonly PropertyKey[],
  key: string,
  known: readonly string[],
): string {
  const other = Object.hasOwn(otherWords, key) ? otherWords[key] : undefined;
  const meant =
    suggest(key, known) ?? (other !== undefined && known.includes(other) ? other : undefined);
  const expected =
    meant === undefined
      ? `, expected one of ${known.join(", ")}`
      : `, did you mean ${quote(meant)}`;
  return `unknown key ${quote(key)}${inside(root, path)}${expected}`;
}

function wrongValue(root: unknown, issue: Issue): string {
  const value = valueAt(root, issue.path);
  const last = issue.path.at(-1);
  const expected = `expected ${issue.message}`;
  if (value === undefined && typeof last === "string") {
    const of =
      issue.path.length === 1
        ? "the plan"
        : inside(root, issue.path.slice(0, -1)).slice(" in ".length);
    return `${of} has no ${quote(last)}, ${expected}`;
  }
  const meant =
    issue.code === "invalid_value" && typeof value === "string"
      ? suggest(
          value,
          issue.values.filter((each) => typeof each === "string"),
        )
      : undefined;
  const hint = meant === undefined ? "" : `, did you mean ${quote(meant)}`;
  return `${named(root, issue.path)} is ${found(value)}, ${expected}${hint}`;
}

/** A value as an error shows it. */
function found(value: unknown): string {
  if (value === null || value === undefined) return "empty";
  if (typeof value === "string") return value === "" ? "empty text" : quote(value);
  if (typeof value === "number" || typeof value === "bigint") return `the number ${value}`;
  if (typeof value === "boolean") return String(value);
  if (Array.isArray(value)) return value.length === 0 ? "an empty list" : "a list";
  return "keys and values";
}

/** `the plan`, `"limits.usd"`, `task "docs"`, `"needs[1]" of task "docs"`. */
function named(root: unknown, path: readonly PropertyKey[]): string {
  if (path.length === 0) return "the plan";
  const [head, index, ...rest] = path;
  if (head !== "tasks" || typeof index !== "number") return quote(dotted(path));
  const task = taskName(root, index);
  return rest.length === 0 ? task : `${quote(dotted(rest))} of ${task}`;
}

function inside(root: unknown, path: readonly PropertyKey[]): string {
  return path.length === 0 ? "" : ` in ${named(root, path)}`;
}

function taskName(root: unknown, index: number): string {
  const id = valueAt(root, ["tasks", index, "id"]);
  return typeof id === "string" && id !== "" ? `task ${quote(id)}` : `task number ${index + 1}`;
}

function dotted(path: readonly PropertyKey[]): string {
  return path.reduce<string>((text, part) => {
    if (typeof part === "number") return `${text}[${part}]`;
    return text === "" ? String(part) : `${text}.${String(part)}`;
  }, "");
}

function valueAt(root: unknown, path: readonly PropertyKey[]): unknown {
  let value = root;
  for (const key of path) {
    if (typeof value !== "object" || value === null || !Object.hasOwn(value, key)) return undefined;
    value = Reflect.get(value, key);
  }
  return value;
}
