/** Puts a worktree's files into private indexes: what to take, what is too big, and what could not be read. */
import { join } from "node:path";
import type { Sha } from "../core/ids.ts";
import { addFiles, isBrought, type Left } from "./add-files.ts";
import { readStat } from "./files.ts";
import { lineOf, longMs } from "./git.ts";
import { captureNested } from "./nested.ts";
import { isWithin, onDisk, rawPaths, shown, type RawPath } from "./paths.ts";
import { putEntries, readConverted, uncover, type IndexEntry } from "./private-index.ts";
import type { PrivateDir } from "./private.ts";
import { readListing, weigh, type Weighed } from "./walk.ts";

export interface Limits {
  /** Ignored files, submodule contents and nested repositories' own histories together; design §7: 50 MB. */
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
  /** The `.git` of nested repositories, as `nested.ts` lays them out. */
  readonly nested: Sha | null;
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
  const nested = await captureNested(own, {
    worktree,
    repositories: ["", ...listing.nested, ...ignored.flatMap((entry) => entry.nested)],
    budgetBytes: limits.ignoredBytes - ignored.reduce((sum, { bytes }) => sum + bytes, 0),
    brought: limits.brought,
  });
  return { tree, aside, nested: nested.tree, left: [...left, ...nested.left] };
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

async function filterAsync<T>(all: readonly T[], keep: (one: T) => Promise<boolean>): Promise<T[]> {
  const kept: T[] = [];
  for (const one of all) if (await keep(one)) kept.push(one);
  return kept;
}
