/** `muster restore`: a worktree as a snapshot has it, with its branch and its files. */
import { resolve } from "node:path";
import type { Command } from "commander";
import type { Restoration } from "../../api/housekeeping.ts";
import { shellWord } from "../../core/words.ts";
import { findTask } from "../address.ts";
import { connect } from "../connect.ts";
import { examples } from "../help.ts";
import { ageText } from "../measure.ts";
import { done, oneLine, say, sayJson, tint } from "../output.ts";
import { snapshotsText } from "../snapshots-text.ts";

interface RestoreFlags {
  readonly at?: string;
  readonly to?: string;
  readonly list?: boolean;
  readonly dryRun?: boolean;
  readonly json?: boolean;
}

export function restoreCommand(root: Command): void {
  const command = root
    .command("restore")
    .description("bring a task's worktree back from a snapshot")
    .argument("<run/task>", "a task")
    .option("--at <n>", "snapshot to take, the newest by default")
    .option("--to <folder>", "where to, where it was by default")
    .option("--list", "show the snapshots there are")
    .option("--dry-run", "show what would be made")
    .option("--json", "print an object")
    .action(restore);
  examples(command, [
    ["muster restore api", "worktree, branch and files as they were"],
    ["muster restore api --list", "which snapshots there are"],
    ["muster restore api --at 2 --to ../old", "an earlier one, elsewhere"],
  ]);
}

async function restore(wanted: string, flags: RestoreFlags): Promise<void> {
  const { at = null, to, list = false, dryRun = false, json = false } = flags;
  const daemon = await connect();
  const { run, task, text } = await findTask(daemon, wanted);
  if (list) {
    const snapshots = await daemon.snapshots(run, task);
    if (json) sayJson({ schema: 1, snapshots });
    else
      say(
        snapshots.length === 0 ? `${text} has no snapshot` : snapshotsText(snapshots, Date.now()),
      );
    return;
  }
  const place = to === undefined ? null : resolve(to);
  const restored = await daemon.restore({ run, task, at, to: place, dryRun });
  const { worktree } = restored;
  const known = facts(restored);
  if (json) sayJson({ schema: 1, restore: { ...restored, done: !dryRun } });
  else if (dryRun) {
    say(`${tint("busy", "○")} ${worktree}`);
    for (const fact of known) say(`  ${fact}`);
  } else {
    const notes = known.map((fact) => `◎ ${fact}`);
    done(`restored ${worktree}`, `cd ${shellWord(worktree)}`, notes);
  }
}

function facts(restored: Restoration): string[] {
  const { at, takenAt, ref, head, branch, branchMade, detached, unstaged, left, brought } =
    restored;
  const standing =
    branch === null
      ? `on no branch, at ${head.slice(0, 12)}: ${oneLine(detached ?? "", 200)}`
      : `on ${oneLine(branch, 200)}${branchMade ? ", made again" : ""}, at ${head.slice(0, 12)}`;
  return [
    `from snapshot ${at}, ${ageText(Date.now() - takenAt)} old (${oneLine(ref, 200)})`,
    standing,
    ...(unstaged ? ["what was staged is not known: all of it is unstaged"] : []),
    ...(left === 0
      ? []
      : [`without ${left} files that no snapshot holds; to see them, run git log -1 ${ref}`]),
    ...(brought.length === 0
      ? []
      : [`without what setup had brought: ${oneLine(brought.join(" "), 200)}`]),
  ];
}
