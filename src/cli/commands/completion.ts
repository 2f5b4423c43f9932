/** `muster completion`: a script for the shell; `muster complete`, which it calls, is not in the help. */
import type { Command } from "commander";
import { Fault } from "../../core/fault.ts";
import { completionScript, shells, verbsOf } from "../completion.ts";
import { type Connection, findDaemon } from "../connect.ts";
import { examples } from "../help.ts";
import { say } from "../output.ts";

/** A person who pressed Tab waits for no daemon (ux.md §3). */
const patienceMs = 200;
/** Settled runs whose tasks are offered besides those of open ones. */
const recentRuns = 3;

export function completionCommand(root: Command): void {
  const command = root
    .command("completion")
    .description("print a completion script")
    .argument(`<${shells.join("|")}>`, "the shell")
    .action((name: string) => {
      const shell = shells.find((one) => one === name);
      if (shell === undefined)
        throw new Fault("usage", `no completion for ${name}, expected ${shells.join(", ")}`, {
          remedy: "muster completion bash",
        });
      process.stdout.write(completionScript(shell, verbsOf(root)));
    });
  examples(command, [['eval "$(muster completion bash)"', "in ~/.bashrc"]]);
  root
    .command("complete", { hidden: true })
    .argument("<kind>")
    .action(async (kind: string) => {
      for (const word of await within(patienceMs, words(kind))) say(word);
      process.exit(0); // What is still being asked for is of no use any more.
    });
}

async function words(kind: string): Promise<readonly string[]> {
  const daemon = await findDaemon();
  if (daemon === undefined) return [];
  const runs = await daemon.runs(recentRuns);
  const ids = runs.map(({ id }) => id);
  if (kind === "runs") return ids;
  const tasks = (await Promise.all(ids.map((id) => taskWords(daemon, id)))).flat();
  return kind === "tasks" ? tasks : [...ids, ...tasks];
}

async function taskWords(daemon: Connection, id: string): Promise<string[]> {
  return (await daemon.run(id)).tasks.map(({ key }) => `${id}/${key}`);
}

/** What came within `ms`; nothing where it did not, or failed. */
async function within(ms: number, asked: Promise<readonly string[]>): Promise<readonly string[]> {
  const late = new Promise<readonly string[]>((resolve) => setTimeout(() => resolve([]), ms));
  return Promise.race([asked.catch(() => []), late]);
}
