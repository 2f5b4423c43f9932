/** `muster reject`: a person's no, with the reason that the session gets. */
import type { Command } from "commander";
import { connect } from "../connect.ts";
import { examples } from "../help.ts";
import { done } from "../output.ts";
import { theQuestion } from "../questions.ts";

/** What muster itself asks; a session's own questions are answered. */
const kinds = new Set(["approval", "conflict", "stalled"]);

export function rejectCommand(root: Command): void {
  const command = root
    .command("reject")
    .description("say no to a result")
    .argument("[run/task]", "a task; not needed for the only one")
    .requiredOption("--because <text>", "what is wrong with it")
    .action(async (address: string | undefined, { because }: { because: string }) => {
      const daemon = await connect();
      const { run, task } = await theQuestion(daemon, {
        address,
        fits: ({ kind }) => kinds.has(kind),
        noun: "approval",
      });
      await daemon.command({ type: "reject", run, task, because });
      done(`rejected ${run}/${task}`);
    });
  examples(command, [['muster reject api --because "the limit is per user"', ""]]);
}
