/** `muster stop`: cancels; what was done is kept behind refs. */
import type { Command } from "commander";
import { type ActFlags, act, actFlags, requireOpen, tasksAt } from "../act.ts";
import { findTarget } from "../address.ts";
import { connect } from "../connect.ts";
import { examples } from "../help.ts";
import { addressText } from "../output.ts";
import { isOver } from "../states.ts";

export function stopCommand(root: Command): void {
  const command = root
    .command("stop")
    .description("cancel a run or a task, work kept")
    .argument("<run[/task]>", "what to cancel");
  actFlags(command).action(async (wanted: string, flags: ActFlags) => {
    const daemon = await connect();
    const address = await findTarget(daemon, wanted);
    requireOpen(address, "there is nothing to cancel");
    const { run, task } = address;
    const text = addressText(run, task);
    await act(daemon, { type: "stop", run, task }, flags, (now) =>
      tasksAt(task, now).every(isOver)
        ? { text: `canceled ${text}`, next: `muster retry ${text}` }
        : {
            text: `canceling ${text}`,
            next: `To try it again once ${task === null ? "its sessions have" : "its session has"} ended, run muster retry ${text}`,
          },
    );
  });
  examples(command, [
    ["muster stop run_1e9443u1", "the whole run"],
    ["muster stop api", "a task of the latest run"],
  ]);
}
