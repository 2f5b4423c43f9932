/** Putting files into an index by name, and what could not be: the shared parts of capturing. */
import { Fault } from "../core/fault.ts";
import { longMs } from "./git.ts";
import { isWithin, nulTerminated, type RawPath } from "./paths.ts";
import type { PrivateDir } from "./private.ts";

/** Something in the worktree that the snapshot does not hold. */
export interface Left {
  readonly path: string;
  /** A lower bound for a folder over the budget. */
  readonly bytes: number;
  readonly why: "too_large" | "over_budget" | "unreadable" | "nested_history";
}

/**
 * Adds files to an index and returns those that could not be read; one that has vanished since is no loss. One bad file fails
 * the whole of git's call, so a failed call is halved until the file is alone. Then it has `another` try: a gc may have taken the
 * folder away that its object was to go to.
 */
export async function addFiles(
  own: Pick<PrivateDir, "git">,
  files: readonly RawPath[],
  another = true,
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
    if (files.length === 1) return another ? addFiles(own, files, false) : [...files];
    const half = files.length >> 1;
    return [
      ...(await addFiles(own, files.slice(0, half))),
      ...(await addFiles(own, files.slice(half))),
    ];
  }
}

/** True where a path, as `Left` shows it, is in something that setup or `copy` brought. */
export function isBrought(path: string, brought: readonly string[]): boolean {
  return brought.some((folder) => isWithin(path, folder));
}
