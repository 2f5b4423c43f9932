/** What of a worktree is not committed, as git's own porcelain says it. */
import { longMs } from "./git.ts";
import { type RawPath, rawPaths } from "./paths.ts";
import type { PrivateDir } from "./private.ts";

export interface Uncommitted {
  readonly state: "changed" | "unmerged" | "untracked";
  /** A folder's ends in a slash. */
  readonly path: RawPath;
}

/** Everything but ignored files; of a submodule only its commit. `own` has the worktree's index and head. */
export async function readStatus(own: PrivateDir): Promise<Uncommitted[]> {
  const args = [
    "status",
    "--porcelain=v2",
    "-z",
    "--untracked-files=normal",
    "--ignore-submodules=dirty",
    "--no-renames",
  ];
  return rawPaths((await own.git(args, { timeoutMs: longMs })).stdout).map(parse);
}

/** Fields before the path, by the kind of line (git-status, "Porcelain Format Version 2"). */
const fieldsBefore: Readonly<Record<string, number>> = { "1": 8, u: 10, "?": 1 };

function parse(line: string): Uncommitted {
  const kind = line[0] ?? "";
  const path = line
    .split(" ")
    .slice(fieldsBefore[kind] ?? 1)
    .join(" ");
  return { state: kind === "?" ? "untracked" : kind === "u" ? "unmerged" : "changed", path };
}
