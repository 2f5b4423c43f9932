/**
 * Who uses a folder: live processes that work in it, and live processes that have something in it open. Linux only: nobody is found
 * elsewhere. Processes of other users can't be looked into.
 */
import { readdirSync, readlinkSync } from "node:fs";
import { pids } from "./identity.ts";

interface Use {
  readonly pid: number;
  readonly path: string;
}

/**
 * Who uses each of `folders` (real paths), in words for a person; those that nobody uses are left out. Two looks that know nothing of
 * each other: working directories, then whatever else is open (files, the program itself, its root). This process is not counted.
 */
export function usersOf(folders: readonly string[]): ReadonlyMap<string, string> {
  const found = new Map<string, string>();
  if (folders.length === 0) return found;
  const working = readUses((pid) => [`/proc/${pid}/cwd`]);
  const open = readUses((pid) => [
    `/proc/${pid}/exe`,
    `/proc/${pid}/root`,
    ...readNames(`/proc/${pid}/fd`).map((fd) => `/proc/${pid}/fd/${fd}`),
  ]);
  for (const folder of folders) {
    const users =
      sentence(folder, working, ["works in it", "work in it"]) ??
      sentence(folder, open, ["has a file in it open", "have files in it open"]);
    if (users !== undefined) found.set(folder, users);
  }
  return found;
}

/** Who uses a folder, as `usersOf`; undefined where nobody does. */
export function userOf(folder: string): string | undefined {
  return usersOf([folder]).get(folder);
}

/** Processes that use a folder, in either way, without this one. */
export function usersIn(folder: string): ReadonlySet<number> {
  const uses = readUses((pid) => [
    `/proc/${pid}/cwd`,
    `/proc/${pid}/exe`,
    `/proc/${pid}/root`,
    ...readNames(`/proc/${pid}/fd`).map((fd) => `/proc/${pid}/fd/${fd}`),
  ]);
  return pidsIn(folder, uses);
}

function pidsIn(folder: string, uses: readonly Use[]): Set<number> {
  return new Set(
    uses.flatMap(({ pid, path }) =>
      path === folder || path.startsWith(`${folder}/`) ? [pid] : [],
    ),
  );
}

function sentence(
  folder: string,
  uses: readonly Use[],
  [one, several]: readonly [string, string],
): string | undefined {
  const using = pidsIn(folder, uses);
  const [pid] = using;
  if (pid === undefined) return undefined;
  return using.size === 1
    ? `process ${pid} ${one}`
    : `process ${pid} and ${using.size - 1} more ${several}`;
}

function readUses(linksOf: (pid: number) => readonly string[]): Use[] {
  return pids()
    .filter((pid) => pid !== process.pid)
    .flatMap((pid) =>
      linksOf(pid).flatMap((link) => {
        const path = readTarget(link);
        return path === undefined ? [] : [{ pid, path }];
      }),
    );
}

function readNames(folder: string): string[] {
  try {
    return readdirSync(folder);
  } catch {
    return []; // Gone, or another user's.
  }
}

function readTarget(link: string): string | undefined {
  try {
    return readlinkSync(link);
  } catch {
    return undefined;
  }
}
