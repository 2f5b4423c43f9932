/** `muster watch`: a run as it goes, until it is settled or waits for a person. */
import type { Command } from "commander";
import type { RunDetail } from "../../api/service.ts";
import { findRun } from "../address.ts";
import { connect } from "../connect.ts";
import { examples } from "../help.ts";
import { say } from "../output.ts";
import { runText, sayRunObject } from "../run-text.ts";
import { exitCodeOf, watchToEnd } from "../watch-run.ts";

export function watchCommand(root: Command): void {
  const command = root
    .command("watch")
    .description("follow a run to its end")
    .argument("[run]", "a run, the latest by default")
    .option("--json", "a run object per change")
    .action(async (wanted: string | undefined, flags: { json?: boolean }) => {
      const daemon = await connect();
      const { run } = await findRun(daemon, wanted);
      await daemon.command({ type: "attend", run: run.id }).catch(() => {}); // Settled: nobody is needed.
      const detail = await watchToEnd(
        daemon,
        run.id,
        flags.json === true ? perChange() : undefined,
      );
      if (flags.json !== true) say(runText(detail));
      process.exitCode = exitCodeOf(detail);
    });
  examples(command, [
    ["muster watch", "the latest run of this project"],
    ["muster watch 1e94 --json", "one line per change"],
  ]);
}

/** Prints the run object where something else than a clock has changed. */
function perChange(): (detail: RunDetail) => void {
  let last = "";
  return ({ run }) => {
    const still = JSON.stringify(run, (key, value: unknown) =>
      key === "durationMs" ? undefined : value,
    );
    if (still !== last) sayRunObject({ run }, { lines: true });
    last = still;
  };
}
