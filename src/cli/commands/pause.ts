/** `muster pause`: nothing new starts; a round in flight ends by itself, or at once. */
import type { Command } from "commander";
import { findTarget } from "../address.ts";
import { connect } from "../connect.ts";
import { examples } from "../help.ts";
import { addressText, done } from "../output.ts";

export function pauseCommand(root: Command): void {
  const command = root
    .command("pause")
    .description("hold a run or a task")
    .argument("<run[/task]>", "what to hold")
    .option("--now", "interrupt the round in flight")
    .action(async (wanted: string, flags: { now?: boolean }) => {
      const daemon = await connect();
      const { run, task } = await findTarget(daemon, wanted);
      await daemon.command({ type: "pause", run, task, interrupt: flags.now === true });
      done(`paused ${addressText(run, task)}`, `muster resume ${addressText(run, task)}`);
    });
  examples(command, [
    ["muster pause run_1e9443u1", "after the rounds in flight"],
    ["muster pause api --now", "a task, at once"],
  ]);
}
