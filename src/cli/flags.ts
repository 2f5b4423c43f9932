/** The flags that `run` and `plan` share; what they mean is read in `request.ts`, which is loaded when there is something to read. */
import { type Command, InvalidArgumentError } from "commander";

export interface RunFlags {
  readonly file?: string[];
  readonly prompt?: string[];
  readonly runner?: string;
  readonly model?: string;
  readonly target?: string;
  readonly gate?: string[];
  readonly parallel?: number;
  readonly usd?: number;
  readonly turns?: number;
  readonly minutes?: number;
  readonly wait?: string;
  readonly continue?: boolean;
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
    .option("--continue", "add new tasks to its last run")
    .option("--wait <time>", "how long permissions wait: 15m, 0, forever");
}
