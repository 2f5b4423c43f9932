/** `muster tell`: a message to a task's session. */
import type { Command } from "commander";
import { findTask } from "../address.ts";
import { connect } from "../connect.ts";
import { examples } from "../help.ts";
import { done } from "../output.ts";

export function tellCommand(root: Command): void {
  const command = root
    .command("tell")
    .description("say something to a session")
    .argument("<run/task>", "a task")
    .argument("<text...>", "what to say")
    .action(async (wanted: string, words: readonly string[]) => {
      const daemon = await connect();
      const { run, task, text } = await findTask(daemon, wanted);
      await daemon.command({ type: "tell", run, task, text: words.join(" ") });
      done(`told ${text}`);
    });
  examples(command, [['muster tell api "use the token bucket in src/limit.ts"', ""]]);
}
