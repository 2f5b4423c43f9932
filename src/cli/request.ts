/** Arguments of `run` and `plan` as a request: files read here, parsed by the daemon. */
import { readFileSync, statSync } from "node:fs";
import { resolve } from "node:path";
import type { Command } from "commander";
import { InvalidArgumentError } from "commander";
import type { RunRequest } from "../api/schema.ts";
import { Fault } from "../core/fault.ts";
import { classifyArguments } from "../plan/prompts.ts";
import { parseDuration } from "../plan/fields.ts";
import { caller } from "./connect.ts";

export interface RunFlags {
  readonly file?: string[];
  readonly prompt?: string[];
  readonly runner?: "claude-cli" | "claude-sdk";
  readonly model?: string;
  readonly target?: string;
  readonly gate?: string[];
  readonly parallel?: number;
  readonly usd?: number;
  readonly turns?: number;
  readonly minutes?: number;
  readonly wait?: number | null;
  readonly yes?: boolean;
  readonly detach?: boolean;
  readonly json?: boolean;
}

const collect = (value: string, all: string[] = []): string[] => [...all, value];

function positive(value: string): number {
  const number = Number(value);
  if (!Number.isFinite(number) || number <= 0)
    throw new InvalidArgumentError("expected a positive number");
  return number;
}

function whole(value: string): number {
  const number = positive(value);
  if (!Number.isInteger(number)) throw new InvalidArgumentError("expected a whole number");
  return number;
}

function wait(value: string): number | null {
  const ms = parseDuration(value);
  if (ms === undefined) throw new InvalidArgumentError("expected a time such as 15m, 0 or forever");
  return ms;
}

/** Adds the flags that `run` and `plan` share. */
export function runFlags(command: Command): Command {
  return command
    .argument("[what...]", "plan files, task lists (.yaml, .md) or prompts")
    .option("--file <path>", "a plan file, - for stdin", collect)
    .option("--prompt <text>", "a prompt, whatever it looks like", collect)
    .option("--runner <name>", "claude-cli or claude-sdk")
    .option("--model <name>", "model of every session")
    .option("--target <branch>", "branch to land on")
    .option("--gate <command>", "gate command, repeatable; none", collect)
    .option("--parallel <n>", "rounds in flight", whole)
    .option("--usd <amount>", "budget of the run", positive)
    .option("--turns <n>", "model calls per task", whole)
    .option("--minutes <n>", "working time per task", positive)
    .option("--wait <time>", "how long permissions wait", wait);
}

const maxPlanBytes = 16 * 1024 * 1024;

/** Throws Fault `usage` for a file that is not there, `bad_plan` for one that is not text. */
export function readRequest(
  what: readonly string[],
  flags: RunFlags,
  attended: boolean,
): RunRequest {
  const { files, prompts } = classifyArguments(what, {
    file: flags.file ?? [],
    prompt: flags.prompt ?? [],
  });
  const { runner, model, target, gate, parallel, usd, turns, minutes } = flags;
  if (runner !== undefined && runner !== "claude-cli" && runner !== "claude-sdk")
    throw new Fault("usage", `no runner ${String(runner)}, expected claude-cli or claude-sdk`, {
      remedy: "muster run --help",
    });
  const options = { runner, model, target, parallel, usd, turns, minutes };
  return {
    cwd: process.cwd(),
    sources: files.map(readSource),
    prompts: [...prompts],
    options: {
      ...Object.fromEntries(Object.entries(options).filter(([, value]) => value !== undefined)),
      ...(gate === undefined ? {} : { gate: gate.length === 1 && gate[0] === "none" ? [] : gate }),
      ...("wait" in flags && flags.wait !== undefined ? { waitMs: flags.wait } : {}),
    },
    attended,
    acceptGates: flags.yes === true,
    ...caller(),
  };
}

function readSource(path: string): { path: string; text: string } {
  const name = path === "-" ? "stdin.yaml" : path;
  try {
    if (path !== "-" && statSync(path).size > maxPlanBytes)
      throw new Fault("bad_plan", `${path} is over ${maxPlanBytes / 1024 / 1024} MB`, {
        remedy: `ls -la ${path}`,
      });
    return {
      path: name,
      text: new TextDecoder("utf-8", { fatal: true }).decode(readFileSync(path === "-" ? 0 : path)),
    };
  } catch (cause) {
    if (cause instanceof Fault) throw cause;
    const { code } = cause as NodeJS.ErrnoException;
    if (cause instanceof TypeError)
      throw new Fault("bad_plan", `${path} is not UTF-8 text`, { remedy: `file ${path}`, cause });
    if (code === "ENOENT")
      throw new Fault("usage", `no file ${path}`, {
        remedy: `ls ${resolve(path, "..")}, or for a prompt: muster run --prompt "${path}"`,
        cause,
      });
    throw new Fault("usage", `cannot read ${path}: ${code ?? String(cause)}`, {
      remedy: `ls -la ${path}`,
      cause,
    });
  }
}
