/** Reads of files that an agent can replace: never through a link, never a pipe, never without a limit. */
import { constants, type Stats } from "node:fs";
import { Buffer } from "node:buffer";
import { chmod, lstat, open, readdir, type FileHandle } from "node:fs/promises";

/** 1 MiB: pointer files, exclude lists and messages of git are a few kilobytes. */
const smallBytes = 1024 * 1024;

/** Opens a regular file itself; undefined for anything else (absent, a link, a pipe, a folder). */
export async function openRegular(path: string): Promise<FileHandle | undefined> {
  let file: FileHandle;
  try {
    // O_NONBLOCK: a FIFO in the place of the file must not hold us.
    file = await open(path, constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK);
  } catch {
    return undefined;
  }
  if ((await file.stat()).isFile()) return file;
  await file.close();
  return undefined;
}

/** The text of a small regular file; undefined where it is absent, something else, or over 1 MiB. */
export async function readSmall(path: string): Promise<string | undefined> {
  const file = await openRegular(path);
  if (file === undefined) return undefined;
  try {
    if ((await file.stat()).size > smallBytes) return undefined;
    return await file.readFile("latin1");
  } finally {
    await file.close();
  }
}

/** What is at a path itself, links not followed; undefined where nothing is or it can't be looked at. */
export async function readStat(path: string | Buffer): Promise<Stats | undefined> {
  try {
    return await lstat(path);
  } catch {
    return undefined;
  }
}

/** The `code` of a system error, e.g. `ENOENT`; undefined for anything else. */
export function errnoOf(error: unknown): string | undefined {
  return error instanceof Error && "code" in error ? String(error.code) : undefined;
}

/** Gives the owner write permission on a folder and those below it, links not followed: module caches come without. */
export async function openUp(folder: string | Buffer): Promise<void> {
  const stats = await readStat(folder);
  if (!stats?.isDirectory()) return;
  await chmod(folder, 0o700);
  for (const name of await readdir(folder, { encoding: "buffer" })) {
    await openUp(Buffer.concat([Buffer.from(folder), Buffer.from("/"), name]));
  }
}
