/** `muster stop`: cancels; what was done is kept behind refs. */
import type { Command } from "commander";
import { findTarget } from "../address.ts";
import { connect } from "../connect.ts";
import { examples } from "../help.ts";
import { addressText, done } from "../output.ts";

export function stopCommand(root: Command): void {
  const command = root
    .command("stop")
    .description("cancel a run or a task, work kept")
    .argument("<run[/task]>", "what to cancel")
    .action(async (wanted: string) => {
      const daemon = await connect();
      const { run, task } = await findTarget(daemon, wanted);
      await daemon.command({ type: "stop", run, task });
      done(`canceled ${addressText(run, task)}`, `muster retry ${addressText(run, task)}`);
    });
  examples(command, [
    ["muster stop run_1e9443u1", "the whole run"],
    ["muster stop api", "a task of the latest run"],
  ]);
}
