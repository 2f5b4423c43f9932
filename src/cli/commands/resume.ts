/** `muster resume`: ends pauses and parks, with this terminal's environment and login. */
import { type Command, InvalidArgumentError } from "commander";
import type { RunDetail } from "../../api/service.ts";
import { type ActFlags, act, actFlags, goingOn, requireOpen } from "../act.ts";
import { findTarget } from "../address.ts";
import { connect, thisCaller } from "../connect.ts";
import { examples } from "../help.ts";
import { addressText, usd } from "../output.ts";

interface ResumeFlags extends ActFlags {
  readonly usd?: number;
}

export function resumeCommand(root: Command): void {
  const command = root
    .command("resume")
    .description("go on with a run or a task")
    .argument("<run[/task]>", "what to go on with")
    .option("--usd <amount>", "new budget of the run", amount);
  actFlags(command).action(async (wanted: string, flags: ResumeFlags) => {
    const daemon = await connect();
    const address = await findTarget(daemon, wanted);
    requireOpen(address, "there is nothing to go on with");
    const { run, task } = address;
    const resume = { type: "resume", run, task, usd: flags.usd ?? null } as const;
    await act(daemon, { ...resume, ...(await thisCaller()) }, flags, (now) => {
      const text = `resumed ${addressText(run, task)}`;
      return isSpent(now) && flags.usd !== undefined
        ? { text, notes: [spentText(now)] }
        : { text, ...goingOn(now) };
    });
  });
  examples(command, [
    ["muster resume run_1e9443u1", "after a pause, or with new credentials"],
    ["muster resume run_1e9443u1 --usd 20", "with a larger budget"],
  ]);
}

function isSpent({ run, usd: budget }: RunDetail): boolean {
  return run.costUsd >= budget;
}

function spentText({ run, usd: budget }: RunDetail): string {
  return `▲ ${usd(run.costUsd)} is spent already: nothing starts with a budget of ${usd(budget)}`;
}

function amount(value: string): number {
  const number = Number(value);
  if (!Number.isFinite(number) || number <= 0)
    throw new InvalidArgumentError("expected a positive number");
  return number;
}
