/** `muster pause`: nothing new starts; a round in flight ends by itself, or at once. */
import type { Command } from "commander";
import type { RunDetail } from "../../api/service.ts";
import { type ActFlags, act, actFlags, requireOpen, tasksAt } from "../act.ts";
import { findTarget } from "../address.ts";
import { connect } from "../connect.ts";
import { examples } from "../help.ts";
import { addressText } from "../output.ts";

interface PauseFlags extends ActFlags {
  readonly now?: boolean;
}

export function pauseCommand(root: Command): void {
  const command = root
    .command("pause")
    .description("hold a run or a task")
    .argument("<run[/task]>", "what to hold")
    .option("--now", "interrupt the round in flight");
  actFlags(command).action(async (wanted: string, flags: PauseFlags) => {
    const daemon = await connect();
    const address = await findTarget(daemon, wanted);
    requireOpen(address, "there is nothing to hold");
    const { run, task } = address;
    const text = addressText(run, task);
    const interrupt = flags.now === true;
    await act(daemon, { type: "pause", run, task, interrupt }, flags, (now) => ({
      text: `paused ${text}`,
      notes: interrupt ? [] : stillGoing(task, now, text),
      next: `muster resume ${text}`,
    }));
  });
  examples(command, [
    ["muster pause run_1e9443u1", "after the rounds in flight"],
    ["muster pause api --now", "a task, at once"],
  ]);
}

/** A pause waits for what is in flight. */
function stillGoing(task: string | null, now: RunDetail, text: string): readonly string[] {
  const count = tasksAt(task, now).filter(({ state }) => state === "working").length;
  if (count === 0) return [];
  const rounds = count === 1 ? "a round in flight ends" : `${count} rounds in flight end`;
  return [`◎ ${rounds} first; to interrupt, run muster pause ${text} --now`];
}
