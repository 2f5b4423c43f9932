/**
 * Which tool calls need a person: everything but files inside the working directory, `git add|commit|status`, and what
 * `--allowedTools` and `--settings` name. Much simpler than the real rules, and never more permissive for a compound command.
 */
import { realpathSync } from "node:fs";
import { dirname, resolve, sep } from "node:path";
import type { Flags } from "./flags.ts";
import type { ToolUse } from "./wire.ts";

const ownRules = ["Bash(git add *)", "Bash(git commit *)", "Bash(git status *)"];
/** Anything with which one command can hide another. */
const substitution = /[`<>]|\$\(/;

/** True where the call may run unasked. */
export function isAllowed(tool: ToolUse, flags: Flags, cwd: string): boolean {
  if (tool.name === "AskUserQuestion") return false;
  if (flags.permissionMode === "bypassPermissions") return true;
  const rules = [...ownRules, ...flags.allowedTools];
  if (rules.includes(tool.name)) return true;
  const { command, file_path: path } = tool.input;
  if (tool.name === "Bash") return typeof command === "string" && isCommandAllowed(command, rules);
  const isFileTool = ["Read", "Write", "Edit"].includes(tool.name);
  if (!isFileTool || typeof path !== "string") return false;
  const folders = [realpathSync(cwd), ...foldersOf(tool.name, rules)];
  return folders.some((folder) => isInside(resolve(cwd, path), folder));
}

/** `Read(//folder/**)` opens an absolute folder. */
function foldersOf(tool: string, rules: readonly string[]): readonly string[] {
  return rules.flatMap((rule) => {
    const [, name, folder] = /^(\w+)\(\/(\/.*)\/\*\*\)$/.exec(rule) ?? [];
    return name === tool && folder !== undefined ? [realOf(folder)] : [];
  });
}

function isCommandAllowed(command: string, rules: readonly string[]): boolean {
  const bare = withoutQuotes(command);
  if (substitution.test(bare)) return false;
  return bare
    .split(/&&|\|\||[;|&\n]/)
    .map((part) => part.trim())
    .every((part) => rules.some((rule) => fits(part, rule)));
}

/** `Bash(git add *)` and `Bash(git add:*)` fit the command with and without arguments, `Bash(make)` only itself. */
function fits(part: string, rule: string): boolean {
  const [, name, star] = /^Bash\((.*?)([ :]\*)?\)$/.exec(rule) ?? [];
  if (name === undefined) return false;
  return part === name || (star !== undefined && part.startsWith(`${name} `));
}

/** The command with quoted texts emptied in which nothing is run. */
function withoutQuotes(command: string): string {
  return command.replace(/'[^']*'|"[^"$`\\]*"/g, "''");
}

/** True for a path in the folder, links resolved as far as the path exists. */
function isInside(path: string, folder: string): boolean {
  const real = realOf(path);
  return real === folder || real.startsWith(folder + sep);
}

function realOf(path: string): string {
  try {
    return realpathSync(path);
  } catch {
    const parent = dirname(path);
    return parent === path ? path : resolve(realOf(parent), path.slice(parent.length + 1));
  }
}
