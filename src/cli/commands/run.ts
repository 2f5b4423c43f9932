/** `muster run`: plans and prompts in, landed work out. */
import { createInterface } from "node:readline/promises";
import type { Command } from "commander";
import type { Preview } from "../../api/service.ts";
import { connect, endDaemon } from "../connect.ts";
import { examples } from "../help.ts";
import { canAsk, note, say, tint } from "../output.ts";
import { type RunFlags, runFlags } from "../flags.ts";
import { runText, sayRunObject } from "../run-text.ts";
import { exitCodeOf, watchToEnd } from "../watch-run.ts";
import { previewNotes, previewTable } from "./plan.ts";

export function runCommand(root: Command): void {
  const command = runFlags(root.command("run"))
    .description("run plans and prompts, land what is proved")
    .option("-y, --yes", "accept the proposed gate, do not ask")
    .option("-d, --detach", "return at once")
    .option("--json", "print the run object at the end")
    .action(async (what: string[], flags: RunFlags) => {
      process.exitCode = await run(what, flags);
    });
  examples(command, [
    ["muster run plan.yaml", "a plan"],
    ["muster run tasks.md --parallel 4", "every unchecked item"],
    ['muster run "fix the login test"', "a prompt"],
    ["muster run plan.yaml --continue", "its new tasks, in the same run"],
  ]);
}

async function run(what: readonly string[], flags: RunFlags): Promise<number> {
  const onTerminal = canAsk();
  const daemon = await connect();
  const { readRequest } = await import("../request.ts");
  const request = readRequest(what, flags, onTerminal || flags.detach === true);
  const preview = await daemon.preview(request);
  if (preview.tasks.length > 0) note(previewTable(preview));
  for (const line of previewNotes(preview)) note(line);
  const acceptGates = flags.yes === true || (onTerminal && (await asksOnce(preview)));
  const id = await daemon.start({ ...request, acceptGates });
  note(tint("dim", `run ${id}`, process.stderr));
  if (flags.detach === true) {
    const detail = await daemon.run(id);
    if (flags.json === true) sayRunObject(detail);
    else say(id);
    return 0;
  }
  const detail = await watchToEnd(daemon, id);
  // In CI nobody comes back: the daemon that this run started ends with it (design §7).
  if (daemon.started && process.env["CI"] === "true")
    await endDaemon(daemon, () => daemon.stopHost(true));
  if (flags.json === true) sayRunObject(detail);
  else say(runText(detail));
  return exitCodeOf(detail);
}

/** One question for a project whose gate is only proposed. */
async function asksOnce({ newGates }: Preview): Promise<boolean> {
  if (newGates.length === 0) return false;
  const lines = createInterface({ input: process.stdin, output: process.stderr });
  try {
    const answer = await lines.question(
      `Accept the proposed ${newGates.length === 1 ? "gate" : "gates"}? [Y/n] `,
    );
    return !/^n/i.test(answer.trim());
  } finally {
    lines.close();
  }
}
