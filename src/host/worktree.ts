/** The worktree of an attempt, as long as there is one: a person, or the session itself, may have deleted it. */
import { existsSync } from "node:fs";
import { Fault } from "../core/fault.ts";
import type { Attempt, Worktree } from "../core/attempt.ts";

/**
 * Throws Fault `refused` where the attempt has no worktree, or no more. It is not made again here: whoever deleted it may have meant
 * that, what came behind the last snapshot is gone with it, and a session that goes on would not know. Git's registration of it stays
 * too: a folder that was only moved away still needs it.
 */
export function requireWorktree({ id, run, task, worktree, snapshots }: Attempt): Worktree {
  if (worktree === null) throw new Fault("refused", `attempt ${id} has no worktree`);
  if (existsSync(worktree.path)) return worktree;
  const address = `${run}/${task}`;
  const kept =
    snapshots === 0
      ? `its branch ${worktree.branch} is kept`
      : `its branch ${worktree.branch} and its snapshots are kept; to have the files back, run muster restore ${address}`;
  throw new Fault(
    "refused",
    `its worktree is gone: ${worktree.path}; ${kept}; to start anew, run muster retry ${address}`,
    { remedy: `muster retry ${address}` },
  );
}
