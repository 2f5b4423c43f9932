/** `muster approve`: a person's yes to an exact commit, or to the gate that muster proposes. */
import type { Command } from "commander";
import { connect } from "../connect.ts";
import { examples } from "../help.ts";
import { done } from "../output.ts";
import { theQuestion } from "../questions.ts";

export function approveCommand(root: Command): void {
  const command = root
    .command("approve")
    .description("say yes to a verified commit")
    .argument("[run/task]", "a task; not needed for the only approval")
    .option("--gate", "accept the proposed gate instead")
    .action(async (address: string | undefined, flags: { gate?: boolean }) => {
      const daemon = await connect();
      const { run, task } = await theQuestion(daemon, {
        address,
        fits: ({ kind }) => kind === "approval",
        noun: "approval",
      });
      await daemon.command({ type: "approve", run, task, gate: flags.gate === true });
      done(flags.gate === true ? `accepted the gate of ${run}/${task}` : `approved ${run}/${task}`);
    });
  examples(command, [
    ["muster approve", "the only open approval"],
    ["muster approve --gate api", "use the proposed gate from now on"],
  ]);
}
