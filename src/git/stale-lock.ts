/**
 * Locks that a killed git left: in a worktree's own git directory, whose index nobody could use again, or beside a ref, which nobody
 * could move again. A lock is taken away only where its owner is surely dead, and renaming is the claim: of two who try, one gets it.
 */
import { randomUUID } from "node:crypto";
import type { Stats } from "node:fs";
import { link, readFile, readdir, readlink, realpath, rename, rm } from "node:fs/promises";
import { basename, dirname, join } from "node:path";
import { setTimeout as pause } from "node:timers/promises";
import { Fault } from "../core/fault.ts";
import { userOf } from "../process/folder.ts";
import { pids } from "../process/identity.ts";
import { errnoOf, readStat } from "./files.ts";
import type { Repository } from "./git.ts";
import { type Place, readRegistrations } from "./registration.ts";
import { shellWord } from "../core/words.ts";

/** What a killed `git add`, `git commit` or `git reset` leaves in the git directory of its worktree. */
const names = ["index.lock", "HEAD.lock"] as const;

/** Git holds its lock for milliseconds without the file being open; one that nobody has was left once it is this old. */
const staleMs = 3_000;
const lookMs = 250;

/**
 * Returns once no lock is in the way: one that is in use is waited for, one that was left is taken away. Throws Fault `locked`
 * where one is still there after `limitMs`; that must be more than the 3 s for which a lock without an owner is left alone.
 */
export async function clearStaleLocks(place: Place, limitMs = 10_000): Promise<void> {
  for (const name of names) await clear(roomOf(place), join(place.gitDir, name), limitMs);
}

/**
 * As `clearStaleLocks`, for the lock of HEAD in a person's checkout that our own git was killed in; one that somebody has by now is
 * theirs, and stays.
 */
export async function clearHeadLock(place: Place): Promise<void> {
  await clear(roomOf(place), join(place.gitDir, "HEAD.lock"), refLimitMs).catch(
    (error: unknown) => {
      if (!(error instanceof Fault && error.code === "locked")) throw error;
    },
  );
}

/** Where a lock's owner would be at work. */
interface Room {
  /** What is claimed goes here: a name below `refs/` would be a ref, and a broken one fails everybody's git. */
  readonly common: string;
  /** Whoever has anything open here may have it. */
  readonly gitDir: string;
  /** Any git that works here, or was told of it, may have it. */
  readonly folders: readonly string[];
}

function roomOf({ worktree, gitDir, common }: Place): Room {
  return { common, gitDir, folders: [worktree, gitDir] };
}

/** A lock of the repository itself may be that of any git in any of its worktrees. */
async function wholeRoom(repo: Repository): Promise<Room> {
  const main = basename(repo.common) === ".git" ? [dirname(repo.common)] : [];
  const linked = (await readRegistrations(repo)).map(({ path }) => path);
  const { common, root } = repo;
  return { common, gitDir: common, folders: [common, root, ...main, ...linked] };
}

/** More than the 3 s for which a lock without an owner is left alone. */
const refLimitMs = 5_000;

/**
 * As `clearStaleLocks`, for the lock of a ref that could not be moved, and where `packed`, for that of the packed refs. True where one
 * was there: it is worth another try.
 */
export async function clearRefLocks(
  repo: Repository,
  ref: string,
  packed: boolean,
): Promise<boolean> {
  const locks = [`${ref}.lock`, ...(packed ? ["packed-refs.lock"] : [])];
  let found = false;
  for (const lock of locks.map((name) => join(repo.common, name))) {
    if ((await readStat(lock)) === undefined) continue;
    await clearRepositoryLock(repo, lock);
    found = true;
  }
  return found;
}

/** As `clearStaleLocks`, for a lock in the common git directory. Throws Fault `locked`, too, where a link leads out of it. */
export async function clearRepositoryLock(repo: Repository, lock: string): Promise<void> {
  if (!(await isInside(lock))) throw held(lock, "a link leads there");
  await clear(await wholeRoom(repo), lock, refLimitMs);
}

/**
 * Locks of refs, of the packed refs and of the configuration that nobody has, and what a kill left of those that were claimed, by the
 * same rule as `readStaleLocks`.
 */
export async function readRepositoryLocks(repo: Repository): Promise<string[]> {
  const claimed = (await readdir(repo.common)).filter((name) => name.startsWith(claimPrefix));
  const own = ["packed-refs.lock", "config.lock", ...claimed];
  const locks = own.map((name) => join(repo.common, name));
  return stale(await wholeRoom(repo), [...locks, ...(await locksBelow(join(repo.common, "refs")))]);
}

/** Also of a lock that was claimed beside its ref: git takes that name for a ref. */
const besideRef = /\.lock(\.muster-[0-9a-f-]{36})?$/;

/** Links are not followed, so all of them are inside. */
async function locksBelow(folder: string): Promise<string[]> {
  const found: string[] = [];
  for (const each of await readdir(folder, { withFileTypes: true }).catch(() => [])) {
    const path = join(folder, each.name);
    if (each.isDirectory()) found.push(...(await locksBelow(path)));
    else if (each.isFile() && besideRef.test(each.name)) found.push(path);
  }
  return found;
}

async function isInside(lock: string): Promise<boolean> {
  const folder = await realpath(dirname(lock)).catch(() => null);
  return folder === dirname(lock);
}

/** Locks in a worktree's git directory that nobody has and that are too old for a git that has just made one. */
export async function readStaleLocks(place: Place): Promise<string[]> {
  const locks = names.map((name) => join(place.gitDir, name));
  return stale(roomOf(place), locks);
}

async function stale(room: Room, locks: readonly string[]): Promise<string[]> {
  const left: string[] = [];
  for (const lock of locks) {
    const found = await readStat(lock);
    if (found === undefined || Date.now() - found.mtimeMs < staleMs) continue;
    if ((await ownerOf(room, found)) === undefined) left.push(lock);
  }
  return left;
}

async function clear(room: Room, lock: string, limitMs: number): Promise<void> {
  const began = performance.now();
  let seen: { readonly as: Stats; readonly at: number } | undefined;
  for (;;) {
    const found = await readStat(lock);
    if (found === undefined) return;
    const now = performance.now();
    if (seen === undefined || !isSame(seen.as, found)) seen = { as: found, at: now };
    const owner = await ownerOf(room, found);
    // A clock that was set back makes a lock of the future: then only what was seen here counts.
    const ageMs = Math.max(Date.now() - found.mtimeMs, now - seen.at);
    if (owner === undefined && ageMs >= staleMs) await claim(room, lock, found);
    else if (now - began >= limitMs) throw held(lock, owner);
    else await pause(lookMs);
  }
}

function held(lock: string, owner: string | undefined): Fault {
  const why = owner ?? "git has just made it";
  return new Fault("locked", `${lock} is in the way: ${why}`, {
    remedy: `once no git works there, run rm ${shellWord(lock)}`,
  });
}

function isSame(a: Stats, b: Stats): boolean {
  return a.ino === b.ino && a.dev === b.dev && a.mtimeMs === b.mtimeMs && a.size === b.size;
}

/**
 * Who may still have the lock, in words; undefined where it is surely nobody. An owner is whoever has something open in the git
 * directory (git writes there), and any git that works in the worktree or was told of it (while its hooks and editors run it has the
 * lock, but no file open).
 */
async function ownerOf({ gitDir, folders }: Room, lock: Stats): Promise<string | undefined> {
  if (!lock.isFile()) return "it is not a file of git's";
  if (lock.uid !== process.getuid?.()) return "it is another user's";
  const all = pids();
  if (all.length === 0) return "processes can't be looked at here";
  const user = userOf(gitDir);
  if (user !== undefined) return user;
  for (const pid of all) {
    const name = await readFile(`/proc/${pid}/comm`, "utf8").catch(() => "");
    if (name.startsWith("git") && (await isAbout(pid, folders)))
      return `git (process ${pid}) works there`;
  }
  return undefined;
}

async function isAbout(pid: number, folders: readonly string[]): Promise<boolean> {
  const cwd = await readlink(`/proc/${pid}/cwd`).catch(() => "");
  const said = await Promise.all(
    ["cmdline", "environ"].map((name) => readFile(`/proc/${pid}/${name}`, "utf8").catch(() => "")),
  );
  return folders.some(
    (folder) =>
      cwd === folder || cwd.startsWith(`${folder}/`) || said.some((text) => text.includes(folder)),
  );
}

const claimPrefix = "muster-lock-";

/** What was looked at goes; a lock that someone made in its place since goes back. */
async function claim({ common }: Room, lock: string, looked: Stats): Promise<void> {
  const claimed = join(common, `${claimPrefix}${randomUUID()}`);
  try {
    await rename(lock, claimed);
  } catch (error) {
    if (errnoOf(error) === "ENOENT") return;
    throw error;
  }
  const taken = await readStat(claimed);
  if (taken !== undefined && !isSame(taken, looked)) await link(claimed, lock).catch(() => {});
  await rm(claimed, { force: true });
}
