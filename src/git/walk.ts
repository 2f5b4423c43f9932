/** What lies in a worktree beside the tracked files, as git's own ignore rules see it, nested repositories included. */
import { Buffer } from "node:buffer";
import { readdir } from "node:fs/promises";
import { join } from "node:path";
import { readStat } from "./files.ts";
import { longMs } from "./git.ts";
import { asText, onDisk, rawPaths, type RawPath } from "./paths.ts";
import type { PrivateDir } from "./private.ts";

export interface Listing {
  readonly files: RawPath[];
  /** Nested repositories, outermost first, with a slash at the end. */
  readonly nested: RawPath[];
  /** Ignored files, and ignored folders as one entry with a slash at the end. */
  readonly ignored: RawPath[];
  /** Folders that could not be read, and nested repositories beyond the limit. */
  readonly unread: RawPath[];
}

/** Nested repositories looked into: each costs two processes. */
const maxNested = 200;

/** Lists untracked and ignored files of the worktree; into nested repositories it goes with an index of its own. */
export async function readListing(own: PrivateDir, worktree: string): Promise<Listing> {
  const listing: Listing = { files: [], nested: [], ignored: [], unread: [] };
  await listOne(own, worktree, "", listing);
  return listing;
}

async function listOne(
  own: PrivateDir,
  worktree: string,
  prefix: RawPath,
  into: Listing,
): Promise<void> {
  const top = asText(prefix);
  if (top === undefined || into.nested.length > maxNested) {
    into.unread.push(prefix);
    return;
  }
  const dir = join(worktree, top);
  // An index that does not exist: in a nested repository everything is untracked.
  const env = {
    GIT_WORK_TREE: dir,
    ...(prefix === "" ? {} : { GIT_INDEX_FILE: join(own.dir, "no-index") }),
  };
  const call = { env, cwd: dir, timeoutMs: longMs };
  const others = await own.git(["ls-files", "-o", "--exclude-standard", "-z"], call);
  const ignored = await own.git(
    ["ls-files", "-o", "-i", "--exclude-standard", "--directory", "-z"],
    call,
  );
  into.unread.push(...unreadIn(others.stderr).map((path) => prefix + path));
  into.ignored.push(...rawPaths(ignored.stdout).map((path) => prefix + path));
  for (const path of rawPaths(others.stdout)) {
    if (!path.endsWith("/")) {
      into.files.push(prefix + path);
    } else {
      into.nested.push(prefix + path);
      await listOne(own, worktree, prefix + path, into);
    }
  }
}

/** git only warns of a folder it can't open; its text is fixed by LC_ALL=C. */
function unreadIn(stderr: string): RawPath[] {
  const found = stderr.matchAll(/^warning: could not open directory '(.*)': /gm);
  return [...found].flatMap(([, path]) => (path === undefined ? [] : [path]));
}

/** The files of an ignored entry. `bytes` is a lower bound where `whole` is false: the walk ends past `budget` bytes. */
export interface Weighed {
  readonly path: RawPath;
  readonly files: readonly RawPath[];
  readonly bytes: number;
  readonly whole: boolean;
  /** Repositories met on the way, with a slash at the end. */
  readonly nested: readonly RawPath[];
}

/** Files looked at in one walk: a node_modules of 48 k is the largest seen. */
const maxFiles = 100_000;
/** 50 MiB: enough to say that a history is there; its size is only told. */
const historyBytes = 50 * 1024 * 1024;

/** Walks a file or folder, never through a link or into a `.git`, until its bytes pass the budget. */
export async function weigh(worktree: string, entry: RawPath, budget: number): Promise<Weighed> {
  const files: RawPath[] = [];
  const nested: RawPath[] = [];
  let bytes = 0;
  let whole = true;
  const pending = [entry.replace(/\/$/, "")];
  for (let path = pending.pop(); path !== undefined && bytes <= budget; path = pending.pop()) {
    const stats = await readStat(onDisk(worktree, path));
    if (stats?.isDirectory()) {
      const names = await readNames(worktree, path);
      if (names === undefined) whole = false;
      for (const name of names ?? []) {
        if (name === ".git") nested.push(`${path}/`);
        else pending.push(`${path}/${name}`);
      }
    } else if (stats?.isFile() || stats?.isSymbolicLink()) {
      files.push(path);
      bytes += stats.size;
    }
    if (files.length > maxFiles) whole = false;
    if (!whole) break;
  }
  return { path: entry, files, bytes, whole: whole && bytes <= budget, nested };
}

async function readNames(worktree: string, path: RawPath): Promise<RawPath[] | undefined> {
  try {
    const names = await readdir(onDisk(worktree, path), { encoding: "buffer" });
    return names.map((name) => Buffer.from(name).toString("latin1"));
  } catch {
    return undefined;
  }
}

/** Bytes of history that a nested repository holds itself: 0 where its `.git` has no object, or is a file that points elsewhere. */
export async function readHistoryBytes(worktree: string, nested: RawPath): Promise<number> {
  const objects = `${nested}.git/objects`;
  const stats = await readStat(onDisk(worktree, objects));
  if (!stats?.isDirectory()) return 0;
  return (await weigh(worktree, objects, historyBytes)).bytes;
}
