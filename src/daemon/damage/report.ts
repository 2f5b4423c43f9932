/** What a person is told of a damaged ledger: what was kept, what was proved, and how to get at what it does not know any more. */
import type { AttemptId, RunId } from "../../core/ids.ts";
import { count, shellWord } from "../../core/words.ts";
import type { Damage } from "../../ledger/rebuild.ts";

/** An attempt of a run that the ledger does not know. */
export interface Stranded {
  readonly att: AttemptId;
  readonly run: RunId;
  readonly worktree: string | null;
  /** Processes of it that were ended. */
  readonly ended: number;
}

export function reportText(
  home: string,
  { folder, why, at, kept, fromCopy, known }: Damage,
  proved: readonly string[],
  stranded: readonly Stranded[],
): string {
  const gone = known - kept;
  return [
    `The ledger in ${home} was damaged: ${why}`,
    `Found at ${new Date(at).toISOString()}. The damaged files are in ${folder}, as they were.`,
    "",
    `Kept: ${count(kept, "event")}, ${fromCopy} of them from its copy.`,
    gone === 0
      ? "Lost: none that the ledger or its copy names."
      : `Lost: events ${kept + 1} to ${known}.`,
    "",
    "Recorded anew, as attempts' folders, worktrees and the targets' history prove it:",
    ...listed(proved),
    "",
    "Attempts of runs that the ledger does not know any more. Their sessions were ended, as nobody",
    "could follow them; what they wrote is where it was:",
    ...listed(stranded.flatMap((one) => strandedLines(home, one))),
    "",
    "Worktrees, branches and refs/muster/* were not touched. To let go of the damaged files:",
    `  rm -r ${shellWord(folder)}`,
    "",
  ].join("\n");
}

function strandedLines(home: string, { att, run, worktree, ended }: Stranded): string[] {
  const files = shellWord(`${home}/attempts/${att}`);
  const processes = ended === 0 ? "no process of it was left" : `its session was ended (${ended})`;
  const first = `${att} of ${run}, ${processes}; its transcript and messages: ${files}`;
  if (worktree === null)
    return [first, `  its snapshots, in its project: git log --all -- refs/muster/attempts/${att}`];
  const at = shellWord(worktree);
  return [
    first,
    `  its work:      git -C ${at} status; git -C ${at} log --oneline -10`,
    `  its snapshots: git -C ${at} for-each-ref refs/muster/attempts/${att}`,
  ];
}

function listed(lines: readonly string[]): string[] {
  return lines.length === 0 ? ["  none"] : lines.map((line) => `  ${line}`);
}
