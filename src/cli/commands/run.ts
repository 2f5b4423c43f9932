/** `muster run`: plans and prompts in, landed work out. */
import { createInterface } from "node:readline/promises";
import type { Command } from "commander";
import type { Preview, RunDetail } from "../../api/service.ts";
import type { RunStateName } from "../../core/view.ts";
import { type Connection, connect } from "../connect.ts";
import { note, say, sayJson, tint } from "../output.ts";
import { progress } from "../progress.ts";
import { type RunFlags, readRequest, runFlags } from "../request.ts";
import { runText } from "../run-text.ts";
import { followRun } from "../follow.ts";
import { previewNotes, previewTable } from "./plan.ts";

export function runCommand(root: Command): void {
  runFlags(root.command("run"))
    .description("run plans and prompts, land what is proved")
    .option("-y, --yes", "accept the proposed gate, do not ask")
    .option("-d, --detach", "return at once")
    .option("--json", "print the run object at the end")
    .action(async (what: string[], flags: RunFlags) => {
      process.exitCode = await run(what, flags);
    });
}

async function run(what: readonly string[], flags: RunFlags): Promise<number> {
  const onTerminal = process.stdin.isTTY === true && process.stderr.isTTY === true;
  const daemon = await connect();
  const request = readRequest(what, flags, onTerminal || flags.detach === true);
  const preview = await daemon.preview(request);
  note(previewTable(preview));
  for (const line of previewNotes(preview)) note(line);
  const acceptGates = flags.yes === true || (onTerminal && (await asksOnce(preview)));
  const id = await daemon.start({ ...request, acceptGates });
  note(tint("dim", `run ${id}`, process.stderr));
  if (flags.detach === true) {
    const detail = await daemon.run(id);
    if (flags.json === true) sayJson({ schema: 1, run: detail.run });
    else say(id);
    return 0;
  }
  const detail = await watchToEnd(daemon, id);
  if (flags.json === true) sayJson({ schema: 1, run: detail.run });
  else say(runText(detail));
  return exitCodeOf(detail.run.state);
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

/** Follows a run until it is settled, or waits for a person with nothing else moving. Ctrl-C leaves it going. */
async function watchToEnd(daemon: Connection, id: string): Promise<RunDetail> {
  const shown = progress();
  const leave = (): void => {
    shown.end();
    note(`\n◎ ${id} goes on without this terminal`);
    note(`↳ To come back, run muster watch ${id}`);
    process.exit(130);
  };
  process.once("SIGINT", leave);
  try {
    return await followRun(daemon, id, (detail) => shown.show(detail));
  } finally {
    shown.end();
    process.removeListener("SIGINT", leave);
  }
}

export function exitCodeOf(state: RunStateName): number {
  switch (state) {
    case "succeeded":
    case "running":
      return 0;
    case "needs_attention":
      return 3;
    case "failed":
    case "canceled":
      return 1;
  }
}
