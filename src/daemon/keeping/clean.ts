/**
 * Worktrees whose attempt is over: what is there, why it may go, which ref will hold it, and taking it away. What was cleaned is no
 * event: a worktree that is not on disk any more is not in the plan (a settled run is folded from its own rows, which end with its
 * settling).
 */
import type { KeepingParts } from "./parts.ts";
import { existsSync } from "node:fs";
import type { CleanItem, CleanOutcome, CleanPlan, Cleaned } from "../../api/housekeeping.ts";
import type { CleanQuery, CleanRequest } from "../../api/schema.ts";
import type { AttemptId, RunId, Sha, TaskKey } from "../../core/ids.ts";
import type { TaskSpec } from "../../core/plan.ts";
import type { Ledger } from "../../core/ports.ts";
import type { Attempt } from "../../core/attempt.ts";
import { readCheckouts } from "../../git/checkout.ts";
import type { Repository } from "../../git/git.ts";
import { isAncestor } from "../../git/inspect.ts";
import { deleteRef, readRef } from "../../git/refs.ts";
import { openPlace, readRegistrations } from "../../git/registration.ts";
import { listSnapshots } from "../../git/restore.ts";
import { type Host, openProject, worktreeReason } from "../../host/context.ts";
import { giveBack, lastRef } from "../../host/retire.ts";
import { notKnown, whyItStays } from "../../host/stays.ts";
import { type TakenAway, takeAway } from "../../host/take-away.ts";
import { userOf, usersOf } from "../../process/folder.ts";
import { weighAll } from "./disk.ts";
import { forgetOld, oldItems } from "./old.ts";
import { findRun } from "../projection.ts";
import { type RestoredNote, forgetNote, readNotes, restoring } from "./restored.ts";

/** A worktree that may be in the plan; `note` where it was restored. */
interface Candidate {
  readonly attempt: Attempt;
  readonly spec: TaskSpec;
  readonly path: string;
  readonly kept: string;
  readonly at: number;
  readonly note: RestoredNote | null;
}

/** Two seconds for the sizes of all worktrees: they are a help, not the plan. */
const weighMs = 2_000;

/** All worktrees, and nothing of what is only old. */
export const everything: CleanQuery = {
  run: null,
  task: null,
  olderThanMs: null,
  largerThanBytes: null,
};

/**
 * The plan: every worktree of an attempt that is over, oldest first; with an age only older ones, and old data too; with a size
 * alone no worktree, but the oldest data beyond it.
 */
export async function cleanPlan(parts: KeepingParts, query: CleanQuery): Promise<CleanPlan> {
  const isBySize = query.largerThanBytes !== null && query.olderThanMs === null;
  const found = isBySize ? [] : await candidates(parts, query);
  const users = usersOf(found.map(({ path }) => path));
  const weights = await weighAll(
    found.map(({ path }) => path),
    weighMs,
  );
  const taken = new Map<AttemptId, number>();
  const items: CleanItem[] = [];
  for (const [i, one] of found.entries()) {
    const weight = weights[i];
    const looked = await look(parts.host, one, users.get(one.path), taken);
    const unasked = one.note !== null && query.run === null;
    const { run, task } = one.attempt;
    items.push({
      run,
      task,
      attempt: one.attempt.id,
      project: one.spec.root,
      worktree: one.path,
      kept: one.kept,
      ref: looked.ref,
      branch: looked.branch,
      restored: one.note !== null,
      bytes: weight?.whole === true ? weight.bytes : null,
      blocked:
        looked.blocked ??
        (unasked ? `it is yours; to take it away, run muster clean ${run}/${task}` : null),
    });
  }
  return { items, old: await oldItems(parts, query) };
}

/** Performs the plan for these: what is blocked by now stays, with the reason. Old data goes last. */
export async function performClean(
  parts: KeepingParts,
  { worktrees, attempts, olderThanMs, largerThanBytes }: CleanRequest,
): Promise<CleanOutcome> {
  const wanted = new Set(worktrees);
  const cleaned: Cleaned[] = [];
  for (const one of await candidates(parts, everything))
    if (wanted.has(one.path)) cleaned.push(await clean(parts.host, one));
  // What has just come into a ref is not what a person saw as old.
  const fresh = new Set(cleaned.map(({ attempt }) => attempt));
  const old = new Set(attempts.filter((attempt) => !fresh.has(attempt)));
  const query = { ...everything, olderThanMs, largerThanBytes };
  const forgotten = old.size === 0 ? [] : await forgetOld(parts, query, old);
  return { cleaned, forgotten };
}

async function clean(host: Host, one: Candidate): Promise<Cleaned> {
  const { path, attempt } = one;
  const stays = (why: string): Cleaned => {
    return { attempt: attempt.id, worktree: path, removed: false, ref: null, branch: null, why };
  };
  try {
    const { ref, branch, blocked } = await look(host, one, userOf(path), new Map());
    if (blocked !== null) return stays(blocked);
    const taken = await take(host, one, ref);
    if ("why" in taken) return stays(taken.why);
    const dropped = branch !== null && (await dropBranch(host, one, branch, taken.ref));
    return {
      attempt: attempt.id,
      worktree: path,
      removed: true,
      ref: taken.ref,
      branch: dropped ? branch : null,
      why: null,
    };
  } catch (error) {
    return stays(messageOf(error));
  }
}

/** A restored worktree was never set up, so it is not torn down, and nothing in it was brought by anyone but a person. */
async function take(host: Host, one: Candidate, ref: string): Promise<TakenAway> {
  const { attempt, spec, note, path } = one;
  if (note === null) return giveBack(host, attempt, spec, { asked: true });
  const repo = await openProject(host, attempt.run, spec);
  const known = (await readRegistrations(repo)).find((each) => each.path === path);
  if (known === undefined) return { why: notKnown };
  const place = await openPlace(repo, known);
  const about = note.done ? "a restored worktree" : "a worktree whose restoring was cut off";
  const message = `Last snapshot of ${about} of ${attempt.run}/${attempt.task}\n\nMuster-Attempt: ${attempt.id}`;
  const taken = await takeAway(host, repo, place, { ref, message }, null);
  if ("ref" in taken) forgetNote(host.home, note.id);
  return taken;
}

async function candidates(parts: KeepingParts, query: CleanQuery): Promise<Candidate[]> {
  const { host, ledger, state } = parts;
  const only = query.run === null ? null : (await findRun(state(), ledger, query.run)).run.id;
  const isWanted = (run: RunId, task: TaskKey, at: number): boolean =>
    (only === null || run === only) &&
    (query.task === null || task === query.task) &&
    (query.olderThanMs === null || at <= host.now() - query.olderThanMs);
  const notes = readNotes(host.home);
  const restored = new Set(notes.map(({ worktree }) => worktree));
  const found: Candidate[] = [];
  for (const { run, task, att, why, at } of await readKept(ledger, only)) {
    if (!isWanted(run, task, at)) continue;
    const { attempt, spec } = await attemptOf(parts, run, task, att);
    const path = attempt?.worktree?.path;
    if (attempt === undefined || spec === undefined || path === undefined) continue;
    if (restored.has(path) || !existsSync(path)) continue;
    found.push({ attempt, spec, path, kept: why, at, note: null });
  }
  for (const note of notes) {
    const { run, task, at, done, worktree: path } = note;
    if (!isWanted(run, task, at)) continue;
    const { attempt, spec } = await attemptOf(parts, run, task, note.attempt);
    if (attempt === undefined || spec === undefined) continue;
    const kept = done ? `restored from ${note.ref}` : "its restoring was cut off";
    found.push({ attempt, spec, path, kept, at, note });
  }
  return found.toSorted((a, b) => a.at - b.at);
}

async function attemptOf(
  { ledger, state }: KeepingParts,
  run: RunId,
  task: TaskKey,
  att: AttemptId,
): Promise<{ readonly attempt: Attempt | undefined; readonly spec: TaskSpec | undefined }> {
  const found = await findRun(state(), ledger, run);
  return {
    attempt: found.state.attempts.get(att) ?? found.run.past.get(att),
    spec: found.run.tasks.get(task)?.spec,
  };
}

interface Kept {
  readonly run: RunId;
  readonly task: TaskKey;
  readonly att: AttemptId;
  readonly why: string;
  readonly at: number;
}

async function readKept(ledger: Ledger, run: RunId | null): Promise<Kept[]> {
  const kept: Kept[] = [];
  const options = { types: ["attempt.kept" as const], ...(run === null ? {} : { run }) };
  for await (const event of ledger.read(0, options))
    if (event.type === "attempt.kept") kept.push(event);
  return kept;
}

interface Looked {
  readonly ref: string;
  readonly branch: string | null;
  readonly blocked: string | null;
}

/** What speaks against taking it away, where it will be held, and what goes with it. `taken`: numbers given in this plan. */
async function look(
  host: Host,
  one: Candidate,
  user: string | undefined,
  taken: Map<AttemptId, number>,
): Promise<Looked> {
  const { attempt, spec, note, path } = one;
  const stays = (blocked: string): Looked => ({ ref: lastRef(attempt), branch: null, blocked });
  if (note !== null && restoring.has(note.id)) return stays("it is being restored");
  const ours = note === null ? worktreeReason(attempt.run, attempt.task) : null;
  let repo: Repository;
  try {
    repo = await openProject(host, attempt.run, spec);
    const blocked = await whyItStays(repo, { path, ours, user });
    if (blocked !== null) return stays(blocked);
  } catch (error) {
    return stays(messageOf(error));
  }
  const ref = note === null ? lastRef(attempt) : await freeRef(repo, attempt, note, taken);
  return { ref, branch: await branchToGo(repo, one), blocked: null };
}

/** Behind every snapshot that there is, so that it is the newest. One that was cut off is no work of a person's: aside. */
async function freeRef(
  repo: Repository,
  { id, snapshots }: Attempt,
  note: RestoredNote,
  taken: Map<AttemptId, number>,
): Promise<string> {
  if (!note.done) return `refs/muster/rescue/cut-off-${id}-${note.id}`;
  const there = (await listSnapshots(repo, id)).map(({ n }) => n);
  const next = Math.max(snapshots + 1, taken.get(id) ?? 0, ...there) + 1;
  taken.set(id, next);
  return `refs/muster/attempts/${id}/${next}`;
}

/** The branch that a restoration made, or that has nothing which is not on the target; null where someone else is on it. */
async function branchToGo(repo: Repository, one: Candidate): Promise<string | null> {
  const { attempt, note, spec, path } = one;
  const branch = note === null ? attempt.branch : note.branch;
  if (branch === null) return null;
  const ref = `refs/heads/${branch}`;
  const head = await readRef(repo, ref);
  const [other] = await readCheckouts(repo, ref, (each) => each === path);
  if (head === null || other !== undefined) return null;
  if (note !== null) return branch;
  const target = await readRef(repo, `refs/heads/${spec.target}`);
  return target !== null && (await isAncestor(repo, head, target)) ? branch : null;
}

/** After its worktree: only where its commit is reachable from what stays. */
async function dropBranch(
  host: Host,
  { attempt, spec }: Candidate,
  branch: string,
  heldBy: string,
): Promise<boolean> {
  const repo = await openProject(host, attempt.run, spec);
  const ref = `refs/heads/${branch}`;
  const head = await readRef(repo, ref);
  const [other] = await readCheckouts(repo, ref, () => false);
  const holders: (Sha | null)[] = [
    await readRef(repo, heldBy),
    await readRef(repo, `refs/heads/${spec.target}`),
  ];
  if (head === null || other !== undefined) return false;
  for (const holder of holders)
    if (holder !== null && (await isAncestor(repo, head, holder)))
      return (await deleteRef(repo, ref, head)) === "deleted";
  return false;
}

function messageOf(error: unknown): string {
  return error instanceof Error ? (error.message.split("\n")[0] ?? "") : String(error);
}
