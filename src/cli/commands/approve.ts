/** `muster approve`: a person's yes to an exact commit, or to the gate that muster proposes. */
import type { Command } from "commander";
import { type ActFlags, act, actFlags } from "../act.ts";
import { connect } from "../connect.ts";
import { examples } from "../help.ts";
import { theQuestion } from "../questions.ts";

interface ApproveFlags extends ActFlags {
  readonly gate?: boolean;
}

export function approveCommand(root: Command): void {
  const command = root
    .command("approve")
    .description("say yes to a verified commit")
    .argument("[run/task]", "a task; not needed for the only approval")
    .option("--gate", "accept the proposed gate instead");
  actFlags(command).action(async (address: string | undefined, flags: ApproveFlags) => {
    const daemon = await connect();
    const { run, task } = await theQuestion(daemon, {
      address,
      fits: ({ kind }) => kind === "approval" || kind === "trust",
      noun: "approval",
    });
    const gate = flags.gate === true;
    await act(daemon, { type: "approve", run, task, gate }, flags, () => ({
      text: gate ? `accepted the gate of ${run}/${task}` : `approved ${run}/${task}`,
    }));
  });
  examples(command, [
    ["muster approve", "the only open approval"],
    ["muster approve --gate api", "use the proposed gate from now on"],
  ]);
}
