/** The worktrees of a repository, as git lists them. */
import { readRegistrations } from "./registration.ts";
import { git, type Repository } from "./git.ts";
import type { Sha } from "../core/ids.ts";

export interface ListedWorktree {
  readonly path: string;
  /** Git directory of the worktree; null where its registration can't be read. */
  readonly gitDir: string | null;
  readonly head: Sha | null;
  /** Full name of the branch; null where HEAD is detached or the repository is bare. */
  readonly branch: string | null;
  readonly bare: boolean;
  /** The reason, empty where none was given; null where it is not locked. */
  readonly locked: string | null;
  readonly prunable: boolean;
}

/** All worktrees, the main one first. */
export async function listWorktrees(repo: Repository): Promise<ListedWorktree[]> {
  const listed = await git(repo, ["worktree", "list", "--porcelain", "-z"]);
  const known = new Map((await readRegistrations(repo)).map(({ path, gitDir }) => [path, gitDir]));
  return parseWorktrees(listed.stdout.toString("utf8")).map((one, n) => ({
    ...one,
    gitDir: n === 0 ? repo.common : (known.get(one.path) ?? null),
  }));
}

/** Parses `worktree list --porcelain -z`: lines end in NUL, entries in an empty line. */
export function parseWorktrees(text: string): Omit<ListedWorktree, "gitDir">[] {
  const entries = text.split("\0\0").filter((entry) => entry.startsWith("worktree "));
  return entries.map((entry) => {
    const lines = new Map(entry.split("\0").map((line) => cut(line)));
    return {
      path: lines.get("worktree") ?? "",
      head: lines.get("HEAD") ?? null,
      branch: lines.get("branch") ?? null,
      bare: lines.has("bare"),
      locked: lines.get("locked") ?? null,
      prunable: lines.has("prunable"),
    };
  });
}

function cut(line: string): readonly [string, string] {
  const space = line.indexOf(" ");
  return space < 0 ? [line, ""] : [line.slice(0, space), line.slice(space + 1)];
}
