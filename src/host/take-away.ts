/** Taking a worktree away: nothing of it is deleted before a ref holds it, and it is looked at twice, here and in the trash. */
import type { Sha } from "../core/ids.ts";
import type { Repository } from "../git/git.ts";
import { readRef } from "../git/refs.ts";
import type { Place } from "../git/registration.ts";
import { type Snapshot, type SnapshotRequest, snapshot, snapshotMoved } from "../git/snapshot.ts";
import { deleteTrash } from "../git/trash.ts";
import { retireWorktree } from "../git/worktree.ts";
import { userOf } from "../process/folder.ts";
import { type Host, trashDir } from "./context.ts";
import { readForeignLock } from "./stays.ts";

/** What a session left behind, and what is said where somebody has changed it since: it is theirs to give away. */
export interface Left {
  readonly tree: Sha;
  readonly changed: string;
}

export type TakenAway = { readonly ref: string } | { readonly why: string };

/**
 * Snapshot, rename into the trash, another look there, then the registration and the files. Where anything is not held by the ref, or
 * a process uses the folder by then, or somebody has locked it with another reason than `ours`, it is where it was and `why` says so.
 * The caller has asked `whyItStays` before. With `left` its files have to be that tree's still.
 */
export async function takeAway(
  host: Host,
  repo: Repository,
  place: Place,
  request: SnapshotRequest,
  ours: string | null,
  left: Left | null = null,
): Promise<TakenAway> {
  const { ref } = request;
  const taken = await snapshot(repo, place, request);
  if (left !== null && taken.tree !== left.tree) return { why: left.changed };
  const missing = await notHeld(repo, taken);
  if (missing !== undefined) return { why: missing };
  let why = "the trash is on another file system";
  const retired = await retireWorktree(repo, place, trashDir(host), async (moved) => {
    const found =
      userOf(moved.worktree) ??
      (await notHeld(repo, await snapshotMoved(repo, moved, request, taken))) ??
      (await readForeignLock(repo, { gitDir: place.gitDir, path: place.worktree }, ours)) ??
      undefined;
    why = found ?? why;
    return found === undefined;
  });
  if (!retired.retired) return { why };
  await throwAway(host, retired);
  return { ref };
}

/** Deletes what was retired. What can't be deleted (files of another user) is in the trash, and tried again at the next start. */
async function throwAway(
  host: Host,
  { trash, metadata }: { readonly trash: string | null; readonly metadata: string | null },
): Promise<void> {
  for (const path of [trash, metadata])
    if (path !== null)
      await deleteTrash(path).catch((error: unknown) =>
        host.log("warn", "A folder stays in the trash: it can't be deleted", {
          path,
          error: String(error),
        }),
      );
}

async function notHeld(
  repo: Repository,
  { left, ref, commit }: Snapshot,
): Promise<string | undefined> {
  const [first] = left;
  if (first !== undefined) {
    const more = left.length === 1 ? "" : ` and ${left.length - 1} more`;
    return `${first.path}${more} can't be kept in a snapshot (${reasons[first.why]})`;
  }
  return (await readRef(repo, ref)) === commit ? undefined : `${ref} does not hold the snapshot`;
}

const reasons = {
  too_large: "a file over 50 MB",
  over_budget: "over 50 MB of ignored files, or 500 MB of untracked ones",
  unreadable: "it can't be read",
  nested_history: "the history of a repository inside that is too large",
} as const satisfies Record<Snapshot["left"][number]["why"], string>;
