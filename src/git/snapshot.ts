/**
 * Snapshots: everything in a worktree as commits behind a ref, without touching the worktree, its index or its branch. The
 * snapshot's tree is the files as they are, byte for byte: tracked, staged, unstaged, untracked, nested repositories as plain
 * folders. Beside it, as further parents that trailers name: the head, the staged tree or unmerged entries, commits that only the worktree's reflog
 * still names, ignored files with submodule contents, and what is in the `.git` of nested repositories.
 * What is not in it is in `left`: then the worktree must not be removed. `restore.ts` reads what is written here.
 */
import { join } from "node:path";
import { Fault } from "../core/fault.ts";
import type { Sha } from "../core/ids.ts";
import type { Left } from "./add-files.ts";
import { capture } from "./capture.ts";
import { errnoOf, readStat } from "./files.ts";
import { commitHistory, readHistory } from "./history.ts";
import { longMs, type Repository } from "./git.ts";
import { commitTree, muster } from "./merge.ts";
import { shown } from "./paths.ts";
import { loadIndex } from "./private-index.ts";
import { withPrivateDir } from "./private.ts";
import { readRef, requireSha, updateRef } from "./refs.ts";
import { readHeadSha, requirePlace, type Place } from "./registration.ts";
import { captureStaged, nothingStaged } from "./staged.ts";
import { weigh } from "./walk.ts";

export interface SnapshotRequest {
  readonly ref: string;
  /** One line or more; trailers and the list of what was left are added. */
  readonly message: string;
  /** Default: the worktree's head. */
  readonly parents?: readonly Sha[];
  /** Bytes of ignored files, submodule contents and nested histories to keep. Default 50 MB; smaller entries come first. */
  readonly ignoredBudgetBytes?: number;
  /** What setup or `copy` brought, as paths relative to the worktree: ignored files in them are neither kept nor listed. */
  readonly brought?: readonly string[];
}

export interface Snapshot {
  readonly commit: Sha;
  readonly tree: Sha;
  readonly ref: string;
  /** Commit with the staged tree; null where the index was no tree. */
  readonly staged: Sha | null;
  /** Commit with the entries of an index that was no tree, by stage. */
  readonly unmerged: Sha | null;
  /** Commit with ignored files and submodule contents. */
  readonly ignored: Sha | null;
  readonly left: readonly Left[];
  /** Equal for two snapshots that hold the same. */
  readonly content: string;
}

const defaultIgnoredBytes = 50 * 1024 * 1024;
/** Names of left-out files in a commit message; the result has all of them. */
const maxNamed = 200;

/**
 * Takes a snapshot and puts it at `ref`; a snapshot that is there already becomes a parent of the new one. Tries once more
 * where files or git's object folders changed underneath. Throws Fault `refused` where the worktree's registration was
 * tampered with, `git_failed` where it fails twice, `conflict` where someone else moved the ref meanwhile.
 */
export async function snapshot(
  repo: Repository,
  place: Place,
  request: SnapshotRequest,
): Promise<Snapshot> {
  await requirePlace(repo, place);
  try {
    return await take(repo, place, request);
  } catch (error) {
    const isRace =
      (error instanceof Fault && error.code === "git_failed") || errnoOf(error) === "ENOENT";
    if (!isRace) throw error;
    return take(repo, place, request);
  }
}

/**
 * Looks at a worktree again that was moved away since `taken`, and takes another snapshot where it holds anything else by now.
 * The caller made sure of its registration, which still names the old place.
 */
export async function snapshotMoved(
  repo: Repository,
  moved: Place,
  request: SnapshotRequest,
  taken: Snapshot,
): Promise<Snapshot> {
  return take(repo, moved, request, taken);
}

async function take(
  repo: Repository,
  place: Place,
  request: SnapshotRequest,
  unless?: Snapshot,
): Promise<Snapshot> {
  const { ref } = request;
  const head = await readHeadSha(repo, place);
  const found = await look(repo, place, request, head);
  const left = [...found.left, ...(await readModules(place, request.brought ?? []))];
  const { tree } = found;
  const { tree: stagedTree, stages } = found.staged;
  const noted = await readHistory(repo, place, head);
  const trees = [tree, stagedTree, stages, found.aside, found.nested];
  const content = [head, ...trees, left.length, ...(noted?.tips ?? [])].join(" ");
  if (unless?.content === content && (await readRef(repo, ref)) === unless.commit) return unless;
  const history = await commitHistory(repo, noted);
  const before = await readRef(repo, ref);
  const parents = (request.parents ?? (head === null ? [] : [head])).map(requireSha);
  const beside = (of: Sha | null, what: string): Promise<Sha | null> | null =>
    of === null ? null : commitAside(repo, of, what, what === "staged" ? parents : []);
  const staged = await beside(stagedTree, "staged");
  const unmerged = await beside(stages, "unmerged");
  const ignored = await beside(found.aside, "ignored");
  const nested = await beside(found.nested, "nested");
  const named = { head: parents[0] ?? null, staged, unmerged, history, ignored, nested };
  const others = [staged, unmerged, ignored, nested, history, before].filter((sha) => sha !== null);
  const commit = await commitTree(repo, {
    tree,
    parents: [...new Set([...parents, ...others])],
    message: messageOf(request.message, left, named),
    author: muster,
    committer: muster,
  });
  if ((await updateRef(repo, ref, commit, before, { reason: "muster: snapshot" })) === "raced")
    throw new Fault("conflict", `${ref} was moved while a snapshot was taken`);
  return { commit, tree, ref, staged, unmerged, ignored, left, content };
}

/** Only it names what was staged. */
const unreadIndex: Left = { path: ".git/index", bytes: 0, why: "unreadable" };

/** The trees of a snapshot: files, staged, ignored, nested. */
async function look(repo: Repository, place: Place, request: SnapshotRequest, head: Sha | null) {
  const limits = {
    ignoredBytes: request.ignoredBudgetBytes ?? defaultIgnoredBytes,
    brought: request.brought ?? [],
  };
  return withPrivateDir(repo, { sight: "raw", worktree: place.worktree }, async (own) => {
    const { entries, seeded, unread } = await loadIndex(own, place.gitDir, head);
    const staged = seeded ? nothingStaged : await captureStaged(own, entries);
    const lost = unread || staged === undefined ? [unreadIndex] : [];
    const captured = await capture(own, place.worktree, entries, limits);
    return { ...captured, left: [...lost, ...captured.left], staged: staged ?? nothingStaged };
  });
}

function commitAside(
  repo: Repository,
  tree: Sha,
  what: string,
  parents: readonly Sha[],
): Promise<Sha> {
  const message = `muster: ${what} part of a snapshot\n`;
  return commitTree(repo, { tree, parents, message, author: muster, committer: muster });
}

function messageOf(
  message: string,
  left: readonly Left[],
  parts: Readonly<Record<string, Sha | null>>,
): string {
  // JSON keeps a hostile name on its own line.
  const named = left
    .slice(0, maxNamed)
    .map(({ path, bytes, why }) => `  ${JSON.stringify(path)} ${bytes} bytes, ${why}`);
  const list = left.length === 0 ? [] : [`Left out (${left.length}):`, ...named, ""];
  const trailers = Object.entries(parts).flatMap(([name, sha]) =>
    sha === null ? [] : [`Muster-${name.replace(/^./, (c) => c.toUpperCase())}: ${sha}`],
  );
  return [message.trimEnd(), "", ...list, `Muster-Left: ${left.length}`, ...trailers, ""].join(
    "\n",
  );
}

/** The ignored entries of a worktree, as `brought` wants them: read it after setup, before the agent starts. */
export async function readIgnored(repo: Repository, place: Place): Promise<string[]> {
  await requirePlace(repo, place);
  return withPrivateDir(repo, { sight: "raw", worktree: place.worktree }, async (own) => {
    await loadIndex(own, place.gitDir, await readHeadSha(repo, place));
    const args = ["ls-files", "-o", "-i", "--exclude-standard", "--directory", "-z"];
    const listed = await own.git(args, { timeoutMs: longMs });
    return listed.stdout
      .toString("latin1")
      .split("\0")
      .filter((path) => path !== "")
      .map(shown);
  });
}

/** What submodules keep in the worktree's git directory: it goes with the registration, not with the files. */
async function readModules(place: Place, brought: readonly string[]): Promise<Left[]> {
  const path = ".git/modules";
  if (brought.includes(path) || !(await readStat(join(place.gitDir, "modules")))?.isDirectory())
    return [];
  const { bytes } = await weigh(place.gitDir, "modules", defaultIgnoredBytes);
  return bytes === 0 ? [] : [{ path, bytes, why: "nested_history" }];
}
