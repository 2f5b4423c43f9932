/** Committing what a session left uncommitted, on top of its head: no hooks, no filters of the repository, our own trailer. */
import { join } from "node:path";
import type { Sha } from "../core/ids.ts";
import { capture } from "./capture.ts";
import { type Repository, git } from "./git.ts";
import { treeOf } from "./inspect.ts";
import { type Person, commitTree } from "./merge.ts";
import { loadIndex } from "./private-index.ts";
import { withPrivateDir } from "./private.ts";
import { type Place, pinned, readHeadSha, requirePlace } from "./registration.ts";
import { clearStaleLocks } from "./stale-lock.ts";

/**
 * Commits everything that git would add; returns the new head, or the old one where there is nothing. May be called again after a
 * failure in the middle: what is committed already is not committed twice. Throws Fault `locked`, with nothing changed, where
 * someone else's git works there.
 */
export async function commitAll(
  repo: Repository,
  place: Place,
  message: string,
  author: Person,
): Promise<Sha> {
  await requirePlace(repo, place);
  await clearStaleLocks(place);
  const head = await readHeadSha(repo, place);
  if (head === null) throw new Error(`HEAD of ${place.worktree} names no commit`);
  const tree = await readTree(repo, place, head);
  const commit =
    tree === (await treeOf(repo, head))
      ? head
      : await commitTree(repo, { tree, parents: [head], message, author, committer: author });
  if (commit !== head)
    await git(repo, ["update-ref", "-m", "muster: commit", "HEAD", commit, head], {
      env: pinned(place),
    });
  await git(repo, ["update-ref", "-d", "MERGE_HEAD"], { env: pinned(place), okCodes: [0, 1, 128] });
  await resetIndex(repo, place, commit);
  return commit;
}

/** As a snapshot sees it: with submodules in the index git would run `status` in each, with its own filters. */
async function readTree(repo: Repository, place: Place, head: Sha): Promise<Sha> {
  const { worktree, gitDir } = place;
  return withPrivateDir(repo, { sight: "person", worktree, head }, async (own) => {
    const { entries } = await loadIndex(own, gitDir, head);
    return (await capture(own, worktree, entries, { ignoredBytes: 0, brought: [] })).tree;
  });
}

async function resetIndex(repo: Repository, place: Place, commit: Sha): Promise<void> {
  const index = join(place.gitDir, "index");
  const request = { sight: "person", worktree: place.worktree, index, head: commit } as const;
  await withPrivateDir(repo, request, async (own) => {
    await own.git(["read-tree", "--reset", commit]);
    await own.git(["update-index", "-q", "--refresh"], { okCodes: [0, 1] });
  });
}
