/** The leaves of a plan: what a name, a path, a branch, a command and a time may be. Each message says what is expected. */
import { z } from "zod";
import { taskIdPattern } from "../core/ids.ts";
import { isPlain } from "../core/words.ts";

/** 200 KB of UTF-8: beyond it a prompt is a file for the agent to read. */
export const maxPromptBytes = 200 * 1024;

/** One line of text that shows as what it is. */
export function plainText(expected: string, max = 200) {
  return z
    .string(expected)
    .min(1, expected)
    .max(max, `${expected} of at most ${max} characters`)
    .refine(isPlain, `${expected} without control characters`);
}

const idWords = "an id: lower-case letters, digits, - and _, at most 61 characters";
export const taskIdField = z.string(idWords).regex(taskIdPattern, idWords);

const needPattern = /^(?:[a-z0-9][a-z0-9_-]{0,60}\.)?[a-z0-9][a-z0-9_-]{0,60}$/;
const needWords = "a task's id, or plan.task for a task of another plan";
export const needIdField = z.string(needWords).regex(needPattern, needWords);

const insideWords = "a path inside the project, relative, without .. and .git";
export const insideField = plainText(insideWords, 4096).refine(isInside, insideWords);

/** True for a relative path that stays inside its root, whatever is there, and is no option and no git metadata. */
export function isInside(path: string): boolean {
  if (/^[-/~]|^[a-z]:|\\/i.test(path)) return false;
  return path.split("/").every((part) => part !== ".." && part.toLowerCase() !== ".git");
}

const branchWords = "a branch name such as main";
export const branchField = plainText(branchWords, 200).refine(isBranchName, branchWords);

/** True for what `git check-ref-format --branch` takes, without its short forms for other branches. */
export function isBranchName(name: string): boolean {
  if (/[\s~^:?*[\\]|\.\.|@\{|\/\/|^[-/]|[/.]$|^refs\//.test(name)) return false;
  if (name === "HEAD" || name === "@") return false;
  return name.split("/").every((part) => !part.startsWith(".") && !part.endsWith(".lock"));
}

const commandWords = "a shell command";
export const commandField = z
  .string(commandWords)
  .max(10_000, `${commandWords} of at most 10,000 characters`)
  .refine((text) => text.trim() !== "" && text.isWellFormed() && !text.includes("\0"), commandWords)
  .refine((text) => text !== "none", '"none" alone, or commands');

const ruleWords = "a rule such as Bash(make *)";
export const ruleField = plainText(ruleWords, 1000);

const toolWords = "the name of a tool such as Bash";
export const toolField = z.string(toolWords).regex(/^[A-Za-z][A-Za-z0-9_.:*-]{0,127}$/, toolWords);

export function positive(expected: string, max: number) {
  return z.number(expected).positive(expected).max(max, `${expected} up to ${max}`);
}

export function whole(expected: string, min: number, max: number) {
  return z.int(expected).min(min, expected).max(max, `${expected} up to ${max}`);
}

const durationPattern = /^(?:0|forever|[0-9]{1,6}(?:\.[0-9]{1,3})?(?:s|m|h|d))$/;
const durationWords = "a time such as 90s, 15m, 2h, 0 or forever";
export const durationField = z.union(
  [z.literal(0), z.string().regex(durationPattern, durationWords)],
  durationWords,
);

const unitMs = new Map([
  ["s", 1_000],
  ["m", 60_000],
  ["h", 3_600_000],
  ["d", 86_400_000],
]);

/** `90s`, `15m`, `2h`, `1d` or `0` in milliseconds, null for `forever`, undefined for anything else. */
export function parseDuration(text: string): number | null | undefined {
  if (!durationPattern.test(text)) return undefined;
  if (text === "forever") return null;
  const unit = unitMs.get(text.slice(-1));
  return unit === undefined ? 0 : Math.round(Number(text.slice(0, -1)) * unit);
}

/** Bytes of `text` in UTF-8. */
export function utf8Bytes(text: string): number {
  let bytes = text.length;
  for (let i = 0; i < text.length; i++) {
    const unit = text.charCodeAt(i);
    // A surrogate pair is two units and four bytes.
    if (unit >= 0x80) bytes += unit >= 0x800 && (unit < 0xd800 || unit > 0xdfff) ? 2 : 1;
  }
  return bytes;
}

/** What is wrong with a prompt, as "found, expected"; undefined where nothing is. */
export function promptProblem(text: string): string | undefined {
  if (text.trim() === "") return "is empty, expected text";
  if (!text.isWellFormed() || text.includes("\0")) return "is not text, expected UTF-8 without NUL";
  if (text.length * 3 <= maxPromptBytes || utf8Bytes(text) <= maxPromptBytes) return undefined;
  return "is over 200 KB, expected less (name a file for the agent to read)";
}
