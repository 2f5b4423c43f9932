/**
 * The way out of one worktree whose attempt is over, as a plan: what goes, why it may, which ref will hold it, what goes with it, and
 * what speaks against it. Retiring and `clean` make it here and perform it here; only who asked differs.
 */
import { existsSync } from "node:fs";
import type { Attempt } from "../core/attempt.ts";
import type { AttemptId, RunId, TaskKey } from "../core/ids.ts";
import type { TaskSpec } from "../core/plan.ts";
import { type Checkout, listCheckouts, readCheckouts } from "../git/checkout.ts";
import type { Repository } from "../git/git.ts";
import { isAncestor } from "../git/inspect.ts";
import { deleteRef, readRef } from "../git/refs.ts";
import { type WorktreeRecord, openPlace, readRegistrations } from "../git/registration.ts";
import { listSnapshots } from "../git/restore.ts";
import { type Host, openProject, worktreeReason } from "./context.ts";
import { giveBack, lastRef } from "./give-back.ts";
import { notKnown, whyItStays } from "./stays.ts";
import { type TakenAway, takeAway } from "./take-away.ts";

/** A worktree that somebody wants gone. */
export interface Leaving {
  /** With the record of its worktree, where it is not a restored one. */
  readonly attempt: Attempt;
  readonly spec: TaskSpec;
  readonly worktree: string;
  /** Why it may go, in words. */
  readonly why: string;
  /** What was restored for a person; null for the attempt's own worktree. */
  readonly restored: Restored | null;
  /** A person asked for it: what somebody changed in it since its session was over goes into the ref, too. */
  readonly asked: boolean;
}

export interface Restored {
  readonly id: string;
  /** The branch that was made for it; null for none. */
  readonly branch: string | null;
  /** False where its restoring was cut off. */
  readonly done: boolean;
}

export interface Removal {
  readonly run: RunId;
  readonly task: TaskKey;
  readonly attempt: AttemptId;
  /** The project's folder. */
  readonly project: string;
  readonly worktree: string;
  /** Why it may go. */
  readonly why: string;
  /** The ref that will hold everything in it. */
  readonly ref: string;
  /** The branch that goes after it, as all of it is held elsewhere; null where it stays. */
  readonly branch: string | null;
  /** Why it has to stay, with what to do about it; null where it may go. */
  readonly blocked: string | null;
}

export type Removed =
  /** `branch`: the one that went as well. */
  { readonly ref: string; readonly branch: string | null } | { readonly why: string };

/** What a plan of several has found out, or given out, already. */
export interface Known {
  /** Who uses it; undefined for nobody. */
  readonly user?: string | undefined;
  /** Numbers of snapshots that are promised. */
  readonly promised?: Map<AttemptId, number>;
  /** What was read of repositories, by their common folders. */
  readonly read?: Map<string, Promise<Listed>>;
}

/** What one look at a repository says about all of its worktrees. */
interface Listed {
  readonly records: readonly WorktreeRecord[];
  readonly checkouts: readonly Checkout[];
}

/** Worktrees that are being taken away right now, by their paths: for a moment such a folder lies in the trash, and may come back. */
const underWay = new Set<string>();

export function isLeaving(worktree: string): boolean {
  return underWay.has(worktree);
}

const beingTaken = "it is being taken away";

/** The plan. Changes nothing. Throws Fault where the project can't be opened. */
export async function planRemoval(
  host: Host,
  leaving: Leaving,
  known: Known = {},
): Promise<Removal> {
  const { attempt, spec, worktree, why, restored } = leaving;
  const repo = await openProject(host, attempt.run, spec);
  const listed = await listOnce(repo, known.read);
  const blocked = await whatSpeaksAgainst(repo, leaving, listed, known);
  const isNumbered = restored !== null && blocked === null;
  return {
    run: attempt.run,
    task: attempt.task,
    attempt: attempt.id,
    project: spec.root,
    worktree,
    why,
    ref: isNumbered ? await freeRef(repo, attempt, restored, known.promised) : lastRef(attempt),
    branch: blocked === null ? await branchToGo(repo, leaving, listed) : null,
    blocked,
  };
}

/**
 * Performs a plan that was just made: the worktree goes once its ref is verified to hold everything, then the branch. Where anything
 * speaks against it by now, nothing is removed and `why` says what.
 */
export async function performRemoval(
  host: Host,
  leaving: Leaving,
  plan: Removal,
): Promise<Removed> {
  if (plan.blocked !== null) return { why: plan.blocked };
  const { worktree } = leaving;
  if (isLeaving(worktree)) return { why: beingTaken };
  underWay.add(worktree);
  try {
    return await remove(host, leaving, plan);
  } finally {
    underWay.delete(worktree);
  }
}

async function remove(host: Host, leaving: Leaving, { ref, branch }: Removal): Promise<Removed> {
  const { attempt, spec, restored, asked } = leaving;
  const taken =
    restored === null
      ? await giveBack(host, attempt, spec, { asked })
      : await takeRestored(host, leaving, restored, ref);
  if ("why" in taken) return taken;
  const hasGone = branch !== null && (await dropBranch(host, leaving, branch, taken.ref));
  return { ref: taken.ref, branch: hasGone ? branch : null };
}

/** A repository with hundreds of worktrees is not listed for each of them. */
function listOnce(
  repo: Repository,
  read: Map<string, Promise<Listed>> = new Map(),
): Promise<Listed> {
  const listing =
    read.get(repo.common) ??
    Promise.all([readRegistrations(repo), listCheckouts(repo)]).then(([records, checkouts]) => {
      return { records, checkouts };
    });
  read.set(repo.common, listing);
  return listing;
}

async function whatSpeaksAgainst(
  repo: Repository,
  { attempt, worktree, restored }: Leaving,
  { records }: Listed,
  known: Known,
): Promise<string | null> {
  if (isLeaving(worktree)) return beingTaken;
  // Taken away before a crash, or by somebody else: what is left of it is looked at when it is given back.
  if (!existsSync(worktree)) return null;
  const ours = restored === null ? worktreeReason(attempt.run, attempt.task) : null;
  const user = "user" in known ? { user: known.user } : {};
  return whyItStays(repo, { path: worktree, ours, records, ...user });
}

/** A restored worktree was never set up, so it is not torn down, and nothing in it was brought by anyone but a person. */
async function takeRestored(
  host: Host,
  { attempt, spec, worktree }: Leaving,
  { done }: Restored,
  ref: string,
): Promise<TakenAway> {
  const repo = await openProject(host, attempt.run, spec);
  const known = (await readRegistrations(repo)).find(({ path }) => path === worktree);
  if (known === undefined) return { why: notKnown };
  const place = await openPlace(repo, known);
  const about = done ? "a restored worktree" : "a worktree whose restoring was cut off";
  const message = `Last snapshot of ${about} of ${attempt.run}/${attempt.task}\n\nMuster-Attempt: ${attempt.id}`;
  return takeAway(host, repo, place, { ref, message }, null);
}

/** Behind every snapshot that there is, so that it is the newest. One that was cut off is no work of a person's: aside. */
async function freeRef(
  repo: Repository,
  { id, snapshots }: Attempt,
  restored: Restored,
  promised: Map<AttemptId, number> = new Map(),
): Promise<string> {
  if (!restored.done) return `refs/muster/rescue/cut-off-${id}-${restored.id}`;
  const there = (await listSnapshots(repo, id)).map(({ n }) => n);
  const next = Math.max(snapshots + 1, promised.get(id) ?? 0, ...there) + 1;
  promised.set(id, next);
  return `refs/muster/attempts/${id}/${next}`;
}

/** The branch that a restoration made, or that has nothing which is not on the target; null where someone else is on it. */
async function branchToGo(
  repo: Repository,
  { attempt, spec, worktree, restored }: Leaving,
  { checkouts }: Listed,
): Promise<string | null> {
  const branch = restored === null ? (attempt.worktree?.branch ?? attempt.branch) : restored.branch;
  if (branch === null) return null;
  const ref = `refs/heads/${branch}`;
  const head = await readRef(repo, ref);
  const isElsewhere = checkouts.some(({ path, refs }) => refs.includes(ref) && path !== worktree);
  if (head === null || isElsewhere) return null;
  if (restored !== null) return branch;
  const target = await readRef(repo, `refs/heads/${spec.target}`);
  return target !== null && (await isAncestor(repo, head, target)) ? branch : null;
}

/** After its worktree: only where its commit is reachable from what stays. One that can't go is no harm: nothing waits for it. */
async function dropBranch(
  host: Host,
  { attempt, spec }: Leaving,
  branch: string,
  heldBy: string,
): Promise<boolean> {
  const ref = `refs/heads/${branch}`;
  try {
    const repo = await openProject(host, attempt.run, spec);
    const head = await readRef(repo, ref);
    const [other] = await readCheckouts(repo, ref, () => false);
    if (head === null || other !== undefined) return false;
    for (const holder of [heldBy, `refs/heads/${spec.target}`]) {
      const held = await readRef(repo, holder);
      if (held !== null && (await isAncestor(repo, head, held)))
        return (await deleteRef(repo, ref, head)) === "deleted";
    }
  } catch (error) {
    host.log("warn", "A branch stays", { att: attempt.id, branch, error: String(error) });
  }
  return false;
}
