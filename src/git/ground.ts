/** The ground truth of a worktree: what is committed in it, what is not, and what git is in the middle of. */
import type { Sha } from "../core/ids.ts";
import type { Repository } from "./git.ts";
import { log, readHead, readUncommitted } from "./inspect.ts";
import { shown } from "./paths.ts";
import type { Operation, Place } from "./registration.ts";
import type { Uncommitted } from "./status.ts";

export interface Ground {
  readonly head: Sha;
  /** Short name of the branch that HEAD is on; null where it is detached. */
  readonly branch: string | null;
  /** Since the base, newest first; at most 1,000. */
  readonly commits: readonly { readonly sha: Sha; readonly subject: string }[];
  readonly uncommitted: readonly { readonly state: Uncommitted["state"]; readonly path: string }[];
  readonly operation: Operation | null;
}

/** Reads it without a lock and without running anything that the worktree configures. Throws as `readHead` does. */
export async function readGround(repo: Repository, place: Place, base: Sha): Promise<Ground> {
  const { head, branch, operation } = await readHead(repo, place, base);
  const commits = await log(repo, base, head);
  const uncommitted = await readUncommitted(repo, place, head);
  return {
    head,
    branch,
    operation,
    commits: commits.map(({ sha, message }) => ({ sha, subject: message.split("\n")[0] ?? "" })),
    uncommitted: uncommitted.map(({ state, path }) => ({ state, path: shown(path) })),
  };
}
