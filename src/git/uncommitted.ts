/** How much of a person's checkout is not committed, for telling them that sessions will not see it. */
import { type Repository, git } from "./git.ts";
import { rootEnv } from "./refs.ts";

/** Files changed, staged or untracked in the checkout that `repo` was opened in. Runs none of its hooks and no fsmonitor. */
export async function countUncommitted(repo: Repository): Promise<number> {
  const args = [
    "status",
    "--porcelain",
    "-z",
    "--untracked-files=normal",
    "--no-renames",
    "--ignore-submodules=dirty",
  ];
  const found = await git(repo, args, { cwd: repo.root, env: rootEnv(repo) });
  return found.stdout
    .toString("latin1")
    .split("\0")
    .filter((entry) => entry !== "").length;
}
