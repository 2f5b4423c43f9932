/** `muster ls`: what needs me now, then what runs, then what ended, over all projects. */
import type { Command } from "commander";
import { homedir } from "node:os";
import type { DiskUse } from "../../api/housekeeping.ts";
import type { RefusedCredential, RunSummary } from "../../api/service.ts";
import { connect } from "../connect.ts";
import { sizeText } from "../measure.ts";
import { duration, oneLine, say, sayJson, table, tint, usd } from "../output.ts";
import { heldBackText, refusedText } from "../run-text.ts";
import { mark, tone } from "../states.ts";
import { unrecordedText } from "../unrecorded.ts";

const shownSettled = 8;

export function lsCommand(root: Command): void {
  root
    .command("ls")
    .description("list runs, what needs me first")
    .option("-a, --all", "all runs, not only the latest")
    .option("--json", "print an object")
    .action(async (flags: { all?: boolean; json?: boolean }) => {
      const daemon = await connect();
      const [runs, disk, { heldBack, refused, unrecorded }] = await Promise.all([
        daemon.runs(flags.all === true ? 10_000 : 20),
        daemon.disk(),
        daemon.host(),
      ]);
      if (flags.json === true) sayJson({ schema: 1, runs, disk, refused, heldBack, unrecorded });
      else
        say(
          runs.length === 0
            ? 'no runs yet\n↳ To start one, run muster run "what to do"'
            : [
                listText(runs, refused, flags.all === true),
                ...(heldBack ? [tint("ask", heldBackText(heldBack))] : []),
                ...unrecordedText(unrecorded).map((line) => tint("ask", line)),
                diskText(disk),
              ].join("\n"),
        );
    });
}

function listText(
  runs: readonly RunSummary[],
  refused: readonly RefusedCredential[],
  all: boolean,
): string {
  const asking = runs.flatMap((run) => run.asking.map((ask) => ({ run, ask })));
  const lines: string[] = [];
  for (const { run, ask } of asking) {
    lines.push(tint("ask", `▲ ${run.id}/${ask.task} asks (${ask.kind}): ${oneLine(ask.text, 90)}`));
    lines.push(
      `  ↳ ${ask.kind === "approval" ? `muster approve ${run.id}/${ask.task}` : `muster answer ${run.id}/${ask.task} …`}`,
    );
  }
  for (const [line = "", command = ""] of refused.map(refusedText))
    lines.push(tint("ask", line), command);
  if (lines.length > 0) lines.push("");
  const open = runs.filter(isOpen);
  const settled = runs.filter((run) => !isOpen(run));
  const shown = [...open, ...settled.slice(0, all ? settled.length : shownSettled)];
  lines.push(
    table(
      shown.map((run) => [
        `${mark(run.state)} ${run.id}`,
        run.state.replace("_", " "),
        counts(run),
        duration(run.durationMs),
        usd(run.costUsd),
        oneLine(run.name, 40),
        run.projects.map(short).join(" "),
      ]),
      (row, column, cell) => (column > 1 ? cell : tint(tone(shown[row]?.state ?? "running"), cell)),
    ),
  );
  return lines.join("\n");
}

/** Last and dim: it is no news. */
function diskText({ worktrees, attempts, gates, rest, whole }: DiskUse): string {
  const [all, most] = [worktrees + attempts + gates + rest, worktrees].map(sizeText);
  return tint("dim", `${whole ? "" : "over "}${all} on disk, ${most} of it in worktrees`);
}

function isOpen({ state }: RunSummary): boolean {
  return state === "running" || state === "needs_attention";
}

function counts({ counts: by }: RunSummary): string {
  return Object.entries(by)
    .map(([state, count]) => `${count} ${state}`)
    .join(", ");
}

function short(path: string): string {
  const home = homedir();
  return path.startsWith(`${home}/`) ? `~${path.slice(home.length)}` : path;
}
