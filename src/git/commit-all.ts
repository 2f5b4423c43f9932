/** Committing what a session left uncommitted, on top of its head: no hooks, no filters of the repository, our own trailer. */
import { join } from "node:path";
import type { Sha } from "../core/ids.ts";
import { capture } from "./capture.ts";
import { type Repository, git } from "./git.ts";
import { type Person, commitTree } from "./merge.ts";
import { loadIndex } from "./private-index.ts";
import { withPrivateDir } from "./private.ts";
import { type Place, pinned, readHeadSha, requirePlace } from "./registration.ts";

/** Commits everything that git would add; returns the new head, or the old one where there is nothing. */
export async function commitAll(
  repo: Repository,
  place: Place,
  message: string,
  author: Person,
): Promise<Sha> {
  await requirePlace(repo, place);
  const head = await readHeadSha(repo, place);
  if (head === null) throw new Error(`HEAD of ${place.worktree} names no commit`);
  const tree = await withPrivateDir(
    repo,
    { sight: "person", worktree: place.worktree, head },
    async (own) => {
      const { entries } = await loadIndex(own, place.gitDir, head);
      // As a snapshot sees it: with submodules in the index git would run `status` in each, with its own filters.
      return (await capture(own, place.worktree, entries, { ignoredBytes: 0, brought: [] })).tree;
    },
  );
  const commit = await commitTree(repo, {
    tree,
    parents: [head],
    message,
    author,
    committer: author,
  });
  await git(repo, ["update-ref", "-m", "muster: commit", "HEAD", commit, head], {
    env: pinned(place),
  });
  await git(repo, ["update-ref", "-d", "MERGE_HEAD"], { env: pinned(place), okCodes: [0, 1, 128] });
  const index = join(place.gitDir, "index");
  await withPrivateDir(
    repo,
    { sight: "person", worktree: place.worktree, index, head: commit },
    async (own) => {
      await own.git(["read-tree", "--reset", commit]);
      await own.git(["update-index", "-q", "--refresh"], { okCodes: [0, 1] });
    },
  );
  return commit;
}
