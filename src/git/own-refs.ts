/** What muster has put into a repository: its refs and its branches, counted. */
import { type Repository, git } from "./git.ts";

export async function countOwnRefs(
  repo: Repository,
): Promise<{ readonly refs: number; readonly branches: number }> {
  const listed = await git(repo, [
    "for-each-ref",
    "--format=%(refname)",
    "refs/muster/",
    "refs/heads/muster/",
    "refs/heads/muster-run_*/",
  ]);
  const names = listed.stdout
    .toString("utf8")
    .split("\n")
    .filter((name) => name !== "");
  const refs = names.filter((name) => name.startsWith("refs/muster/")).length;
  return { refs, branches: names.length - refs };
}
