/** `muster tell`: a message to a task's session. */
import type { Command } from "commander";
import { Fault } from "../../core/fault.ts";
import { type ActFlags, act, actFlags, requireOpen, requireText, tasksAt } from "../act.ts";
import { type TaskAddress, findTask } from "../address.ts";
import { connect } from "../connect.ts";
import { examples } from "../help.ts";

export function tellCommand(root: Command): void {
  const command = root
    .command("tell")
    .description("say something to a session")
    .argument("<run/task>", "a task")
    .argument("<text...>", "what to say");
  actFlags(command).action(async (wanted: string, words: readonly string[], flags: ActFlags) => {
    const said = requireText(words.join(" "), "tell");
    const daemon = await connect();
    const address = await findTask(daemon, wanted);
    requireBegun(address);
    const { run, task, text } = address;
    await act(daemon, { type: "tell", run, task, text: said }, flags, (now) => {
      const isHeld = tasksAt(task, now).some(({ state }) => state === "paused");
      return {
        text: `told ${text}`,
        notes: isHeld ? [`◎ ${text} is paused and reads it later`] : [],
      };
    });
  });
  examples(command, [
    ['muster tell api "use the token bucket in src/limit.ts"', ""],
    ['muster tell api -- "-f is wrong"', "starts with a dash"],
  ]);
}

/** Throws Fault `refused` where there is no session to tell, or none any more. */
function requireBegun(address: TaskAddress): void {
  requireOpen(address, "there is no session to tell");
  const { task, detail, text } = address;
  const [now] = tasksAt(task, detail);
  if (now?.state !== "waiting" && now?.state !== "ready") return;
  throw new Fault("refused", `${text} is ${now.state} and has no session yet`, {
    remedy: `To see its place in the run, run muster show ${text}`,
  });
}
