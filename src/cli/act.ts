/** What the verbs that act share: a command, then the run as it is, as an object under `--json`, else in a line and what helps next. */
import type { Command } from "commander";
import type { CommandRequest } from "../api/schema.ts";
import type { RunDetail } from "../api/service.ts";
import { Fault } from "../core/fault.ts";
import type { TaskView } from "../core/view.ts";
import type { Address } from "./address.ts";
import type { Connection } from "./connect.ts";
import { readPatiently } from "./follow.ts";
import { addressText, done } from "./output.ts";
import { nextSteps, sayRunObject } from "./run-text.ts";
import { isOver } from "./states.ts";

export interface ActFlags {
  readonly json?: boolean;
}

/** Adds `--json` to a verb that acts. */
export function actFlags(command: Command): Command {
  return command.option("--json", "print the run object");
}

export interface Outcome {
  readonly text: string;
  /** Whole lines of narration. */
  readonly notes?: readonly string[];
  /** The command that helps next. */
  readonly next?: string | undefined;
}

/** Sends a command and says what came of it; `outcome` gets the run as it is afterwards. Throws the Fault of a command that is refused. */
export async function act(
  daemon: Connection,
  command: CommandRequest,
  { json = false }: ActFlags,
  outcome: (now: RunDetail) => Outcome,
): Promise<void> {
  await daemon.command(command);
  const now = await readPatiently(daemon, command.run);
  if (json) {
    sayRunObject(now);
    return;
  }
  const { text, next, notes } = outcome(now);
  done(text, next, notes);
}

/** The tasks that an address means, in a state of its run. */
export function tasksAt(task: string | null, { run, tasks }: RunDetail): readonly TaskView[] {
  return task === null ? run.tasks : run.tasks.filter((_, i) => tasks[i]?.key === task);
}

/** Throws Fault `refused` where everything that the address means is over; `why` says what can't be done then. */
export function requireOpen({ run, task, detail }: Address, why: string): void {
  const named = tasksAt(task, detail);
  if (!named.every(isOver)) return;
  const text = addressText(run, task);
  const state = task === null ? detail.run.state : (named[0]?.state ?? "canceled");
  const again = state === "failed" || state === "canceled";
  throw new Fault("refused", `${text} is ${state}: ${why}`, {
    remedy: again
      ? `To try it again, run muster retry ${text}`
      : `To see what became of it, run muster show ${text}`,
  });
}

/** What a person says, as it is. Throws Fault `usage` where it says nothing. */
export function requireText(text: string, verb: string): string {
  if (text.trim() !== "") return text;
  throw new Fault("usage", "the text is empty", { remedy: `muster ${verb} --help` });
}

/** How to go on with a run that was to go on: what it still needs of a person, else a way to see it. */
export function goingOn(now: RunDetail): Pick<Outcome, "notes" | "next"> {
  const { id, state } = now.run;
  if (now.paused) return { notes: [`▲ ${id} is paused`], next: `muster resume ${id}` };
  return state === "needs_attention" ? { notes: nextSteps(now) } : { next: `muster watch ${id}` };
}
