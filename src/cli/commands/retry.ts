/** `muster retry`: a new attempt for what failed or was canceled. */
import type { Command } from "commander";
import { findTarget } from "../address.ts";
import { connect, thisCaller } from "../connect.ts";
import { examples } from "../help.ts";
import { addressText, done } from "../output.ts";

export function retryCommand(root: Command): void {
  const command = root
    .command("retry")
    .description("try again what failed")
    .argument("<run[/task]>", "what to try again")
    .action(async (wanted: string) => {
      const daemon = await connect();
      const { run, task } = await findTarget(daemon, wanted);
      await daemon.command({ type: "retry", run, task, ...(await thisCaller()) });
      done(`trying ${addressText(run, task)} again`, `muster watch ${run}`);
    });
  examples(command, [
    ["muster retry run_1e9443u1", "everything that failed"],
    ["muster retry api", "a task of the latest run"],
  ]);
}
