/** `muster uninstall`: ends the daemon and removes everything below MUSTER_HOME; repositories are not touched. */
import { rmSync } from "node:fs";
import { createInterface } from "node:readline/promises";
import type { Command } from "commander";
import type { UninstallPlan } from "../../api/service.ts";
import { Fault } from "../../core/fault.ts";
import { connect, endDaemon } from "../connect.ts";
import { examples } from "../help.ts";
import { sizeText } from "../measure.ts";
import { canAsk, done, note, oneLine, say, sayJson, table } from "../output.ts";
import { ownUnit, removeUnit } from "../unit-file.ts";

interface UninstallFlags {
  readonly dryRun?: boolean;
  readonly yes?: boolean;
  readonly json?: boolean;
}

export function uninstallCommand(root: Command): void {
  const command = root
    .command("uninstall")
    .description("remove muster's own files")
    .option("--dry-run", "show what would go and what stays")
    .option("-y, --yes", "do not ask")
    .option("--json", "print an object")
    .action(uninstall);
  examples(command, [["muster uninstall --dry-run", "refs and branches always stay"]]);
}

async function uninstall(flags: UninstallFlags): Promise<void> {
  const daemon = await connect();
  const unit = ownUnit();
  const said = (plan: UninstallPlan): Said => ({ ...plan, unit: unit?.path ?? null });
  const plan = await daemon.uninstallPlan();
  if (flags.json === true && flags.dryRun === true) sayJson({ schema: 1, uninstall: said(plan) });
  else if (flags.json !== true) say(planText(said(plan)));
  if (flags.dryRun === true) return;
  if (flags.yes !== true && canAsk() && !(await agrees(plan)))
    throw new Fault("refused", "nothing was removed", {
      remedy: "To see what goes and what stays, run muster uninstall --dry-run",
    });
  // What goes is what the daemon says as it does its part: the same plan, made anew.
  let performed = plan;
  const ended = await endDaemon(daemon, async () => (performed = await daemon.uninstall()));
  if (!ended)
    throw new Fault("timed_out", "the daemon is still ending", { remedy: "muster uninstall" });
  // First what would start a daemon again.
  const told = unit === null ? null : await removeUnit(unit);
  if (told !== null && !told.ran)
    note(`▲ the service was not disabled: ${told.why}\n↳ ${told.command}`);
  for (const { path } of performed.remove) rmSync(path, { recursive: true, force: true });
  rmSync(performed.home, { recursive: true, force: true });
  if (flags.json === true) sayJson({ schema: 1, uninstall: said(performed) });
  else done(`removed ${performed.home}`, "npm uninstall --global musterd");
}

/** The plan, and the file that starts the daemon at login: the daemon knows nothing of that. */
type Said = UninstallPlan & { readonly unit: string | null };

async function agrees({ home }: UninstallPlan): Promise<boolean> {
  const lines = createInterface({ input: process.stdin, output: process.stderr });
  try {
    return /^y/i.test((await lines.question(`Remove ${oneLine(home, 200)}? [y/N] `)).trim());
  } finally {
    lines.close();
  }
}

function planText({ remove, stays, openRuns, kept, unknown, unit }: Said): string {
  const lines = [
    "goes:",
    table(remove.map(({ path, bytes }) => [`  ${oneLine(path, 200)}`, sizeText(bytes)])),
    ...(unit === null ? [] : [`  ${oneLine(unit, 200)}`]),
    "stays:",
    ...stays.map(
      ({ project, refs, branches }) =>
        `  ${oneLine(project, 200)}: ${refs} refs in refs/muster/, ${branches} branches of tasks`,
    ),
    ...(stays.length === 0 ? ["  nothing: no repository was worked in"] : []),
  ];
  const inTheWay = [
    ...openRuns.map((run) => `▲ ${run} is open`),
    ...kept.map(({ worktree, run, task }) => `▲ ${worktree} is kept, of ${run}/${task}`),
    ...unknown.map((path) => `▲ ${path} is not known to the ledger`),
  ];
  return [...lines, ...inTheWay].join("\n");
}
