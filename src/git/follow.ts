/**
 * Moves a checkout and its branch together. We hold the checkout's `index.lock` ourselves, with our own token in it, while git
 * works on a copy of the index that then replaces it: no git command of the person's gets in between, and after a crash the
 * lock is provably ours. Order: files, index, ref. So a crash in between shows the new content as staged changes, and a commit
 * made then contains it (git.md §E).
 */
import { link, open, rename, rm, rmdir } from "node:fs/promises";
import { join } from "node:path";
import { Fault } from "../core/fault.ts";
import type { Sha } from "../core/ids.ts";
import { lineOf, type Repository } from "./git.ts";
import { errnoOf, readSmall } from "./files.ts";
import { inCheckout, readMoves, readRefusal, type Move, type Obstacle } from "./checkout.ts";
import { nulTerminated, onDisk, parentsOf, type RawPath } from "./paths.ts";
import { copyDated, putEntries } from "./private-index.ts";
import { updateRef } from "./refs.ts";
import { pinned, type Place } from "./registration.ts";
import { type OnCopy, readSides } from "./sides.ts";
import { shellWord } from "../core/words.ts";

/** Everything that is needed to finish or undo after a crash; written before anything is touched. */
export interface FollowRecord {
  readonly worktree: string;
  readonly gitDir: string;
  readonly target: string;
  readonly old: Sha;
  readonly new: Sha;
  /** What our `index.lock` says. */
  readonly token: string;
}

export function placeOf(repo: Repository, record: FollowRecord): Place {
  return { gitDir: record.gitDir, common: repo.common, worktree: record.worktree };
}

function lockText(record: FollowRecord): string {
  return `muster ${record.token}\n`;
}

/** What `link` says where a file system has no hard links. */
const linkless: ReadonlySet<string | undefined> = new Set([
  "EPERM",
  "ENOTSUP",
  "EOPNOTSUPP",
  "ENOSYS",
]);

/**
 * Takes the checkout's index lock; false where somebody holds it. The lock appears with our token in it: made and then written, a
 * crash in between would leave an empty one, which is nobody's and stays for ever.
 */
export async function takeLock(record: FollowRecord): Promise<boolean> {
  const lock = join(record.gitDir, "index.lock");
  const own = ownLock(record);
  try {
    await writeNew(own, lockText(record));
    await link(own, lock).catch((error: unknown) => {
      if (!linkless.has(errnoOf(error))) throw error;
      return writeNew(lock, lockText(record));
    });
    return true;
  } catch (error) {
    if (errnoOf(error) === "EEXIST") return false;
    throw error;
  } finally {
    await rm(own, { force: true });
  }
}

async function writeNew(path: string, text: string): Promise<void> {
  const file = await open(path, "wx", 0o600);
  try {
    await file.writeFile(text);
    await file.sync();
  } finally {
    await file.close();
  }
}

/** Releases the lock and removes our copies; a lock that is not ours stays. */
export async function dropLock(record: FollowRecord): Promise<void> {
  const copy = indexCopy(record);
  for (const path of [copy, `${copy}.lock`, ownLock(record)]) await rm(path, { force: true });
  const lock = join(record.gitDir, "index.lock");
  if ((await readSmall(lock)) === lockText(record)) await rm(lock, { force: true });
}

function indexCopy(record: FollowRecord): string {
  return join(record.gitDir, `index.muster-${record.token}`);
}

/** Our lock before it is the checkout's. */
function ownLock(record: FollowRecord): string {
  return `${indexCopy(record)}.own`;
}

/** Copies the index and returns how to work on the copy. Needs the lock. */
export async function copyIndex(repo: Repository, record: FollowRecord): Promise<OnCopy> {
  const copy = indexCopy(record);
  await copyDated(join(record.gitDir, "index"), copy);
  const place = placeOf(repo, record);
  return (args, call = {}) =>
    inCheckout(repo, place, args, { ...call, env: { GIT_INDEX_FILE: copy } });
}

/** Puts the copy in the index's place. */
export async function publishIndex(record: FollowRecord): Promise<void> {
  await rename(indexCopy(record), join(record.gitDir, "index"));
}

/** Two-tree read-tree of files and index copy. */
function moveFiles(onCopy: OnCopy, from: Sha, to: Sha): Promise<Obstacle | null> {
  return readRefusal(onCopy, ["-m", "-u", from, to]);
}

export type Followed =
  | { readonly followed: true }
  | { readonly followed: false; readonly obstacle: Obstacle | null };

/** The whole move, with the lock held: files, index, ref. Without an obstacle, `followed: false` means that the ref had moved. */
export async function follow(repo: Repository, record: FollowRecord): Promise<Followed> {
  const onCopy = await copyIndex(repo, record);
  // A file that was only touched would be refused.
  await onCopy(["update-index", "-q", "--refresh"], { okCodes: [0, 1] });
  const refused = await moveFiles(onCopy, record.old, record.new);
  if (refused !== null) {
    await rollBack(repo, record);
    return { followed: false, obstacle: refused };
  }
  await publishIndex(record);
  if ((await moveRef(repo, record)) === "moved") return { followed: true };
  await goBack(repo, record);
  return { followed: false, obstacle: null };
}

/** Compare-and-swap of the target, seen from the checkout, so that its HEAD's reflog has it too. */
export function moveRef(repo: Repository, record: FollowRecord): Promise<"moved" | "raced"> {
  const env = pinned(placeOf(repo, record));
  const options = { reason: "muster: land", env };
  return updateRef(repo, `refs/heads/${record.target}`, record.new, record.old, options);
}

/**
 * Takes files and index back to OLD after the ref turned out to have moved: by read-tree, which refuses where the person has
 * changed such a file since. Throws Fault `needs_person` then.
 */
export async function goBack(repo: Repository, record: FollowRecord): Promise<void> {
  const onCopy = await copyIndex(repo, record);
  await onCopy(["update-index", "-q", "--refresh"], { okCodes: [0, 1] });
  const refused = await moveFiles(onCopy, record.new, record.old);
  if (refused === null) return publishIndex(record);
  throw new Fault(
    "needs_person",
    `${record.target} moved while ${record.worktree} was following it, and its files can't go back: ${refused.detail}`,
    {
      remedy: `to see what changed, run git -C ${shellWord(record.worktree)} status`,
    },
  );
}

/**
 * Undoes a read-tree that stopped half way, while the index still says OLD: files that equal NEW, or are the beginning of it,
 * become OLD again. A file that is neither is the person's and stays.
 */
export async function rollBack(repo: Repository, record: FollowRecord): Promise<void> {
  const moves = await readMoves(repo, record.old, record.new);
  const onCopy = await copyIndex(repo, record);
  const listed = await onCopy(["ls-files", "-s", "-z"]);
  const index = new Set(listed.stdout.toString("latin1").split("\0"));
  const paths = new Set([...index].map((line) => line.slice(line.indexOf("\t") + 1)));
  const isOld = (move: Move): boolean =>
    index.has(`${move.oldMode} ${move.oldSha} 0\t${move.path}`);
  const restored: Move[] = [];
  for (const { move, side } of await readSides(onCopy, record.worktree, moves)) {
    const isOurs = side === "new" || side === "cut";
    if (move.status === "A") {
      // What the index names by now is the person's: they have added or committed it since.
      if (isOurs && !paths.has(move.path)) await removeFile(record.worktree, move.path);
    } else if (isOld(move) && (isOurs || side === "missing")) restored.push(move);
  }
  if (restored.length === 0) return;
  const input = nulTerminated(restored.map(({ path }) => path));
  await onCopy(["checkout-index", "-f", "-u", "-q", "-z", "--stdin"], { input });
  await onCopy(["update-index", "-q", "--refresh"], { okCodes: [0, 1] });
  await publishIndex(record);
}

/** Removes a file and the folders above it that are empty then. */
async function removeFile(worktree: string, path: RawPath): Promise<void> {
  await rm(onDisk(worktree, path), { force: true });
  for (const parent of parentsOf(path).toReversed()) {
    await rmdir(onDisk(worktree, parent)).catch(() => {});
  }
}

/**
 * Goes on with a read-tree that was killed half way (git.md §E3): what already equals NEW is entered as such, what is only the
 * beginning of NEW is deleted, then read-tree does the rest.
 */
export async function goOn(repo: Repository, record: FollowRecord): Promise<Obstacle | null> {
  const moves = await readMoves(repo, record.old, record.new);
  const onCopy = await copyIndex(repo, record);
  const sides = await readSides(onCopy, record.worktree, moves);
  for (const { move, side } of sides) {
    if (side === "cut") await rm(onDisk(record.worktree, move.path), { force: true });
  }
  const done = sides.filter(({ side }) => side === "new").map(({ move }) => move);
  await putEntries(
    { git: onCopy },
    done.map((move) => ({ path: move.path, entry: move.status === "D" ? null : move })),
  );
  await onCopy(["update-index", "-q", "--refresh"], { okCodes: [0, 1] });
  const refused = await moveFiles(onCopy, record.old, record.new);
  if (refused === null) await publishIndex(record);
  return refused;
}

/** True where the checkout's index already has NEW in every path that moves. */
export async function isIndexNew(repo: Repository, record: FollowRecord): Promise<boolean> {
  const place = placeOf(repo, record);
  const args = [
    "diff-index",
    "--cached",
    "--name-only",
    "-z",
    "--ignore-submodules=dirty",
    record.new,
  ];
  const differing = new Set(
    (await inCheckout(repo, place, args)).stdout.toString("latin1").split("\0"),
  );
  const moves = await readMoves(repo, record.old, record.new);
  return moves.every(({ path }) => !differing.has(path));
}

/** The commit a branch is at, from the checkout's side. */
export async function readTarget(repo: Repository, record: FollowRecord): Promise<Sha | null> {
  const args = ["rev-parse", "--verify", "-q", `refs/heads/${record.target}`];
  const found = await inCheckout(repo, placeOf(repo, record), args, { okCodes: [0, 1, 128] });
  return found.code === 0 ? lineOf(found) : null;
}
