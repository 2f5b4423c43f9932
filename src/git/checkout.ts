/**
 * The checkout that follows when a branch moves: whose it is, and what of its owner's would be in the way. git's own movers
 * silently overwrite an ignored file where a new one goes (git.md §1.4), so every path that would be written is looked at here.
 */
import { Buffer } from "node:buffer";
import { mkdtemp, rm } from "node:fs/promises";
import { join } from "node:path";
import type { Sha } from "../core/ids.ts";
import { readSmall, readStat } from "./files.ts";
import { git, longMs, type GitCall, type GitOutput, type Repository } from "./git.ts";
import { onDisk, parentsOf, rawPaths, shown, type RawPath } from "./paths.ts";
import { copyDated } from "./private-index.ts";
import { sealed } from "./private.ts";
import { readSymbolicHead } from "./refs.ts";
import { pinned, readOperation, type Place } from "./registration.ts";
import { weigh } from "./walk.ts";
import { listWorktrees } from "./list.ts";

/** A path that differs between two commits. */
export interface Move {
  readonly path: RawPath;
  readonly status: "A" | "M" | "D" | "T";
  readonly oldMode: string;
  readonly oldSha: Sha;
  readonly mode: string;
  readonly sha: Sha;
}

export interface Obstacle {
  readonly paths: readonly string[];
  readonly detail: string;
}

/** Runs git in a person's checkout: their configuration and filters, none of their hooks. */
export function inCheckout(
  repo: Repository,
  place: Place,
  args: readonly string[],
  call: GitCall = {},
): Promise<GitOutput> {
  const env = { ...pinned(place), ...call.env };
  // The path is among the arguments so that a process that outlives us can be found (`alive.ts`).
  return git(repo, [`--work-tree=${place.worktree}`, ...args], {
    cwd: place.worktree,
    timeoutMs: longMs,
    ...call,
    env,
  });
}

/** The paths that differ between two commits, renames as a deletion and an addition. */
export async function readMoves(repo: Repository, from: Sha, to: Sha): Promise<Move[]> {
  const out = await sealed(repo, ["diff-tree", "-r", "-z", "--no-renames", "--raw", from, to], {
    timeoutMs: longMs,
  });
  const parts = rawPaths(out.stdout);
  const moves: Move[] = [];
  for (let n = 0; n + 1 < parts.length; n += 2) {
    const [oldMode = "", mode = "", oldSha = "", sha = "", status = ""] = (parts[n] ?? "")
      .slice(1)
      .split(" ");
    if (status === "A" || status === "M" || status === "D" || status === "T") {
      moves.push({ path: parts[n + 1] ?? "", status, oldMode, oldSha, mode, sha });
    }
  }
  return moves;
}

/** A worktree and the branches that are in use there. */
export interface Checkout {
  /** As git lists it. */
  readonly path: string;
  readonly place: Place;
  /** Checked out, or in the middle of a rebase or bisect; full names. */
  readonly refs: readonly string[];
}

/** All worktrees with a place of their own, without those whose folder is gone for good. */
export async function listCheckouts(repo: Repository): Promise<Checkout[]> {
  const listed = await listWorktrees(repo);
  const found = listed.map(async ({ path, gitDir, bare, prunable, branch }) => {
    if (bare || prunable || gitDir === null) return [];
    // With a separate git directory git names the main worktree wrongly; where we were called in it, we know better.
    const worktree = gitDir === repo.gitDir ? repo.root : path;
    const refs = [...(branch === null ? [] : [branch]), ...(await readRebased(gitDir))];
    return [{ path, place: { gitDir, common: repo.common, worktree }, refs }];
  });
  return (await Promise.all(found)).flat();
}

/** The places of worktrees where the branch is in use, without those that `isOurs` knows. */
export async function readCheckouts(
  repo: Repository,
  ref: string,
  isOurs: (path: string) => boolean,
): Promise<Place[]> {
  const all = await listCheckouts(repo);
  return all
    .filter(({ path, refs }) => refs.includes(ref) && !isOurs(path))
    .map((one) => one.place);
}

async function readRebased(gitDir: string): Promise<string[]> {
  const names = ["rebase-merge/head-name", "rebase-apply/head-name", "BISECT_START"];
  const texts = await Promise.all(names.map((name) => readSmall(join(gitDir, name))));
  return texts.flatMap((text) => {
    const name = text?.trim() ?? "";
    return name === "" ? [] : [name.startsWith("refs/") ? name : `refs/heads/${name}`];
  });
}

/** What git state of the checkout keeps it from following, or null. */
export async function readBusy(
  repo: Repository,
  place: Place,
  ref: string,
): Promise<Obstacle | null> {
  const operation = await readOperation(place.gitDir);
  if (operation !== null)
    return { paths: [], detail: `a ${operation} is under way in ${place.worktree}` };
  if ((await readSymbolicHead(repo, pinned(place))) !== ref) {
    return { paths: [], detail: `HEAD of ${place.worktree} is not ${ref}` };
  }
  return null;
}

/**
 * What of the person's would be in the way of going from `old` to `next`, or null. Everything they changed in a
 * path that moves counts, also a deletion and content that already equals the new one: going back would undo it.
 */
export async function readObstacle(
  repo: Repository,
  place: Place,
  old: Sha,
  next: Sha,
): Promise<Obstacle | null> {
  if ((await readStat(join(place.gitDir, "index.lock"))) !== undefined) {
    return { paths: [], detail: `another git command holds ${place.gitDir}/index.lock` };
  }
  const dir = await mkdtemp(join(repo.scratch, "muster-look-"));
  try {
    const index = join(dir, "index");
    await copyDated(join(place.gitDir, "index"), index);
    return await readOnCopy(place, await readMoves(repo, old, next), {
      trees: [old, next],
      look: (args, call = {}) =>
        inCheckout(repo, place, args, { ...call, env: { GIT_INDEX_FILE: index } }),
    });
  } finally {
    await rm(dir, { recursive: true, force: true });
  }
}

interface Look {
  readonly trees: readonly [Sha, Sha];
  /** On a copy of the index: a git that is killed while it looks leaves no lock in the checkout. */
  readonly look: (args: readonly string[], call?: GitCall) => Promise<GitOutput>;
}

async function readOnCopy(
  { worktree }: Place,
  moves: readonly Move[],
  { trees: [old, next], look }: Look,
): Promise<Obstacle | null> {
  const refreshed = await look(["update-index", "-q", "--refresh"], { okCodes: [0, 1, 128] });
  if (refreshed.code === 128)
    return { paths: [], detail: `git can't refresh the index of ${worktree}` };
  const names = ["--name-only", "-z", "--ignore-submodules=dirty", "--no-renames"];
  const unstaged = await look(["diff-files", ...names]);
  const staged = await look(["diff-index", "--cached", ...names, old]);
  const theirs = new Set([...rawPaths(unstaged.stdout), ...rawPaths(staged.stdout)]);
  const edited = moves.filter(({ path }) => theirs.has(path)).map(({ path }) => path);
  if (edited.length > 0) return inTheWay(edited, "changed and not committed");
  const taken = await readTaken(worktree, moves);
  if (taken.length > 0) return inTheWay(taken, "untracked or ignored, where a new file goes");
  // What only git knows: unmerged entries, edits hidden by assume-unchanged or skip-worktree.
  return readRefusal(look, ["-n", "-m", "-u", old, next]);
}

/** Runs `read-tree`; git's refusal as an obstacle, null where it went through. */
export async function readRefusal(
  onIndex: (args: readonly string[], call?: GitCall) => Promise<GitOutput>,
  args: readonly string[],
): Promise<Obstacle | null> {
  // One process: workers would go on writing after git itself was killed.
  const workers = ["-c", "checkout.workers=1"];
  // 135: SIGBUS, from a file that shrinks while git reads it.
  const done = await onIndex([...workers, "read-tree", ...args], { okCodes: [0, 1, 128, 135] });
  if (done.code === 0) return null;
  const paths = [
    ...done.stderr.matchAll(
      /^error: (?:Entry|Untracked working tree file) '(.*)' (?:not|would|cannot)/gm,
    ),
  ];
  const said = Buffer.from(done.stderr, "latin1").toString("utf8").split("\n", 1)[0] ?? "";
  return {
    paths: paths.map((match) => shown(match[1] ?? "")),
    detail: said.replace(/^(?:error|fatal): /, "") || "git stopped while it moved the files",
  };
}

function inTheWay(paths: readonly RawPath[], why: string): Obstacle {
  const sorted = [...new Set(paths)].toSorted();
  return {
    paths: sorted.map(shown),
    detail: `${sorted.length} ${sorted.length === 1 ? "file is" : "files are"} ${why}`,
  };
}

/** Paths at which something lies that `old` doesn't track and that a written file, or its folders, would replace. */
async function readTaken(worktree: string, moves: readonly Move[]): Promise<RawPath[]> {
  const leaving = new Set(moves.filter(({ status }) => status === "D").map(({ path }) => path));
  const checked = new Map<RawPath, boolean>();
  const taken: RawPath[] = [];
  for (const { path, status } of moves) {
    if (status === "D") continue;
    for (const parent of parentsOf(path)) {
      if (!checked.has(parent)) checked.set(parent, await isTakenFolder(worktree, parent, leaving));
      if (checked.get(parent) === true) taken.push(parent);
    }
    if (status === "A") taken.push(...(await readTakenAt(worktree, path, leaving)));
  }
  return taken;
}

/** A file or link where a folder must be, unless it is a tracked file that goes. */
async function isTakenFolder(
  worktree: string,
  path: RawPath,
  leaving: ReadonlySet<RawPath>,
): Promise<boolean> {
  const stats = await readStat(onDisk(worktree, path));
  return stats !== undefined && !stats.isDirectory() && !leaving.has(path);
}

async function readTakenAt(
  worktree: string,
  path: RawPath,
  leaving: ReadonlySet<RawPath>,
): Promise<RawPath[]> {
  const stats = await readStat(onDisk(worktree, path));
  if (stats === undefined) return [];
  if (!stats.isDirectory()) return [path];
  // A folder whose tracked files all go gives way; anything else in it is the person's.
  const inside = await weigh(worktree, path, Number.POSITIVE_INFINITY);
  if (!inside.whole || inside.nested.length > 0) return [path];
  return inside.files.filter((file) => !leaving.has(file));
}
