/** A disk without space: what fails on it says nothing of a session or a commit. */
import { statfsSync } from "node:fs";
import { Fault } from "../core/fault.ts";
import { shellWord } from "../core/words.ts";

/** Less than this and no tool writes anything of use. */
const leastBytes = 4 * 1024 * 1024;

/** True where one of the folders lies on a disk that is full; one that can't be asked counts as not full. */
export function isFull(...folders: readonly string[]): boolean {
  return folders.some((folder) => {
    try {
      const { bavail, bsize } = statfsSync(folder);
      return bavail * bsize < leastBytes;
    } catch {
      return false;
    }
  });
}

/** The Fault of what found no space below `path`. */
export function noSpace(path: string, cause?: unknown): Fault {
  return new Fault("no_space", `no space left in ${path}`, {
    remedy: `To see what is full, run df -h ${shellWord(path)}`,
    cause,
  });
}

/** True for what a system call or git says where it has no space left: there may be some by now, and it took more. */
export function saysFull(error: unknown): boolean {
  const space = /\b(?:ENOSPC|EDQUOT)\b|: (?:No space left on device|Disk quota exceeded)$/m;
  return error instanceof Error && space.test(error.message);
}
