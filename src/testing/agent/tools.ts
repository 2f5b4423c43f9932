/** The tools, run for real in the working directory. */
import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { dirname, resolve } from "node:path";
import type { ToolUse, Wire } from "./wire.ts";

export interface ToolResult {
  readonly text: string;
  readonly isError: boolean;
}

export interface ToolPlace {
  readonly cwd: string;
  readonly sessionId: string;
  readonly env: Readonly<Record<string, string>>;
  readonly signal: AbortSignal;
}

/** The real tool's limit where a call names none. */
const bashTimeoutMs = 120_000;

/** Runs a tool. Never throws: what goes wrong is the result. */
export async function runTool(tool: ToolUse, place: ToolPlace): Promise<ToolResult> {
  try {
    switch (tool.name) {
      case "Write":
        return write(tool.input, place);
      case "Edit":
        return edit(tool.input, place);
      case "Read":
        return done(readFileSync(pathOf(tool.input, place), "utf8"));
      case "Bash":
        return await bash(tool.input, place);
      case "AskUserQuestion":
        return done(`Answered: ${answersOf(tool.input)}.`);
      default:
        return failed(`There is no tool ${tool.name}`);
    }
  } catch (error) {
    return failed(error instanceof Error ? error.message : String(error));
  }
}

function write(input: Wire, place: ToolPlace): ToolResult {
  const path = pathOf(input, place);
  mkdirSync(dirname(path), { recursive: true });
  writeFileSync(path, textOf(input, "content"));
  return done(`Wrote ${textOf(input, "file_path")}`);
}

function edit(input: Wire, place: ToolPlace): ToolResult {
  const path = pathOf(input, place);
  const parts = readFileSync(path, "utf8").split(textOf(input, "old_string"));
  if (parts.length === 1) return failed("The text to replace is not in the file.");
  if (parts.length > 2 && input["replace_all"] !== true) {
    return failed(`The text to replace occurs ${parts.length - 1} times.`);
  }
  writeFileSync(path, parts.join(textOf(input, "new_string")));
  return done(`Edited ${textOf(input, "file_path")}`);
}

async function bash(input: Wire, place: ToolPlace): Promise<ToolResult> {
  // Imported on first use: a session that runs no command starts without it.
  const { run } = await import("../../process/run.ts");
  const { timeout } = input;
  const finished = await run({
    argv: ["bash", "-c", textOf(input, "command")],
    cwd: place.cwd,
    env: {
      ...place.env,
      CLAUDECODE: "1",
      CLAUDE_CODE_SESSION_ID: place.sessionId,
      GIT_EDITOR: "true",
    },
    timeoutMs: typeof timeout === "number" ? timeout : bashTimeoutMs,
    signal: place.signal,
  });
  const output = `${finished.stdout.toString()}${finished.stderr.toString()}`.trimEnd();
  if (finished.code === 0) return done(output === "" ? "(Bash completed with no output)" : output);
  return failed(`Exit code ${finished.code ?? 137}\n${output}`.trimEnd());
}

function answersOf(input: Wire): string {
  const answers = input["answers"];
  if (typeof answers !== "object" || answers === null) return "(no answers)";
  return Object.entries(answers)
    .map(([question, answer]) => `"${question}"="${String(answer)}"`)
    .join(", ");
}

function pathOf(input: Wire, place: ToolPlace): string {
  return resolve(place.cwd, textOf(input, "file_path"));
}

function textOf(input: Wire, key: string): string {
  const value = input[key];
  if (typeof value !== "string") throw new TypeError(`the input has no text ${key}`);
  return value;
}

function done(text: string): ToolResult {
  return { text, isError: false };
}

function failed(text: string): ToolResult {
  return { text, isError: true };
}
