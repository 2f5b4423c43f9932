/** Puts a worktree's files into private indexes: what to take, what is too big, and what could not be read. */
import { join } from "node:path";
import { Fault } from "../core/fault.ts";
import type { Sha } from "../core/ids.ts";
import { readStat } from "./files.ts";
import { lineOf, longMs } from "./git.ts";
import { isWithin, nulTerminated, onDisk, rawPaths, shown, type RawPath } from "./paths.ts";
import { putEntries, readConverted, uncover, type IndexEntry } from "./private-index.ts";
import type { PrivateDir } from "./private.ts";
import { readHistoryBytes, readListing, weigh, type Weighed } from "./walk.ts";

/** Something in the worktree that the snapshot does not hold. */
export interface Left {
  readonly path: string;
  /** A lower bound for a folder over the budget. */
  readonly bytes: number;
  readonly why: "too_large" | "over_budget" | "unreadable" | "nested_history";
}

export interface Limits {
  /** Ignored files and submodule contents together; design §7: 50 MB. */
  readonly ignoredBytes: number;
  /** Paths, as `Left` shows them, that others brought here (setup, copy): neither taken nor listed. */
  readonly brought: readonly string[];
}

/** A single untracked file over 50 MB stays out, and untracked content beyond 500 MB (design §7). */
export const maxFileBytes = 50 * 1024 * 1024;
export const maxUntrackedBytes = 500 * 1024 * 1024;

export interface Captured {
  readonly tree: Sha;
  /** Ignored files and the contents of submodules, where there are any. */
  readonly aside: Sha | null;
  readonly left: readonly Left[];
}

interface Sized {
  readonly path: RawPath;
  readonly bytes: number;
}

/** Captures the worktree into the private index and its objects into the repository. */
export async function capture(
  own: PrivateDir,
  worktree: string,
  entries: readonly IndexEntry[],
  limits: Limits,
): Promise<Captured> {
  const links = entries.filter((entry) => entry.mode === "160000");
  await uncover(own, entries, worktree);
  // Submodules leave the index: with them in it git runs `git status` in each, with its own configuration and its filters.
  await putEntries(own, [
    ...links.map(({ path }) => ({ path, entry: null })),
    ...(await readConverted(own, entries)).map((entry) => ({ path: entry.path, entry })),
  ]);
  const left: Left[] = await addTracked(own);
  const listing = await readListing(own, worktree);
  left.push(
    ...listing.unread.map((path) => ({ path: shown(path), bytes: 0, why: "unreadable" as const })),
  );
  const inLink = (path: RawPath): boolean => links.some((link) => path.startsWith(`${link.path}/`));
  const isRepository = (link: IndexEntry): boolean => listing.nested.includes(`${link.path}/`);
  const keptLinks = await filterAsync(links, async (link) => {
    const isFolder = (await readStat(onDisk(worktree, link.path)))?.isDirectory() === true;
    return (
      isFolder && (isRepository(link) || !listing.files.some((path) => isWithin(path, link.path)))
    );
  });
  const isAside = (path: RawPath): boolean =>
    keptLinks.some((link) => path.startsWith(`${link.path}/`));

  const wanted = listing.files.filter(
    (path) => !(inLink(path) && isBrought(shown(path), limits.brought)),
  );
  const chosen = await choose(worktree, wanted, left);
  const refused = await addFiles(
    own,
    chosen.filter((path) => !isAside(path)),
  );
  await putEntries(
    own,
    keptLinks.map((link) => ({ path: link.path, entry: link })),
  );
  const tree = lineOf(await own.git(["write-tree"], { timeoutMs: longMs }));

  const ignored = await chooseIgnored(worktree, listing.ignored, left, limits);
  const asideFiles = [...chosen.filter(isAside), ...ignored.flatMap((entry) => entry.files)];
  const aside = await writeAside(own, asideFiles, refused);
  left.push(
    ...refused.map((path) => ({ path: shown(path), bytes: 0, why: "unreadable" as const })),
  );
  const repositories = ["", ...listing.nested, ...ignored.flatMap((entry) => entry.nested)];
  left.push(...(await historiesIn(worktree, repositories, limits.brought)));
  return { tree, aside, left };
}

/** Adds what changed in tracked files; a file that can't be read stays as it was and is listed. */
async function addTracked(own: PrivateDir): Promise<Left[]> {
  const added = await own.git(["add", "-u", "--ignore-errors"], {
    okCodes: [0, 1],
    timeoutMs: longMs,
  });
  if (added.code === 0) return [];
  const behind = await own.git(["diff-files", "--name-only", "-z"], { timeoutMs: longMs });
  return rawPaths(behind.stdout).map((path) => ({
    path: shown(path),
    bytes: 0,
    why: "unreadable",
  }));
}

/** The untracked files to take, smallest first until the total is reached; the others are listed. */
async function choose(
  worktree: string,
  files: readonly RawPath[],
  left: Left[],
): Promise<RawPath[]> {
  const sized: Sized[] = [];
  for (const path of files) {
    const stats = await readStat(onDisk(worktree, path));
    if (stats === undefined) continue;
    if (stats.size <= maxFileBytes) sized.push({ path, bytes: stats.size });
    else left.push({ path: shown(path), bytes: stats.size, why: "too_large" });
  }
  const { taken, over } = fill(sized, maxUntrackedBytes);
  left.push(
    ...over.map(({ path, bytes }) => ({ path: shown(path), bytes, why: "over_budget" as const })),
  );
  return taken.map(({ path }) => path);
}

async function chooseIgnored(
  worktree: string,
  entries: readonly RawPath[],
  left: Left[],
  limits: Limits,
): Promise<Weighed[]> {
  const weighed: Weighed[] = [];
  for (const entry of entries) {
    if (isBrought(shown(entry), limits.brought)) continue;
    const one = await weigh(worktree, entry, limits.ignoredBytes);
    if (one.whole) weighed.push(one);
    else left.push({ path: shown(entry), bytes: one.bytes, why: "over_budget" });
  }
  const { taken, over } = fill(weighed, limits.ignoredBytes);
  left.push(
    ...over.map(({ path, bytes }) => ({ path: shown(path), bytes, why: "over_budget" as const })),
  );
  return taken;
}

function fill<T extends Sized>(all: readonly T[], budget: number): { taken: T[]; over: T[] } {
  const taken: T[] = [];
  const over: T[] = [];
  let total = 0;
  for (const one of all.toSorted((a, b) => a.bytes - b.bytes)) {
    if (total + one.bytes > budget) over.push(one);
    else {
      total += one.bytes;
      taken.push(one);
    }
  }
  return { taken, over };
}

function isBrought(path: string, brought: readonly string[]): boolean {
  return brought.some((folder) => isWithin(path, folder));
}

async function writeAside(
  own: PrivateDir,
  files: readonly RawPath[],
  refused: RawPath[],
): Promise<Sha | null> {
  if (files.length === 0) return null;
  const env = { GIT_INDEX_FILE: join(own.dir, "aside") };
  const git: PrivateDir["git"] = (args, call = {}) =>
    own.git(args, { ...call, env: { ...env, ...call.env } });
  refused.push(...(await addFiles({ git }, files)));
  return lineOf(await git(["write-tree"]));
}

/**
 * Adds files to an index and returns those that could not be read; one that has vanished since is no loss. One bad file fails
 * the whole of git's call, so a failed call is halved until the file is alone.
 */
async function addFiles(
  own: Pick<PrivateDir, "git">,
  files: readonly RawPath[],
): Promise<RawPath[]> {
  if (files.length === 0) return [];
  try {
    const input = nulTerminated(files);
    await own.git(["update-index", "--add", "--remove", "--replace", "-z", "--stdin"], {
      input,
      timeoutMs: longMs,
    });
    return [];
  } catch (fault) {
    if (!(fault instanceof Fault) || fault.code !== "git_failed") throw fault;
    if (files.length === 1) return [...files];
    const half = files.length >> 1;
    return [
      ...(await addFiles(own, files.slice(0, half))),
      ...(await addFiles(own, files.slice(half))),
    ];
  }
}

async function historiesIn(
  worktree: string,
  repositories: readonly RawPath[],
  brought: readonly string[],
): Promise<Left[]> {
  const found: Left[] = [];
  for (const path of repositories) {
    const bytes = await readHistoryBytes(worktree, path);
    const name = `${shown(path)}.git`;
    if (bytes > 0 && !isBrought(name, brought))
      found.push({ path: name, bytes, why: "nested_history" });
  }
  return found;
}

async function filterAsync<T>(all: readonly T[], keep: (one: T) => Promise<boolean>): Promise<T[]> {
  const kept: T[] = [];
  for (const one of all) if (await keep(one)) kept.push(one);
  return kept;
}
