/** The worktree of an attempt, as long as there is one: a person, or the session itself, may have deleted it. */
import { existsSync } from "node:fs";
import { Fault } from "../core/fault.ts";
import type { Attempt, Worktree } from "../core/attempt.ts";

/** The worktree is not there any more: no waiting brings it back. */
export class WorktreeGone extends Fault {
  constructor(message: string, remedy: string) {
    super("refused", message, { remedy });
  }
}

/**
 * Throws Fault `refused` where the attempt has no worktree, WorktreeGone where it has none any more. It is not made again here: whoever deleted it may have meant
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
  throw new WorktreeGone(
    `its worktree is gone: ${worktree.path}; ${kept}; to start anew, run muster retry ${address}`,
    `muster retry ${address}`,
  );
}
