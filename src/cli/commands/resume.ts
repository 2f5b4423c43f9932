/** `muster resume`: ends pauses and parks, with this terminal's environment and login. */
import { type Command, InvalidArgumentError } from "commander";
import { findTarget } from "../address.ts";
import { connect, thisCaller } from "../connect.ts";
import { examples } from "../help.ts";
import { addressText, done } from "../output.ts";

export function resumeCommand(root: Command): void {
  const command = root
    .command("resume")
    .description("go on with a run or a task")
    .argument("<run[/task]>", "what to go on with")
    .option("--usd <amount>", "new budget of the run", amount)
    .action(async (wanted: string, { usd = null }: { usd?: number | null }) => {
      const daemon = await connect();
      const { run, task } = await findTarget(daemon, wanted);
      await daemon.command({ type: "resume", run, task, usd, ...(await thisCaller()) });
      done(`resumed ${addressText(run, task)}`, `muster watch ${run}`);
    });
  examples(command, [
    ["muster resume run_1e9443u1", "after a pause, or with new credentials"],
    ["muster resume run_1e9443u1 --usd 20", "with a larger budget"],
  ]);
}

function amount(value: string): number {
  const number = Number(value);
  if (!Number.isFinite(number) || number <= 0)
    throw new InvalidArgumentError("expected a positive number");
  return number;
}
