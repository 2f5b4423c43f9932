/**
 * Reads a Markdown file as a plan (design §8): every unchecked `- [ ]` item is a task, in order, nested ones too; its indented
 * text, without the checkbox items in it, is the rest of its prompt. `(needs: a, b)` and `{#id}` end the item's first line.
 * Nothing else orders the tasks. A file without a checkbox is one prompt. What is an item is the Markdown parser's word, so
 * checkboxes in code and comments are none.
 */
import MarkdownIt from "markdown-it";
import type { Token } from "markdown-it";
import { assert } from "../core/fault.ts";
import { taskIdPattern, unique } from "../core/ids.ts";
import type { Need, Plan, PlannedTask } from "../core/plan.ts";
import { promptProblem } from "./fields.ts";
import { fileStem } from "./fold.ts";
import { maxTasks, needProblems } from "./graph.ts";
import type { CheckedPlan } from "./plan-yaml.ts";
import { refuse } from "./problem.ts";
import type { Problem } from "./problem.ts";
import { promptId, simplePlan, simpleTask } from "./prompts.ts";
import { count, quote } from "../core/words.ts";

const maxCharacters = 16 * 1024 * 1024;
const maxProblems = 100;
/** Lists in lists: each level is two of the parser's, which silently leaves out what is deeper. */
const maxNesting = 200;

/** A list item with a checkbox; lines count from 0, `end` is the first line after it. */
interface Item {
  readonly start: number;
  /** The line of the checkbox: an item may begin with an empty line. */
  readonly first: number;
  readonly end: number;
  /** Block quotes around it. */
  readonly quotes: number;
  readonly checked: boolean;
}

interface Head {
  readonly text: string;
  readonly id: string | null;
  readonly needs: readonly string[];
}

/** The plan of a Markdown file. Throws Fault `bad_plan` with the first problem's line and the number of the others. */
export function parseMarkdown(
  text: string,
  file: string,
  takenPlanIds: ReadonlySet<string> = new Set(),
): Plan {
  const result = checkMarkdown(text, file, takenPlanIds);
  refuse(result.problems ?? []);
  assert(result.plan !== undefined, "a plan is read or refused");
  return result.plan;
}

/** The plan of a Markdown file, or everything that is wrong with it; never throws for what the text says. */
export function checkMarkdown(
  text: string,
  file: string,
  takenPlanIds: ReadonlySet<string>,
): CheckedPlan {
  const wrong = (line: number, what: string): CheckedPlan => ({
    problems: [{ file, line, text: what }],
  });
  const clean = text.replace(/^\ufeff/, "").replace(/\r\n?/g, "\n");
  if (clean.length > maxCharacters) return wrong(1, "over 16 MB of text, expected a smaller file");
  const nul = clean.indexOf("\0");
  if (nul >= 0)
    return wrong(clean.slice(0, nul).split("\n").length, "a NUL character, expected text");
  const lines = clean.split("\n");
  const tokens = blocksOf(clean);
  const deep = tokens.find((token) => token.level >= maxNesting - 2);
  if (deep !== undefined)
    return wrong((deep.map?.[0] ?? 0) + 1, "nested too deeply, expected fewer lists in lists");
  const items = checkboxItems(tokens);
  const open = items.filter((item) => !item.checked);
  const name = fileStem(file);
  if (items.length === 0) return onePrompt(clean, file, name, takenPlanIds);
  if (open.length === 0) {
    const all = items.length === 1 ? "its only checkbox is" : `all ${items.length} checkboxes are`;
    return wrong((items[0]?.first ?? 0) + 1, `${all} checked, expected one to do: - [ ] text`);
  }
  if (open.length > maxTasks) {
    return wrong(1, `the plan has ${count(open.length, "task")}, expected at most ${maxTasks}`);
  }
  const { tasks, problems } = tasksOf(open, items, lines, file);
  if (problems.length > 0) return { problems };
  const plan = simplePlan(name, takenPlanIds, tasks);
  const needs = needProblems([plan], { partial: true }).map((each) => ({
    ...each.task.place,
    text: each.text,
  }));
  return needs.length > 0 ? { problems: byLine(needs) } : { plan };
}

function byLine(problems: readonly Problem[]): readonly Problem[] {
  return problems.toSorted((a, b) => a.line - b.line);
}

function onePrompt(
  text: string,
  file: string,
  name: string,
  taken: ReadonlySet<string>,
): CheckedPlan {
  const wrong = promptProblem(text);
  if (wrong !== undefined) return { problems: [{ file, line: 1, text: `the file ${wrong}` }] };
  const task = simpleTask(promptId(text, new Set()), text.trim(), { file, line: 1 });
  return { plan: simplePlan(name, taken, [task]) };
}

/** Blocks are enough; inline rules cost time that hostile text can multiply. */
function blocksOf(text: string): readonly Token[] {
  return new MarkdownIt("commonmark", { maxNesting })
    .disable(["inline", "text_join"])
    .parse(text, {});
}

/** Every list item that begins with a checkbox and a space, in the order of the file. */
function checkboxItems(tokens: readonly Token[]): readonly Item[] {
  const items: Item[] = [];
  let quotes = 0;
  for (const [index, token] of tokens.entries()) {
    if (token.type === "blockquote_open") quotes++;
    if (token.type === "blockquote_close") quotes--;
    if (token.type !== "list_item_open" || token.map === null) continue;
    const inline = tokens[index + 2];
    if (tokens[index + 1]?.type !== "paragraph_open" || inline?.type !== "inline") continue;
    const box = /^\[([ xX])\](?=\s|$)/.exec(inline.content)?.[1];
    if (box === undefined) continue;
    const [start, end] = token.map;
    items.push({ start, first: inline.map?.[0] ?? start, end, quotes, checked: box !== " " });
  }
  return items;
}

function tasksOf(
  open: readonly Item[],
  items: readonly Item[],
  lines: readonly string[],
  file: string,
): { readonly tasks: readonly PlannedTask[]; readonly problems: readonly Problem[] } {
  const problems: Problem[] = [];
  const problem = (item: Item, text: string): void => {
    if (problems.length < maxProblems) problems.push({ file, line: item.first + 1, text });
  };
  const heads = open.map((item) => headOf(firstLine(item, lines)));
  const taken = new Map<string, number>();
  for (const [index, item] of open.entries()) {
    const id = heads[index]?.id ?? null;
    if (id === null) continue;
    const before = taken.get(id);
    if (!taskIdPattern.test(id)) {
      problem(
        item,
        `id ${quote(id)}, expected lower-case letters, digits, - and _, at most 61 characters`,
      );
    } else if (before !== undefined)
      problem(item, `id ${quote(id)} a second time, expected it once (line ${before})`);
    else taken.set(id, item.first + 1);
  }
  const used = new Set(taken.keys());
  const bodies = bodiesOf(open, items, lines);
  const tasks = open.map((item, index): PlannedTask => {
    const head = heads[index] ?? { text: "", id: null, needs: [] };
    const prompt = [head.text, ...(bodies[index] ?? [])].join("\n").trim();
    const wrong = promptProblem(prompt);
    if (wrong !== undefined) problem(item, `the text of the checkbox ${wrong}`);
    const id = head.id ?? unique(promptId(head.text || prompt, used), used);
    used.add(id);
    return simpleTask(id, prompt, { file, line: item.first + 1 }, needsOf(head, item, problem));
  });
  return { tasks, problems: byLine(problems) };
}

function needsOf(
  head: Head,
  item: Item,
  problem: (item: Item, text: string) => void,
): readonly Need[] {
  const names = new Set(head.needs);
  for (const name of names) {
    if (name.split(".").length > 2 || !name.split(".").every((part) => taskIdPattern.test(part))) {
      problem(
        item,
        `need ${quote(name)}, expected a task's id, or plan.task for a task of another plan`,
      );
    }
  }
  return [...names].map((task) => ({ task, when: null }));
}

function firstLine(item: Item, lines: readonly string[]): string {
  const line = unquoted(lines[item.first] ?? "", item.quotes);
  // An item may stand on the line of the item around it: `- - [ ] text`.
  return line.replace(/^(?:\s*(?:[-*+]|\d{1,9}[.)])(?=\s))*\s*\[ \]\s*/, "");
}

/** A first line without the `(needs: …)` and `{#id}` at its end, in either order. */
function headOf(line: string): Head {
  let text = line.trimEnd();
  let id: string | null = null;
  let needs: readonly string[] | null = null;
  for (;;) {
    const start = lastMark(text);
    const mark = start < 0 ? "" : text.slice(start);
    if (id === null && mark.startsWith("{#")) id = mark.slice(2, -1).trim();
    else if (needs === null && mark.startsWith("(")) {
      needs = mark
        .slice(1, -1)
        .replace(/^needs:/i, "")
        .split(",")
        .map((name) => name.trim())
        .filter((name) => name !== "");
    } else return { text, id, needs: needs ?? [] };
    text = text.slice(0, start).trimEnd();
  }
}

/** Where the mark begins that ends `text`; -1 where none does. */
function lastMark(text: string): number {
  if (text.endsWith("}")) {
    const brace = text.lastIndexOf("{#");
    return text.indexOf("}", brace) === text.length - 1 ? brace : -1;
  }
  if (!text.endsWith(")")) return -1;
  const start = text.lastIndexOf("(");
  return start >= 0 && /^\(needs:/i.test(text.slice(start, start + 7)) ? start : -1;
}

/** The lines after the first one of every item in `open`, without those of checkbox items in it, dedented. */
function bodiesOf(
  open: readonly Item[],
  items: readonly Item[],
  lines: readonly string[],
): readonly (readonly string[])[] {
  // A line belongs to the innermost item: those that start later stand deeper.
  const owner = new Int32Array(lines.length).fill(-1);
  for (const [index, item] of items.entries()) {
    owner.fill(index, item.start, lastText(item, lines) + 1);
  }
  const indexes = new Map(items.map((item, index) => [item, index]));
  return open.map((item) => {
    const own: string[] = [];
    for (let line = item.first + 1; line < item.end; line++) {
      if (owner[line] === indexes.get(item)) own.push(unquoted(lines[line] ?? "", item.quotes));
    }
    return dedented(own);
  });
}

/** The last line of an item with text on it: blank lines after an inner item part the text around it. */
function lastText(item: Item, lines: readonly string[]): number {
  let last = item.end - 1;
  while (last > item.first && unquoted(lines[last] ?? "", item.quotes).trim() === "") last--;
  return last;
}

function unquoted(line: string, quotes: number): string {
  let rest = line;
  for (let n = 0; n < quotes; n++) rest = rest.replace(/^\s*>\s?/, "");
  return rest;
}

/** Lines without the indentation that all indented ones share. */
function dedented(lines: readonly string[]): readonly string[] {
  const indents = lines
    .filter((line) => line.trim() !== "")
    .map((line) => line.length - line.trimStart().length);
  const shared = Math.min(...indents.filter((indent) => indent > 0), Infinity);
  return lines.map((line) => line.slice(Math.min(shared, line.length - line.trimStart().length)));
}
