/** What muster has put into a repository: its refs and its branches, counted. */
import type { Sha } from "../core/ids.ts";
import { type Repository, git } from "./git.ts";

export async function countOwnRefs(
  repo: Repository,
): Promise<{ readonly refs: number; readonly branches: number }> {
  const listed = await git(repo, [
    "for-each-ref",
    "--format=%(refname)",
    "refs/muster/",
    "refs/heads/muster/",
    "refs/heads/muster-run_*/**",
  ]);
  const names = listed.stdout
    .toString("utf8")
    .split("\n")
    .filter((name) => name !== "");
  const refs = names.filter((name) => name.startsWith("refs/muster/")).length;
  return { refs, branches: names.length - refs };
}

/** Refs below `below`, which ends in a slash or is a pattern of for-each-ref, with what they point to. */
export async function listRefs(
  repo: Repository,
  below: string,
): Promise<{ readonly ref: string; readonly sha: Sha }[]> {
  const listed = await git(repo, ["for-each-ref", "--format=%(objectname) %(refname)", below]);
  const lines = listed.stdout.toString("utf8").split("\n");
  return lines.flatMap((line) => {
    const [sha = "", ref] = line.split(" ");
    return ref === undefined ? [] : [{ ref, sha }];
  });
}
