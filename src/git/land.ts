/**
 * Landing: a branch moves from one exact commit to another, and the checkout that has it follows where that touches nothing of
 * the person's (design §5, "The person's checkout"). Never a stash, a reset, a hook or ORIG_HEAD.
 */
import { readOwnFilters } from "./filters.ts";
import { randomUUID } from "node:crypto";
import { Fault } from "../core/fault.ts";
import type { Sha } from "../core/ids.ts";
import { waitForWriters } from "./alive.ts";
import { readBusy, readCheckouts, readObstacle, type Obstacle } from "./checkout.ts";
import {
  dropLock,
  follow,
  goBack,
  goOn,
  isIndexNew,
  moveRef,
  placeOf,
  readTarget,
  rollBack,
  takeLock,
  type FollowRecord,
} from "./follow.ts";
import type { Repository } from "./git.ts";
import { isAncestor, treeOf } from "./inspect.ts";
import { readRef, requireSha, updateRef } from "./refs.ts";
import type { Place } from "./registration.ts";
import { clearHeadLock } from "./stale-lock.ts";
import { shellWord } from "../core/words.ts";

export type { FollowRecord } from "./follow.ts";

/** Told before a checkout is touched, and again when nothing needs recovery any more. */
export interface FollowJournal {
  write(record: FollowRecord): void | Promise<void>;
  clear(): void | Promise<void>;
}

export interface LandRequest {
  /** Short name of the branch. */
  readonly target: string;
  readonly old: Sha;
  readonly new: Sha;
  readonly journal: FollowJournal;
  /** Worktrees that don't count as a person's checkout. Default: none. */
  readonly isOurs?: (path: string) => boolean;
}

export type Landing =
  /** `followed`: the checkout whose files moved along. */
  | { readonly landed: true; readonly followed: string | null }
  | { readonly landed: false; readonly why: "moved"; readonly now: Sha | null }
  | {
      readonly landed: false;
      readonly why: "checkout_in_the_way";
      readonly paths: readonly string[];
      readonly detail: string;
    };

/** Two minutes for a checkout that outlived a killed daemon: 5,000 files take 2 s. */
const writersMs = 2 * 60_000;

/**
 * Moves `target` from `old` to `new`. Whatever it returns, the journal is clear and the checkout is wholly on one side. Where it
 * throws after the journal was written, the record stays for `recoverFollow`.
 */
export async function land(repo: Repository, request: LandRequest): Promise<Landing> {
  const { target, journal } = request;
  const ref = `refs/heads/${target}`;
  await treeOf(repo, requireSha(request.new));
  const now = await readRef(repo, ref);
  if (now !== request.old) return { landed: false, why: "moved", now };
  const [place, second] = await readCheckouts(repo, ref, request.isOurs ?? (() => false));
  if (place === undefined) {
    const done = await updateRef(repo, ref, request.new, request.old, { reason: "muster: land" });
    return done === "moved" ? { landed: true, followed: null } : moved(repo, ref);
  }
  if (second !== undefined)
    return refuse({
      paths: [],
      detail: `${target} is checked out twice, also in ${second.worktree}`,
    });
  const obstacle = await readWhatStands(repo, place, request);
  if (obstacle !== null) return refuse(obstacle);

  const { worktree, gitDir } = place;
  const record = {
    worktree,
    gitDir,
    target,
    old: request.old,
    new: request.new,
    token: randomUUID(),
  };
  await journal.write(record);
  if (!(await takeLock(record))) {
    await journal.clear();
    return refuse({ paths: [], detail: `another git command holds ${gitDir}/index.lock` });
  }
  const landing = await followLocked(repo, record);
  await journal.clear();
  return landing;
}

async function followLocked(repo: Repository, record: FollowRecord): Promise<Landing> {
  try {
    const done = await follow(repo, record);
    await dropLock(record);
    if (done.followed) return { landed: true, followed: record.worktree };
    return done.obstacle === null
      ? await moved(repo, `refs/heads/${record.target}`)
      : refuse(done.obstacle);
  } catch (fault) {
    // The person must be able to work in their checkout; what is half done, `recoverFollow` finds by the journal.
    await dropLock(record);
    throw fault;
  }
}

async function readWhatStands(
  repo: Repository,
  place: Place,
  request: LandRequest,
): Promise<Obstacle | null> {
  const [filter] = await readOwnFilters(repo);
  if (filter !== undefined)
    return {
      paths: [],
      detail: `the repository's own configuration defines the filter ${filter}, which sessions can write; define it globally, or check out another branch`,
    };
  const busy = await readBusy(repo, place, `refs/heads/${request.target}`);
  if (busy !== null) return busy;
  return readObstacle(repo, place, request.old, request.new);
}

function refuse(obstacle: Obstacle): Landing {
  return { landed: false, why: "checkout_in_the_way", ...obstacle };
}

async function moved(repo: Repository, ref: string): Promise<Landing> {
  return { landed: false, why: "moved", now: await readRef(repo, ref) };
}

/**
 * Completes a landing that a crash cut off, or undoes it where the branch is elsewhere by now. Idempotent; when it returns, the
 * record has served. Throws Fault `locked` where a git command is at work in the checkout: call it again later.
 */
export async function recoverFollow(repo: Repository, record: FollowRecord): Promise<Landing> {
  if (!(await waitForWriters(record.worktree, writersMs))) {
    throw new Fault("locked", `git is still moving files in ${record.worktree}`);
  }
  await dropLock(record);
  if (!(await takeLock(record))) {
    throw new Fault("locked", `another git command holds ${record.gitDir}/index.lock`, {
      remedy: `if no git runs there any more, run rm ${shellWord(`${record.gitDir}/index.lock`)}`,
    });
  }
  try {
    // The branch is moved from the checkout's side, which locks HEAD too.
    await clearHeadLock(placeOf(repo, record));
    return await complete(repo, record);
  } finally {
    await dropLock(record);
  }
}

async function complete(repo: Repository, record: FollowRecord): Promise<Landing> {
  const now = await readTarget(repo, record);
  // Files and index were NEW before the branch was; what was committed on top since is the person's.
  if (now !== null && (await isAncestor(repo, record.new, now)))
    return { landed: true, followed: record.worktree };
  const isNew = await isIndexNew(repo, record);
  const obstacle =
    now === record.old
      ? await readBusy(repo, placeOf(repo, record), `refs/heads/${record.target}`)
      : null;
  if (now !== record.old || obstacle !== null) {
    if (!isNew) await rollBack(repo, record);
    return obstacle === null ? { landed: false, why: "moved", now } : refuse(obstacle);
  }
  if (!isNew) {
    const refused = await goOn(repo, record);
    if (refused !== null) {
      await rollBack(repo, record);
      return refuse(refused);
    }
  }
  if ((await moveRef(repo, record)) === "moved") return { landed: true, followed: record.worktree };
  await goBack(repo, record);
  return moved(repo, `refs/heads/${record.target}`);
}
