/** `muster diff`: the work of a task against what it started from. */
import type { Command } from "commander";
import { findTask } from "../address.ts";
import { connect } from "../connect.ts";
import { examples } from "../help.ts";
import { note, sayJson, sayRaw } from "../output.ts";

export function diffCommand(root: Command): void {
  const command = root
    .command("diff")
    .description("show what a task changed")
    .argument("<run/task>", "a task")
    .option("--stat", "file names and counts")
    .option("--json", "print an object")
    .action(async (wanted: string, flags: { stat?: boolean; json?: boolean }) => {
      const daemon = await connect();
      const { run, task, text } = await findTask(daemon, wanted);
      const bytes = await daemon.diff(run, task, flags.stat === true);
      if (flags.json === true)
        sayJson({ schema: 1, diff: { task: text, text: bytes.toString("utf8") } });
      else if (bytes.length === 0) note(`◎ ${text} changed nothing`);
      else sayRaw(bytes);
    });
  examples(command, [
    ["muster diff api --stat", "a task of the latest run"],
    ["muster diff run_1e9443u1/api > api.patch", "byte for byte"],
  ]);
}
