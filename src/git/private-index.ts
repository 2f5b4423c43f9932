/**
 * A worktree's index, copied into a private git directory to be read and changed there. The worktree's own index is never
 * written. An index that is absent or that git can't read is replaced by one made from the head.
 */
import { Buffer } from "node:buffer";
import { readdir, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { Fault } from "../core/fault.ts";
import type { Sha } from "../core/ids.ts";
import { utimes } from "node:fs/promises";
import { openRegular, readStat } from "./files.ts";
import { longMs } from "./git.ts";
import { nulTerminated, onDisk, type RawPath } from "./paths.ts";
import type { PrivateDir } from "./private.ts";

export interface IndexEntry {
  readonly mode: string;
  readonly sha: Sha;
  readonly stage: number;
  readonly path: RawPath;
  /** Bytes of the file when git last looked. */
  readonly size: number;
  readonly assumed: boolean;
  readonly skipped: boolean;
}

/** Bits of an entry's flags in git's `read-cache-ll.h`: CE_VALID, CE_SKIP_WORKTREE. */
const assumedBit = 0x8000;
const skippedBit = 0x4000_0000;

export interface LoadedIndex {
  readonly entries: readonly IndexEntry[];
  /** It was made from the head: nothing is known of what was staged. */
  readonly seeded: boolean;
  /** There is an index, and git can't read it. */
  readonly unread: boolean;
}

/** Fills the private index from the one in `gitDir`, or from `head` where there is none that git can read. */
export async function loadIndex(
  own: PrivateDir,
  gitDir: string,
  head: Sha | null,
): Promise<LoadedIndex> {
  const isThere = (await readStat(join(gitDir, "index"))) !== undefined;
  if (await copyIndex(gitDir, own.dir)) {
    try {
      return { entries: await readEntries(own), seeded: false, unread: false };
    } catch (fault) {
      if (!(fault instanceof Fault) || fault.code !== "git_failed") throw fault;
      await rm(join(own.dir, "index"), { force: true });
    }
  }
  if (head !== null) await own.git(["read-tree", head]);
  return { entries: await readEntries(own), seeded: true, unread: isThere };
}

/** Copies the index, and what a split index shares, with the modification time; false where there is none. */
async function copyIndex(gitDir: string, dir: string): Promise<boolean> {
  const names = await readdir(gitDir);
  const shared = names.filter((name) => /^sharedindex\.[0-9a-f]{40,64}$/.test(name));
  for (const name of shared) await copyDated(join(gitDir, name), join(dir, name));
  return copyDated(join(gitDir, "index"), join(dir, "index"));
}

/**
 * Copies a regular file and its modification time, in whole seconds, rounded down: git takes an entry at least as new as its
 * index for suspect and reads the file, so a copy that is newer than its source loses edits (git.md §1.1).
 */
export async function copyDated(from: string, to: string): Promise<boolean> {
  const file = await openRegular(from);
  if (file === undefined) return false;
  try {
    const { mtimeMs, mode } = await file.stat();
    await writeFile(to, await file.readFile(), { mode: mode & 0o777 });
    const seconds = Math.floor(mtimeMs / 1000);
    await utimes(to, seconds, seconds);
    return true;
  } finally {
    await file.close();
  }
}

const entryPattern =
  /(\d{6}) ([0-9a-f]+) ([0-3])\t([^\0]*)\0 {2}ctime: .*\n {2}mtime: .*\n {2}dev: .*\n {2}uid: .*\n {2}size: (\d+)\tflags: ([0-9a-f]+)\n/y;

/** Every entry of the private index, with git's own notes on it. */
export async function readEntries(own: PrivateDir): Promise<IndexEntry[]> {
  const text = (await own.git(["ls-files", "-s", "--debug", "-z"])).stdout.toString("latin1");
  const entries: IndexEntry[] = [];
  entryPattern.lastIndex = 0;
  for (let found = entryPattern.exec(text); found !== null; found = entryPattern.exec(text)) {
    const [, mode = "", sha = "", stage = "", path = "", size = "", flags = ""] = found;
    const bits = Number.parseInt(flags, 16);
    entries.push({
      mode,
      sha,
      stage: Number(stage),
      path,
      size: Number(size),
      assumed: (bits & assumedBit) !== 0,
      skipped: (bits & skippedBit) !== 0,
    });
  }
  return entries;
}

/**
 * Makes the private index look at every file again that it was told not to look at: assume-unchanged entries, and skip-worktree
 * entries whose file is there (a sparse checkout's absent ones stay as they are).
 */
export async function uncover(
  own: PrivateDir,
  entries: readonly IndexEntry[],
  worktree: string,
): Promise<void> {
  const assumed = entries.filter((entry) => entry.assumed).map((entry) => entry.path);
  const skipped: RawPath[] = [];
  for (const entry of entries) {
    if (entry.skipped && (await readStat(onDisk(worktree, entry.path))) !== undefined)
      skipped.push(entry.path);
  }
  // Two calls: both flags in one clear only the last.
  for (const [flag, paths] of [
    ["--no-assume-unchanged", assumed],
    ["--no-skip-worktree", skipped],
  ] as const) {
    if (paths.length > 0)
      await own.git(["update-index", flag, "-z", "--stdin"], { input: nulTerminated(paths) });
  }
}

export interface IndexChange {
  readonly path: RawPath;
  /** null removes the path, all stages. */
  readonly entry: { readonly mode: string; readonly sha: Sha } | null;
}

/** Writes entries as they are said, without looking at files: git looks at them when next asked. */
export async function putEntries(
  own: Pick<PrivateDir, "git">,
  changes: readonly IndexChange[],
): Promise<void> {
  if (changes.length === 0) return;
  const lines = changes.map(({ path, entry }) =>
    entry === null ? `0 ${"0".repeat(40)}\t${path}` : `${entry.mode} ${entry.sha} 0\t${path}`,
  );
  await own.git(["update-index", "-z", "--index-info"], { input: nulTerminated(lines) });
}

/**
 * The entries whose file has another size than their blob though git takes them for unchanged: a conversion (line endings, a
 * filter) stood between the two, so the blob is not the file's bytes. A filter that keeps the size escapes this.
 */
export async function readConverted(
  own: PrivateDir,
  entries: readonly IndexEntry[],
): Promise<IndexEntry[]> {
  const files = entries.filter(
    (entry) => entry.stage === 0 && entry.mode.startsWith("100") && entry.size > 0,
  );
  const sizes = await readSizes(own, new Set(files.map((entry) => entry.sha)));
  return files.filter((entry) => (sizes.get(entry.sha) ?? entry.size) !== entry.size);
}

/** Bytes by object id; an object that is missing is left out. */
export async function readSizes(
  own: Pick<PrivateDir, "git">,
  shas: ReadonlySet<Sha>,
): Promise<Map<Sha, number>> {
  if (shas.size === 0) return new Map();
  const input = Buffer.from([...shas].join("\n") + "\n");
  const asked = await own.git(["cat-file", "--batch-check=%(objectname) %(objectsize)"], {
    input,
    timeoutMs: longMs,
  });
  const lines = asked.stdout.toString("latin1").split("\n");
  return new Map(
    lines.flatMap((line) => {
      const [sha, size] = line.split(" ");
      return sha === undefined || size === undefined || !/^\d+$/.test(size)
        ? []
        : [[sha, Number(size)] as const];
    }),
  );
}
