/**
 * Branches of muster's own that work lands on where a person's checkout is to be left alone (`follow: integration`): each stands
 * for a branch of theirs, and takes along what happens on that one.
 */
import type { Sha } from "../core/ids.ts";
import type { Repository } from "./git.ts";
import { isAncestor } from "./inspect.ts";
import { commitTree, mergeTree, muster } from "./merge.ts";
import { branchPrefix, readRef, updateRef } from "./refs.ts";

/** What the name of such a branch begins with; the branch that it stands for follows. */
export async function integrationPrefix(repo: Repository): Promise<string> {
  return `${await branchPrefix(repo)}integration/`;
}

/** What a landing on a target stands on. */
export type LandingBase =
  /** `head`: where the branch is now, for its compare-and-swap; `base`: that, with the person's branch merged in. */
  { readonly head: Sha; readonly base: Sha } | { readonly why: string };

/**
 * Reads what the next landing on `target` stands on. A branch that stands for a person's is made where it is missing, at theirs;
 * where theirs has gone on, it is merged in, in memory. `why` where a branch is missing or the two conflict.
 */
export async function readLandingBase(
  repo: Repository,
  { target, standsFor }: { readonly target: string; readonly standsFor: string | null },
): Promise<LandingBase> {
  const ref = `refs/heads/${target}`;
  const own = await readRef(repo, ref);
  if (standsFor === null)
    return own === null ? { why: `branch ${target} does not exist` } : { head: own, base: own };
  const theirs = await readRef(repo, `refs/heads/${standsFor}`);
  if (theirs === null) return { why: `branch ${standsFor} does not exist` };
  if (own === null) {
    await updateRef(repo, ref, theirs, null, { reason: `muster: stands for ${standsFor}` });
    return { head: theirs, base: theirs };
  }
  if (await isAncestor(repo, theirs, own)) return { head: own, base: own };
  if (await isAncestor(repo, own, theirs)) return { head: own, base: theirs };
  const merged = await mergeTree(repo, own, theirs);
  if (!merged.clean)
    return {
      why: `${standsFor} conflicts with ${target} in ${merged.paths.slice(0, 3).join(", ")}`,
    };
  const base = await commitTree(repo, {
    tree: merged.tree,
    parents: [own, theirs],
    message: `Merge ${standsFor}\n`,
    author: muster,
    committer: muster,
  });
  return { head: own, base };
}
