/** Why a worktree may not be taken away: one answer for retiring, for `clean`'s plan, and for the last look before anything is deleted. */
import { shellWord } from "../core/words.ts";
import type { Repository } from "../git/git.ts";
import { type WorktreeRecord, readLock, readRegistrations } from "../git/registration.ts";
import { userOf } from "../process/folder.ts";

/** Said of a folder without a registration. */
export const notKnown = "git does not know it any more; look at it by hand";

export interface Asked {
  readonly path: string;
  /** The reason of the only lock that is muster's; null where every lock is somebody else's. */
  readonly ours: string | null;
  /** Who uses it, where the caller has looked already. */
  readonly user?: string | undefined;
  /** The registrations, where the caller has read them already. */
  readonly records?: readonly WorktreeRecord[] | undefined;
}

/** What a person has to do first, in words; null where nothing speaks against it. */
export async function whyItStays(repo: Repository, asked: Asked): Promise<string | null> {
  const { path, ours } = asked;
  const user = "user" in asked ? asked.user : userOf(path);
  if (user !== undefined) return `${user}; leave it first`;
  const records = asked.records ?? (await readRegistrations(repo));
  const known = records.find((each) => each.path === path);
  if (known === undefined) return notKnown;
  return readForeignLock(repo, known, ours);
}

/** That it is locked by somebody else; null where it is not. Does not look at the folder, which may have moved. */
export async function readForeignLock(
  repo: Repository,
  { gitDir, path }: { readonly gitDir: string; readonly path: string },
  ours: string | null,
): Promise<string | null> {
  const locked = await readLock(gitDir);
  if (locked === null || locked === ours) return null;
  return `it is locked (${locked || "no reason given"}); to unlock it, run git -C ${shellWord(repo.root)} worktree unlock ${shellWord(path)}`;
}
