/**
 * A registration whose folder is gone. It may be the only one that still names a commit or what was staged: that goes behind a ref
 * first, then exactly this registration goes. Branches stay.
 */
import { join } from "node:path";
import { Fault } from "../core/fault.ts";
import type { Sha } from "../core/ids.ts";
import { readStat } from "./files.ts";
import { git, lineOf, type Repository } from "./git.ts";
import { commitHistory, readHistory } from "./history.ts";
import { commitTree, muster } from "./merge.ts";
import { loadIndex } from "./private-index.ts";
import { withPrivateDir } from "./private.ts";
import { readRef, readSymbolicHead, updateRef } from "./refs.ts";
import { pinned, readHeadSha, type Place } from "./registration.ts";
import { type Staged, captureStaged, nothingStaged } from "./staged.ts";
import { deleteTrash } from "./trash.ts";
import { retireWorktree } from "./worktree.ts";

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
  const staged = await readStaged(repo, place);
  if (staged === undefined)
    return { why: "its index can't be read, and only that names what was staged" };
  const held = await hold(repo, place, staged, { ref, message });
  // A folder that came back meanwhile stays where it is, with its registration.
  const retired = await retireWorktree(repo, place, trashDir, async () => false);
  if (!retired.retired) return { why: "its folder is there again" };
  if (retired.metadata !== null) await deleteTrash(retired.metadata);
  return { ref: held };
}

async function hold(
  repo: Repository,
  place: Place,
  staged: Staged,
  { ref, message }: Pick<LetGoRequest, "ref" | "message">,
): Promise<string | null> {
  const head = await readHeadSha(repo, place);
  const branch = await readSymbolicHead(repo, pinned(place));
  const isOnBranch = head === null || (branch !== null && (await readRef(repo, branch)) === head);
  const history = await commitHistory(repo, await readHistory(repo, place, head));
  const headTree = head === null ? null : await readTree(repo, head);
  const index = staged.tree ?? staged.stages;
  if (isOnBranch && history === null && (index === null || index === headTree)) return null;
  const tree = index ?? headTree ?? (history === null ? null : await readTree(repo, history));
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

/** What the index holds; undefined where it can't be read. */
async function readStaged(repo: Repository, place: Place): Promise<Staged | undefined> {
  return withPrivateDir(repo, { sight: "sealed" }, async (own) => {
    const { entries, unread } = await loadIndex(own, place.gitDir, null);
    if (unread) return undefined;
    return entries.length === 0 ? nothingStaged : captureStaged(own, entries);
  });
}

async function readTree(repo: Repository, commit: Sha): Promise<Sha> {
  return lineOf(await git(repo, ["rev-parse", "--verify", "-q", `${commit}^{tree}`]));
}
