/** `muster clean`: gives kept worktrees back, once a ref holds everything that is in them. */
import type { Command } from "commander";
import type { CleanItem, Cleaned } from "../../api/service.ts";
import { exitCodes } from "../../core/fault.ts";
import { findTarget } from "../address.ts";
import { connect } from "../connect.ts";
import { examples } from "../help.ts";
import { note, oneLine, say, sayJson, tint } from "../output.ts";

export function cleanCommand(root: Command): void {
  const command = root
    .command("clean")
    .description("remove kept worktrees, content stays in refs")
    .argument("[run[/task]]", "only these")
    .option("--dry-run", "show what would go")
    .option("--json", "print an object")
    .action(async (wanted: string | undefined, flags: { dryRun?: boolean; json?: boolean }) => {
      process.exitCode = await clean(wanted, flags.dryRun === true, flags.json === true);
    });
  examples(command, [
    ["muster clean --dry-run", "what, why, and where it stays"],
    ["muster clean run_1e9443u1/api", "one worktree"],
  ]);
}

async function clean(wanted: string | undefined, dryRun: boolean, json: boolean): Promise<number> {
  const daemon = await connect();
  const { run, task } =
    wanted === undefined ? { run: null, task: null } : await findTarget(daemon, wanted);
  const items = await daemon.clean(run, task);
  if (dryRun) {
    if (json) sayJson({ schema: 1, clean: { items } });
    else say(items.length === 0 ? "nothing to clean" : items.map(itemText).join("\n"));
    return 0;
  }
  const cleaned = await daemon.performClean(items.map(({ attempt }) => attempt));
  if (json) sayJson({ schema: 1, clean: { items, cleaned } });
  else if (cleaned.length === 0) note("◎ nothing to clean");
  else for (const each of cleaned) say(cleanedText(each));
  return cleaned.every(({ removed }) => removed) ? 0 : exitCodes.refused;
}

function itemText({ run, task, worktree, kept, ref, blocked }: CleanItem): string {
  const lines =
    blocked === null
      ? [`${tint("busy", "○")} ${worktree}`, `  its content stays in ${ref}`]
      : [`${tint("ask", "▲")} ${worktree}`, `  stays: ${oneLine(blocked, 400)}`];
  return [...lines, `  of ${run}/${task}, whose attempt is over (${oneLine(kept, 200)})`].join(
    "\n",
  );
}

function cleanedText({ worktree, removed, ref, why }: Cleaned): string {
  return removed
    ? `${tint("good", "✓")} removed ${worktree}\n  its content stays in ${ref}`
    : `${tint("bad", "✗")} kept ${worktree}: ${oneLine(why ?? "", 400)}`;
}
