/**
 * Worktrees of attempts. Everything that writes to the list of worktrees goes one at a time through a queue per common git
 * directory (parallel adds fail, git.md §0); the checkout itself, which is the slow part, runs outside it.
 */
import { randomBytes } from "node:crypto";
import { mkdir, readdir, realpath, rm, rmdir } from "node:fs/promises";
import { basename, dirname, isAbsolute, join } from "node:path";
import { Fault } from "../core/fault.ts";
import type { Sha } from "../core/ids.ts";
import { isWriting } from "./alive.ts";
import { errnoOf, readSmall, readStat } from "./files.ts";
import { checkoutWorkers, git, longMs, type Repository } from "./git.ts";
import { withPrivateDir } from "./private.ts";
import { readRef, readSymbolicHead, requireRefPart, requireSha, updateRef } from "./refs.ts";
import {
  pinned,
  readRegistrations,
  requirePlace,
  type Place,
  type WorktreeRecord,
} from "./registration.ts";
import { deleteTrash, moveAway, renamed } from "./trash.ts";
import { shellWord } from "../core/words.ts";

export { openPlace, type Place, type WorktreeRecord } from "./registration.ts";
export { listWorktrees } from "./list.ts";

export interface AddRequest {
  /** Absolute; its last part is unique to the attempt. */
  readonly path: string;
  readonly branch: string;
  readonly commit: Sha;
  /** Why the worktree is locked: one line. */
  readonly reason: string;
}

const queues = new Map<string, Promise<unknown>>();

/** Runs one writer at a time per common git directory of this process. */
export function serialized<T>(repo: Repository, act: () => Promise<T>): Promise<T> {
  const turn = (queues.get(repo.common) ?? Promise.resolve()).then(act, act);
  queues.set(repo.common, turn);
  return turn;
}

/**
 * Adds a locked worktree at `path` on the new branch `branch` at `commit`, with the files checked out. Repeating it after a
 * crash at any point completes it; where it is complete it changes nothing. Filters from the person's own configuration run;
 * the repository's do not, as any agent can write them. Throws Fault `refused` where the path or the branch is someone else's.
 */
export async function addWorktree(repo: Repository, request: AddRequest): Promise<WorktreeRecord> {
  requireSha(request.commit);
  requireRefPart(request.branch);
  if (!isAbsolute(request.path))
    throw new Fault("refused", `${request.path} is not an absolute path`);
  await mkdir(dirname(request.path), { recursive: true });
  const path = join(await realpath(dirname(request.path)), basename(request.path));
  const record = await serialized(repo, () => register(repo, { ...request, path }));
  await checkOut(repo, record, request.commit);
  return record;
}

async function register(repo: Repository, request: AddRequest): Promise<WorktreeRecord> {
  const ref = `refs/heads/${request.branch}`;
  const known = await findRegistration(repo, request.path);
  if (known === undefined) {
    if ((await readRef(repo, ref)) !== null) throw branchTaken(request.branch);
    if ((await readNames(request.path)).length > 0) {
      throw new Fault("refused", `${request.path} is not empty and not a worktree of ours`, {
        remedy: `to see what is in it, run ls -A ${shellWord(request.path)}`,
      });
    }
  }
  const record = known ?? (await addEntry(repo, request));
  const place = { gitDir: record.gitDir, common: repo.common, worktree: record.path };
  await requirePlace(repo, place);
  await claimBranch(repo, place, request, ref);
  return record;
}

function branchTaken(branch: string): Fault {
  return new Fault("refused", `branch ${branch} exists and is not this attempt's`, {
    remedy: `to see who made it, run git log -1 ${shellWord(branch)}`,
  });
}

async function addEntry(repo: Repository, request: AddRequest): Promise<WorktreeRecord> {
  const args = [
    "worktree",
    "add",
    "--detach",
    "--no-checkout",
    "--lock",
    "--reason",
    request.reason,
    "--",
    request.path,
    request.commit,
  ];
  for (let tries = 0; ; tries++) {
    try {
      await git(repo, args);
    } catch (fault) {
      // A race with another process's writer ("failed to read …commondir"): what it left behind decides.
      if (tries > 0) throw fault;
      continue;
    }
    const record = await findRegistration(repo, request.path);
    if (record !== undefined) return record;
    throw new Fault("git_failed", `git worktree add made no registration for ${request.path}`);
  }
}

/**
 * HEAD points to the branch before the branch is there: so a registration whose HEAD names it owns it, whatever happens in
 * between. The branch itself is created by compare-and-swap.
 */
async function claimBranch(
  repo: Repository,
  place: Place,
  request: AddRequest,
  ref: string,
): Promise<void> {
  const env = pinned(place);
  const owned = (await readSymbolicHead(repo, env)) === ref;
  const now = await readRef(repo, ref);
  if (now !== null && (!owned || (now !== request.commit && !(await isCheckedOut(place)))))
    throw branchTaken(request.branch);
  if (now !== null) return;
  if (await isCheckedOut(place))
    throw new Fault("refused", `${place.worktree} is in use on another branch`);
  await git(repo, ["symbolic-ref", "-m", "muster: attempt", "HEAD", ref], { env });
  const made = await updateRef(repo, ref, request.commit, null, { reason: "muster: attempt" });
  if (made === "moved") return;
  await git(repo, ["update-ref", "--no-deref", "HEAD", request.commit], { env });
  throw branchTaken(request.branch);
}

async function isCheckedOut(place: Place): Promise<boolean> {
  return (await readStat(join(place.gitDir, "index"))) !== undefined;
}

async function checkOut(repo: Repository, record: WorktreeRecord, commit: Sha): Promise<void> {
  const place = { gitDir: record.gitDir, common: repo.common, worktree: record.path };
  if (await isCheckedOut(place)) return;
  const interrupted = (await readNames(record.path)).some((name) => name !== ".git");
  // Nobody else works in a worktree that has no index yet: files and a lock here are from a checkout of ours that was cut off.
  if (await isWriting(record.path))
    throw new Fault("locked", `a checkout of ${record.path} is still running`);
  await rm(join(record.gitDir, "index.lock"), { force: true });
  const request = {
    sight: "person",
    worktree: record.path,
    index: join(record.gitDir, "index"),
  } as const;
  const config = ["-c", `checkout.workers=${checkoutWorkers}`, `--work-tree=${record.path}`];
  await withPrivateDir(repo, request, async (own) => {
    // After a cut-off checkout half of the files are there, with no index that says so: `--reset` writes over them.
    const mode = interrupted ? "--reset" : "-m";
    await own.git([...config, "read-tree", mode, "-u", commit], { timeoutMs: longMs });
  });
}

async function findRegistration(
  repo: Repository,
  path: string,
): Promise<WorktreeRecord | undefined> {
  return (await readRegistrations(repo)).find((record) => record.path === path);
}

async function readNames(path: string): Promise<readonly string[]> {
  try {
    return await readdir(path);
  } catch (error) {
    if (errnoOf(error) === "ENOENT") return [];
    return ["?"];
  }
}

/** Locks a worktree, so that no `git worktree prune` drops it; repeating it changes nothing. */
export async function lockWorktree(repo: Repository, place: Place, reason: string): Promise<void> {
  await serialized(repo, async () => {
    await requirePlace(repo, place);
    if ((await readSmall(join(place.gitDir, "locked"))) !== undefined) return;
    await git(repo, ["worktree", "lock", "--reason", reason, "--", place.worktree]);
  });
}

/** Unlocks a worktree; repeating it changes nothing. */
export async function unlockWorktree(repo: Repository, place: Place): Promise<void> {
  await serialized(repo, async () => {
    await requirePlace(repo, place);
    await rm(join(place.gitDir, "locked"), { force: true });
  });
}

export type Retired =
  /** Where the folder (null: it was gone) and the registration (null: deleted) lie now. */
  | { readonly retired: true; readonly trash: string | null; readonly metadata: string | null }
  | { readonly retired: false; readonly why: "other_file_system" | "not_held" };

/**
 * Takes a worktree out of the repository: the folder is renamed into `trashDir`, then exactly this registration is removed.
 * Never forces: where the folder can't be renamed nothing changes. The caller has verified a snapshot, and in `isHeld` looks again at
 * the folder where it lies now, out of everybody's way; where that is false or throws, the folder goes back. Until it is true the
 * folder's name there says so, and nobody deletes it. Without `isHeld` nothing in it is worth a look.
 */
export async function retireWorktree(
  repo: Repository,
  place: Place,
  trashDir: string,
  isHeld?: (moved: Place) => Promise<boolean>,
): Promise<Retired> {
  return serialized(repo, async () => {
    const isThere = (await readStat(place.worktree)) !== undefined;
    if (isThere) await requirePlace(repo, place);
    else await requireOurs(repo, place);
    await mkdir(trashDir, { recursive: true, mode: 0o700 });
    const name = `${basename(place.worktree)}-${randomBytes(4).toString("hex")}`;
    const trash = join(trashDir, name);
    if (isThere) {
      const moved = await moveAway(place.worktree, trash, {
        ...(isHeld && { isHeld: (worktree) => isHeld({ ...place, worktree }) }),
      });
      if (moved !== "moved") return { retired: false, why: moved };
    }
    const metadata = `${trash}.git`;
    const kept = await renamed(place.gitDir, metadata);
    if (!kept) await deleteTrash(place.gitDir);
    // git does the same when the last linked worktree goes; it fails where there are others.
    await rmdir(join(repo.common, "worktrees")).catch(() => {});
    return { retired: true, trash: isThere ? trash : null, metadata: kept ? metadata : null };
  });
}

/** A folder that is gone leaves only the registration to check. */
async function requireOurs(repo: Repository, place: Place): Promise<void> {
  if ((await readStat(place.gitDir)) === undefined) return;
  const mine = (await readRegistrations(repo)).some(
    ({ gitDir, path }) => gitDir === place.gitDir && path === place.worktree,
  );
  if (!mine)
    throw new Fault("refused", `worktree metadata was changed: gitdir of ${place.worktree}`);
}
