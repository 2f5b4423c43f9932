/** `muster retry`: a new attempt for what failed or was canceled. */
import type { Command } from "commander";
import { type ActFlags, act, actFlags, goingOn } from "../act.ts";
import { findTarget } from "../address.ts";
import { connect, thisCaller } from "../connect.ts";
import { examples } from "../help.ts";
import { addressText } from "../output.ts";

export function retryCommand(root: Command): void {
  const command = root
    .command("retry")
    .description("try again what failed")
    .argument("<run[/task]>", "what to try again");
  actFlags(command).action(async (wanted: string, flags: ActFlags) => {
    const daemon = await connect();
    const { run, task } = await findTarget(daemon, wanted);
    const retry = { type: "retry", run, task } as const;
    await act(daemon, { ...retry, ...(await thisCaller()) }, flags, (now) => ({
      text: `trying ${addressText(run, task)} again`,
      ...goingOn(now),
    }));
  });
  examples(command, [
    ["muster retry run_1e9443u1", "everything that failed"],
    ["muster retry api", "a task of the latest run"],
  ]);
}
