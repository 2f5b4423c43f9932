/** `muster reject`: a person's no, with the reason that the session gets. */
import type { Command } from "commander";
import { type ActFlags, act, actFlags, requireText } from "../act.ts";
import { connect } from "../connect.ts";
import { examples } from "../help.ts";
import { theQuestion } from "../questions.ts";

interface RejectFlags extends ActFlags {
  readonly because: string;
}

/** What muster itself asks; a session's own questions are answered. */
const kinds = new Set(["approval", "conflict", "stalled"]);

export function rejectCommand(root: Command): void {
  const command = root
    .command("reject")
    .description("say no to a result")
    .argument("[run/task]", "a task; not needed for the only one")
    .requiredOption("--because <text>", "what is wrong with it");
  actFlags(command).action(async (address: string | undefined, flags: RejectFlags) => {
    const because = requireText(flags.because, "reject");
    const daemon = await connect();
    const { run, task } = await theQuestion(daemon, {
      address,
      fits: ({ kind }) => kinds.has(kind),
      noun: "approval",
    });
    await act(daemon, { type: "reject", run, task, because }, flags, () => ({
      text: `rejected ${run}/${task}`,
    }));
  });
  examples(command, [['muster reject api --because "the limit is per user"', ""]]);
}
