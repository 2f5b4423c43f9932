/**
 * Locks that a killed git left in a worktree's own git directory: nobody could use its index again. A lock is taken away only where
 * its owner is surely dead, and renaming is the claim: of two who try, one gets it.
 */
import { randomUUID } from "node:crypto";
import type { Stats } from "node:fs";
import { link, readFile, readlink, rename, rm } from "node:fs/promises";
import { join } from "node:path";
import { setTimeout as pause } from "node:timers/promises";
import { Fault } from "../core/fault.ts";
import { userOf } from "../process/folder.ts";
import { pids } from "../process/identity.ts";
import { errnoOf, readStat } from "./files.ts";
import type { Place } from "./registration.ts";
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
  for (const name of names) await clear(place, join(place.gitDir, name), limitMs);
}

/** Locks in a worktree's git directory that nobody has and that are too old for a git that has just made one. */
export async function readStaleLocks(place: Place): Promise<string[]> {
  const stale: string[] = [];
  for (const name of names) {
    const lock = join(place.gitDir, name);
    const found = await readStat(lock);
    if (found === undefined || Date.now() - found.mtimeMs < staleMs) continue;
    if ((await ownerOf(place, found)) === undefined) stale.push(lock);
  }
  return stale;
}

async function clear(place: Place, lock: string, limitMs: number): Promise<void> {
  const began = performance.now();
  let seen: { readonly as: Stats; readonly at: number } | undefined;
  for (;;) {
    const found = await readStat(lock);
    if (found === undefined) return;
    const now = performance.now();
    if (seen === undefined || !isSame(seen.as, found)) seen = { as: found, at: now };
    const owner = await ownerOf(place, found);
    // A clock that was set back makes a lock of the future: then only what was seen here counts.
    const ageMs = Math.max(Date.now() - found.mtimeMs, now - seen.at);
    if (owner === undefined && ageMs >= staleMs) await claim(lock, found);
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
async function ownerOf({ worktree, gitDir }: Place, lock: Stats): Promise<string | undefined> {
  if (!lock.isFile()) return "it is not a file of git's";
  if (lock.uid !== process.getuid?.()) return "it is another user's";
  const all = pids();
  if (all.length === 0) return "processes can't be looked at here";
  const user = userOf(gitDir);
  if (user !== undefined) return user;
  for (const pid of all) {
    const name = await readFile(`/proc/${pid}/comm`, "utf8").catch(() => "");
    if (name.startsWith("git") && (await isAbout(pid, [worktree, gitDir])))
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

/** What was looked at goes; a lock that someone made in its place since goes back. */
async function claim(lock: string, looked: Stats): Promise<void> {
  const claimed = `${lock}.muster-${randomUUID()}`;
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
