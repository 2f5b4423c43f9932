/**
 * A registration whose folder is gone. It may be the only one that still names a commit or what was staged: that goes behind a ref
 * first, then exactly this registration goes. Branches stay.
 */
import { join } from "node:path";
import { Fault } from "../core/fault.ts";
import { shaPattern, type Sha } from "../core/ids.ts";
import { readStat } from "./files.ts";
import { git, lineOf, longMs, type Repository } from "./git.ts";
import { commitHistory } from "./history.ts";
import { commitTree, muster } from "./merge.ts";
import { loadIndex } from "./private-index.ts";
import { withPrivateDir } from "./private.ts";
import { readRef, readSymbolicHead, updateRef } from "./refs.ts";
import { pinned, readHeadSha, type Place } from "./registration.ts";
import { deleteTrash, retireWorktree } from "./worktree.ts";

export interface LetGoRequest {
  /** Where what only the registration names is held. */
  readonly ref: string;
  readonly message: string;
  readonly trashDir: string;
}

/** The ref that holds what would have been lost, null where a branch holds all of it; or why the registration stays. */
export type LetGo = { readonly ref: string | null } | { readonly why: string };

/** Lets go of a worktree whose folder is gone. Throws Fault `refused` where the registration is not what git wrote. */
export async function letGoOf(
  repo: Repository,
  place: Place,
  { ref, message, trashDir }: LetGoRequest,
): Promise<LetGo> {
  if ((await readStat(place.worktree)) !== undefined) return { why: "its folder is there again" };
  if ((await readStat(join(place.gitDir, "modules"))) !== undefined)
    return { why: "it holds histories of submodules, which no snapshot has" };
  const held = await hold(repo, place, ref, message);
  // A folder that came back meanwhile stays where it is, with its registration.
  const retired = await retireWorktree(repo, place, trashDir, async () => false);
  if (!retired.retired) return { why: "its folder is there again" };
  if (retired.metadata !== null) await deleteTrash(retired.metadata);
  return { ref: held };
}

async function hold(
  repo: Repository,
  place: Place,
  ref: string,
  message: string,
): Promise<string | null> {
  const head = await readHeadSha(repo, place);
  const branch = await readSymbolicHead(repo, pinned(place));
  const isOnBranch = head === null || (branch !== null && (await readRef(repo, branch)) === head);
  const history = await commitHistory(repo, place, head);
  const staged = await readStaged(repo, place, head);
  const headTree = head === null ? null : await readTree(repo, head);
  if (isOnBranch && history === null && (staged === null || staged === headTree)) return null;
  const tree = staged ?? headTree ?? (history === null ? null : await readTree(repo, history));
  if (tree === null) return null;
  // What the ref held before stays reachable.
  const old = await readRef(repo, ref);
  const commit = await commitTree(repo, {
    tree,
    parents: [head, history, old].filter((sha) => sha !== null),
    message: `${message}\n`,
    author: muster,
    committer: muster,
  });
  if ((await updateRef(repo, ref, commit, old, { reason: "muster: rescue" })) === "raced")
    throw new Fault("conflict", `${ref} was moved meanwhile`, {
      remedy: "muster doctor --repair",
    });
  return ref;
}

/** The tree of the index; null where there is none, or it can't be written. */
async function readStaged(repo: Repository, place: Place, head: Sha | null): Promise<Sha | null> {
  return withPrivateDir(repo, { sight: "sealed" }, async (own) => {
    const { entries, seeded } = await loadIndex(own, place.gitDir, head);
    if (seeded || entries.length === 0) return null;
    const written = await own.git(["write-tree"], { okCodes: [0, 128], timeoutMs: longMs });
    const tree = lineOf(written);
    return written.code === 0 && shaPattern.test(tree) ? tree : null;
  });
}

async function readTree(repo: Repository, commit: Sha): Promise<Sha> {
  return lineOf(await git(repo, ["rev-parse", "--verify", "-q", `${commit}^{tree}`]));
}
