/**
 * Snapshots: everything in a worktree as commits behind a ref, without touching the worktree, its index or its branch. The
 * snapshot's tree is the files as they are, byte for byte: tracked, staged, unstaged, untracked, nested repositories as plain
 * folders. Beside it, as further parents that trailers name: the staged tree, commits that only the worktree's reflog still
 * names, and ignored files with submodule contents.
 * What is not in it is in `left`: then the worktree must not be removed.
 */
import { mkdir, readdir } from "node:fs/promises";
import { join } from "node:path";
import { Fault } from "../core/fault.ts";
import { shaPattern, type Sha } from "../core/ids.ts";
import { capture, type Left } from "./capture.ts";
import { errnoOf, readStat } from "./files.ts";
import { commitHistory } from "./history.ts";
import { lineOf, longMs, type Repository } from "./git.ts";
import { commitTree, muster } from "./merge.ts";
import { shown } from "./paths.ts";
import { loadIndex } from "./private-index.ts";
import { sealed, withPrivateDir, type PrivateDir } from "./private.ts";
import { readRef, requireSha, updateRef } from "./refs.ts";
import { readHeadSha, requirePlace, type Place } from "./registration.ts";
import { weigh } from "./walk.ts";

export interface SnapshotRequest {
  readonly ref: string;
  /** One line or more; trailers and the list of what was left are added. */
  readonly message: string;
  /** Default: the worktree's head. */
  readonly parents?: readonly Sha[];
  /** Bytes of ignored files and submodule contents to keep. Default 50 MB; smaller entries come first. */
  readonly ignoredBudgetBytes?: number;
  /** What setup or `copy` brought, as paths relative to the worktree: ignored files in them are neither kept nor listed. */
  readonly brought?: readonly string[];
}

export interface Snapshot {
  readonly commit: Sha;
  readonly tree: Sha;
  readonly ref: string;
  /** Commit with the staged tree; null where the index was unmerged or unreadable. */
  readonly staged: Sha | null;
  /** Commit with ignored files and submodule contents. */
  readonly ignored: Sha | null;
  readonly left: readonly Left[];
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

async function take(repo: Repository, place: Place, request: SnapshotRequest): Promise<Snapshot> {
  const head = await readHeadSha(repo, place);
  const {
    stagedTree,
    tree,
    aside,
    left: leftInFiles,
  } = await withPrivateDir(repo, { sight: "raw", worktree: place.worktree }, async (own) => {
    const { entries, seeded } = await loadIndex(own, place.gitDir, head);
    const written = seeded ? null : await writeStaged(own);
    const limits = {
      ignoredBytes: request.ignoredBudgetBytes ?? defaultIgnoredBytes,
      brought: request.brought ?? [],
    };
    const captured = await capture(own, place.worktree, entries, limits);
    return { ...captured, stagedTree: written };
  });
  const left = [...leftInFiles, ...(await readModules(place, request.brought ?? []))];
  const history = await commitHistory(repo, place, head);
  const before = await readRef(repo, request.ref);
  const parents = (request.parents ?? (head === null ? [] : [head])).map(requireSha);
  const staged =
    stagedTree === null ? null : await commitAside(repo, stagedTree, "staged", parents);
  const ignored = aside === null ? null : await commitAside(repo, aside, "ignored", []);
  const commit = await commitTree(repo, {
    tree,
    parents: [
      ...new Set([...parents, staged, ignored, history, before].filter((sha) => sha !== null)),
    ],
    message: messageOf(request.message, left, { staged, history, ignored }),
    author: muster,
    committer: muster,
  });
  if (
    (await updateRef(repo, request.ref, commit, before, { reason: "muster: snapshot" })) === "raced"
  ) {
    throw new Fault("conflict", `${request.ref} was moved while a snapshot was taken`);
  }
  return { commit, tree, ref: request.ref, staged, ignored, left };
}

/** The staged tree, or null while the index has unmerged entries or names objects that are gone. */
async function writeStaged(own: PrivateDir): Promise<Sha | null> {
  const written = await own.git(["write-tree"], { okCodes: [0, 128], timeoutMs: longMs });
  const tree = lineOf(written);
  return written.code === 0 && shaPattern.test(tree) ? tree : null;
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
  parts: {
    readonly staged: Sha | null;
    readonly history: Sha | null;
    readonly ignored: Sha | null;
  },
): string {
  // JSON keeps a hostile name on its own line.
  const named = left
    .slice(0, maxNamed)
    .map(({ path, bytes, why }) => `  ${JSON.stringify(path)} ${bytes} bytes, ${why}`);
  const list = left.length === 0 ? [] : [`Left out (${left.length}):`, ...named, ""];
  const trailers = [
    `Muster-Left: ${left.length}`,
    ...(parts.staged === null ? [] : [`Muster-Staged: ${parts.staged}`]),
    ...(parts.history === null ? [] : [`Muster-History: ${parts.history}`]),
    ...(parts.ignored === null ? [] : [`Muster-Ignored: ${parts.ignored}`]),
  ];
  return [message.trimEnd(), "", ...list, ...trailers, ""].join("\n");
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

/**
 * Writes a snapshot's files, ignored ones included, into a folder that is empty or absent: bytes, links and exec bits as they
 * were. Throws Fault `refused` for a folder with something in it.
 */
export async function restoreSnapshot(
  repo: Repository,
  commit: Sha,
  intoDir: string,
): Promise<void> {
  requireSha(commit);
  const text = (await sealed(repo, ["cat-file", "commit", commit])).stdout.toString("latin1");
  await mkdir(intoDir, { recursive: true });
  if ((await readdir(intoDir)).length > 0) {
    throw new Fault("refused", `${intoDir} is not empty`, {
      remedy: `to see what is in it, run ls -A ${intoDir}`,
    });
  }
  const trailer = /\nMuster-Ignored: ([0-9a-f]{40,64})\n[^\n]*$/.exec(text)?.[1];
  const ignored =
    trailer !== undefined && text.includes(`\nparent ${trailer}\n`) ? trailer : undefined;
  for (const part of ignored === undefined ? [commit] : [commit, ignored]) {
    await withPrivateDir(repo, { sight: "raw", worktree: intoDir }, async (own) => {
      await own.git(["read-tree", `${part}^{tree}`], { timeoutMs: longMs });
      await own.git(["checkout-index", "-a", "-f", "-q"], { timeoutMs: longMs });
    });
  }
}

/** What submodules keep in the worktree's git directory: it goes with the registration, not with the files. */
async function readModules(place: Place, brought: readonly string[]): Promise<Left[]> {
  const path = ".git/modules";
  if (brought.includes(path) || !(await readStat(join(place.gitDir, "modules")))?.isDirectory())
    return [];
  const { bytes } = await weigh(place.gitDir, "modules", defaultIgnoredBytes);
  return bytes === 0 ? [] : [{ path, bytes, why: "nested_history" }];
}
