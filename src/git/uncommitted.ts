/** How much of a person's checkout is not committed, for telling them that sessions will not see it. */
import type { Repository } from "./git.ts";
import { loadIndex } from "./private-index.ts";
import { withPrivateDir } from "./private.ts";
import { resolve } from "./refs.ts";
import { readStatus } from "./status.ts";

/** Files changed, staged or untracked in the checkout that `repo` was opened in. No hook, filter or fsmonitor of the repository runs. */
export async function countUncommitted(repo: Repository): Promise<number> {
  const head = await resolve(repo, "HEAD");
  if (head === undefined) return 0;
  return withPrivateDir(repo, { sight: "person", worktree: repo.root, head }, async (own) => {
    await loadIndex(own, repo.gitDir, head);
    return (await readStatus(own)).length;
  });
}
