/**
 * The way back from a snapshot: a worktree, its branch and its files as they were. Nothing that is there is ever replaced. A ref
 * is anybody's to move, so a snapshot is read like any hostile commit: only what it names among its own parents is followed, and
 * files are written from a private git directory, without any filter or hook.
 */
import { mkdir, readdir, realpath } from "node:fs/promises";
import { basename, dirname, isAbsolute, join } from "node:path";
import { Fault } from "../core/fault.ts";
import { shaPattern, type Sha } from "../core/ids.ts";
import { checkOutTree } from "./check-out-tree.ts";
import { readCheckouts } from "./checkout.ts";
import { readStat } from "./files.ts";
import { git, type GitOutput, lineOf, longMs, type Repository } from "./git.ts";
import { restoreNested } from "./nested.ts";
import { sealed, withPrivateDir } from "./private.ts";
import { readRef, requireSha, updateRef } from "./refs.ts";
import {
  openPlace,
  pinned,
  readRegistrations,
  type Place,
  type WorktreeRecord,
} from "./registration.ts";
import { putStages } from "./staged.ts";
import { deleteTrash } from "./trash.ts";
import { serialized } from "./worktree.ts";
import { shellWord } from "../core/words.ts";

/** What a snapshot holds, each as a commit. */
export interface SnapshotParts {
  readonly commit: Sha;
  /** What the worktree's HEAD named; null where it named no commit. */
  readonly head: Sha | null;
  /** Where it and `unmerged` are null, what was staged is not known. */
  readonly staged: Sha | null;
  /** Entries of an index that was no tree, by stage. */
  readonly unmerged: Sha | null;
  readonly ignored: Sha | null;
  readonly nested: Sha | null;
  /** Files that it names as left out. */
  readonly left: number;
}

/** A snapshot's message names at most 200 files; 1 MiB holds them with the longest names. */
const maxCommitBytes = 1024 * 1024;

/** Reads a snapshot's own notes. Throws Fault `git_failed` where there is no such commit. */
export async function readSnapshot(repo: Repository, commit: Sha): Promise<SnapshotParts> {
  const read = await sealed(repo, ["cat-file", "commit", requireSha(commit)], {
    maxBytes: maxCommitBytes,
  });
  const text = read.stdout.toString("latin1");
  const end = text.indexOf("\n\n");
  const parents = new Set(
    [...text.slice(0, end).matchAll(/^parent ([0-9a-f]+)$/gm)].map(([, sha]) => sha),
  );
  const trailers = new Map(
    (text.trimEnd().split("\n\n").at(-1) ?? "")
      .split("\n")
      .flatMap((line) => [...line.matchAll(/^Muster-(\w+): (\w+)$/g)])
      .map(([, name = "", value = ""]) => [name, value] as const),
  );
  const named = (name: string): Sha | null => {
    const sha = trailers.get(name);
    return sha !== undefined && shaPattern.test(sha) && parents.has(sha) ? sha : null;
  };
  return {
    commit,
    head: named("Head"),
    staged: named("Staged"),
    unmerged: named("Unmerged"),
    ignored: named("Ignored"),
    nested: named("Nested"),
    left: Number(trailers.get("Left") ?? 0) || 0,
  };
}

export interface FoundSnapshot {
  readonly ref: string;
  /** The part of the ref before the last. */
  readonly attempt: string;
  /** The last part of the ref. */
  readonly n: number;
  readonly commit: Sha;
  readonly takenAt: number;
  /** The first line of its message. */
  readonly subject: string;
}

const snapshotRef = /^refs\/muster\/attempts\/([^/]+)\/(\d{1,9})$/;

/** The snapshots of one attempt, or of all, by number. */
export async function listSnapshots(repo: Repository, attempt?: string): Promise<FoundSnapshot[]> {
  const fields = ["refname", "objectname", "objecttype", "committerdate:unix", "contents:subject"];
  const format = fields.map((field) => `%(${field})`).join("%00");
  const below = `refs/muster/attempts/${attempt === undefined ? "" : `${attempt}/`}`;
  const listed = await git(repo, ["for-each-ref", `--format=${format}`, below]);
  const found = listed.stdout
    .toString("utf8")
    .split("\n")
    .flatMap((line) => {
      const [ref = "", commit = "", type, seconds, subject = ""] = line.split("\0");
      const [, of, n] = snapshotRef.exec(ref) ?? [];
      return type === "commit" && of !== undefined
        ? [{ ref, attempt: of, n: Number(n), commit, takenAt: Number(seconds) * 1_000, subject }]
        : [];
    });
  return found.toSorted((a, b) => a.n - b.n);
}

/** Bytes that a snapshot takes in the object store beyond its head, packed or not; null where that takes longer than 5 s. */
export async function readSnapshotBytes(
  repo: Repository,
  { commit, head }: Pick<SnapshotParts, "commit" | "head">,
): Promise<number | null> {
  const revs = head === null ? [commit] : [commit, `^${head}`];
  return bytesOf(sealed(repo, [...diskUsage, ...revs], { timeoutMs: 5_000 }));
}

/** Bytes that all snapshots together take beyond branches and tags; null where that takes longer than 5 s. */
export async function readAllSnapshotsBytes(repo: Repository): Promise<number | null> {
  const revs = ["--glob=refs/muster/attempts", "--not", "--branches", "--remotes", "--tags"];
  return bytesOf(git(repo, [...diskUsage, ...revs], { timeoutMs: 5_000 }));
}

const diskUsage = ["rev-list", "--disk-usage", "--objects"];

async function bytesOf(asked: Promise<GitOutput>): Promise<number | null> {
  try {
    const bytes = Number(lineOf(await asked));
    return Number.isSafeInteger(bytes) ? bytes : null;
  } catch (error) {
    if (error instanceof Fault) return null;
    throw error;
  }
}

/**
 * Writes a snapshot's files, ignored ones and nested repositories included, into a folder that is empty or absent: bytes, links
 * and exec bits as they were. Throws Fault `refused` for a folder with something in it.
 */
export async function restoreSnapshot(
  repo: Repository,
  commit: Sha,
  intoDir: string,
): Promise<void> {
  const parts = await readSnapshot(repo, commit);
  await mkdir(intoDir, { recursive: true });
  if ((await readdir(intoDir)).length > 0) {
    throw new Fault("refused", `${intoDir} is not empty`, {
      remedy: `to see what is in it, run ls -A ${shellWord(intoDir)}`,
    });
  }
  await writeFiles(repo, parts, intoDir);
}

async function writeFiles(repo: Repository, parts: SnapshotParts, dir: string): Promise<void> {
  const { commit, ignored, nested } = parts;
  await checkOutTree(repo, [commit, ...(ignored === null ? [] : [ignored])], dir);
  if (nested !== null) await restoreNested(repo, nested, dir);
}

export interface RestoreRequest {
  readonly parts: SnapshotParts;
  /** Absolute; nothing is there. */
  readonly path: string;
  /** The branch to be on, without `refs/heads/`; null for none. */
  readonly branch: string | null;
}

/** What HEAD of the restored worktree is, and why it is not the branch. */
export type Standing =
  | { readonly on: "branch"; readonly made: boolean }
  | {
      readonly on: "detached";
      readonly why: "no_head" | "no_branch" | "moved" | "checked_out" | "in_the_way";
    };

/**
 * What HEAD would be of a worktree that is restored now: on the branch where it is free and still where the snapshot was taken,
 * or gone (then it is made again), else detached.
 */
export async function standingOf(
  repo: Repository,
  { head }: SnapshotParts,
  branch: string | null,
): Promise<Standing> {
  if (head === null) return { on: "detached", why: "no_head" };
  if (branch === null) return { on: "detached", why: "no_branch" };
  const ref = `refs/heads/${branch}`;
  const now = await readRef(repo, ref);
  if (now !== null && now !== head) return { on: "detached", why: "moved" };
  const [taken] = await readCheckouts(repo, ref, () => false);
  if (taken !== undefined) return { on: "detached", why: "checked_out" };
  return { on: "branch", made: now === null };
}

export interface RestoredWorktree {
  readonly record: WorktreeRecord;
  readonly standing: Standing;
}

/**
 * Makes a linked worktree of a snapshot, not locked: it is the person's. Files and index are as they were, unmerged entries
 * too; an index that is not known is made from the head. Where it fails nothing is left of it. Throws Fault `refused` for a path at which
 * something is, or that git still has a worktree for, `git_failed` where a part of the snapshot is missing.
 */
export async function restoreWorktree(
  repo: Repository,
  { parts, path: wanted, branch }: RestoreRequest,
): Promise<RestoredWorktree> {
  if (!isAbsolute(wanted)) throw new Fault("refused", `${wanted} is not an absolute path`);
  await mkdir(dirname(wanted), { recursive: true });
  const path = join(await realpath(dirname(wanted)), basename(wanted));
  const at = parts.head ?? parts.commit;
  const record = await serialized(repo, () => register(repo, path, at));
  try {
    const place = await openPlace(repo, record);
    await writeFiles(repo, parts, path);
    await writeIndex(repo, place, parts, at);
    const standing = await serialized(repo, () => takeBranch(repo, place, parts, branch));
    return { record, standing };
  } catch (error) {
    await serialized(repo, async () => {
      await deleteTrash(record.path);
      await deleteTrash(record.gitDir);
    });
    throw error;
  }
}

async function register(repo: Repository, path: string, commit: Sha): Promise<WorktreeRecord> {
  const find = async () => (await readRegistrations(repo)).find((record) => record.path === path);
  if ((await readStat(path)) !== undefined)
    throw new Fault("refused", `${path} is there already`, {
      remedy: `to see what is in it, run ls -A ${shellWord(path)}`,
    });
  if ((await find()) !== undefined)
    throw new Fault("refused", `git still has a worktree at ${path}, whose folder is gone`, {
      remedy: `to let go of it, run git -C ${shellWord(repo.root)} worktree unlock ${shellWord(path)}; git -C ${shellWord(repo.root)} worktree prune`,
    });
  const args = ["worktree", "add", "--detach", "--no-checkout", "--", path, commit];
  // Once more after a race with another process's writer, of which git leaves nothing here.
  await git(repo, args).catch(() => git(repo, args));
  const made = await find();
  if (made !== undefined) return made;
  throw new Fault("git_failed", `git worktree add made no registration for ${path}`);
}

/** What was staged, and for every file that is so on disk git's own note of it. */
async function writeIndex(
  repo: Repository,
  place: Place,
  { staged, unmerged }: SnapshotParts,
  head: Sha,
): Promise<void> {
  const index = join(place.gitDir, "index");
  const request = { sight: "person", worktree: place.worktree, index, head } as const;
  await withPrivateDir(repo, request, async (own) => {
    if (staged === null && unmerged !== null) await putStages(own, unmerged);
    else await own.git(["read-tree", `${staged ?? head}^{tree}`], { timeoutMs: longMs });
    await own.git(["update-index", "-q", "--refresh"], { okCodes: [0, 1], timeoutMs: longMs });
  });
}

/** HEAD names the branch before the branch is there, so that whoever looks in between finds whose it is. */
async function takeBranch(
  repo: Repository,
  place: Place,
  parts: SnapshotParts,
  branch: string | null,
): Promise<Standing> {
  const standing = await standingOf(repo, parts, branch);
  const { head } = parts;
  if (standing.on === "detached" || head === null) return standing;
  const ref = `refs/heads/${branch}`;
  const env = pinned(place);
  await git(repo, ["symbolic-ref", "-m", "muster: restore", "HEAD", ref], { env });
  if (!standing.made) return standing;
  const made = await updateRef(repo, ref, head, null, { reason: "muster: restore" }).catch(
    (error: unknown) => {
      // A branch `a` where `a/b` is wanted, for one.
      if (error instanceof Fault && error.code === "git_failed") return null;
      throw error;
    },
  );
  if (made === "moved") return standing;
  await git(repo, ["update-ref", "--no-deref", "HEAD", head], { env });
  return { on: "detached", why: made === null ? "in_the_way" : "moved" };
}
