/**
 * Worktrees whose attempt is over: what is there, why it may go, which ref will hold it, and taking it away. What was cleaned is no
 * event: a worktree that is not on disk any more is not in the plan (a settled run is folded from its own rows, which end with its
 * settling), but for one whose cleaning was cut off.
 */
import { existsSync } from "node:fs";
import type { CleanItem, CleanOutcome, CleanPlan, Cleaned } from "../../api/housekeeping.ts";
import type { CleanQuery, CleanRequest } from "../../api/schema.ts";
import type { Attempt } from "../../core/attempt.ts";
import type { AttemptId, RunId, TaskKey } from "../../core/ids.ts";
import type { TaskSpec } from "../../core/plan.ts";
import type { Ledger } from "../../core/ports.ts";
import { readRef } from "../../git/refs.ts";
import { readRegistrations } from "../../git/registration.ts";
import { type Host, openProject } from "../../host/context.ts";
import { lastRef } from "../../host/give-back.ts";
import {
  type Known,
  type Leaving,
  type Removal,
  performRemoval,
  planRemoval,
} from "../../host/removal.ts";
import { usersOf } from "../../process/folder.ts";
import { findRun } from "../projection.ts";
import { weighAll } from "./disk.ts";
import { forgetOld, oldItems } from "./old.ts";
import type { KeepingParts } from "./parts.ts";
import { forgetNote, readNotes, restoring } from "./restored.ts";

/** A worktree that may be in the plan; `at` is since when, in ms since 1970. */
type Candidate = Leaving & { readonly at: number };

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
  const paths = found.map(({ worktree }) => worktree);
  const users = usersOf(paths);
  const weights = await weighAll(paths, weighMs);
  const once = { promised: new Map(), read: new Map() };
  const items: CleanItem[] = [];
  for (const [i, one] of found.entries()) {
    const weight = weights[i];
    const plan = await look(parts.host, one, { user: users.get(one.worktree), ...once });
    const restored = one.restored !== null;
    const name = `${plan.run}/${plan.task}`;
    const theirs =
      restored && query.run === null
        ? `it is yours; to take it away, run muster clean ${name}`
        : null;
    const bytes = weight?.whole === true ? weight.bytes : null;
    items.push({ ...plan, restored, bytes, blocked: plan.blocked ?? theirs });
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
    if (wanted.has(one.worktree)) cleaned.push(await clean(parts.host, one));
  // What has just come into a ref is not what a person saw as old.
  const fresh = new Set(cleaned.map(({ attempt }) => attempt));
  const old = new Set(attempts.filter((attempt) => !fresh.has(attempt)));
  const query = { ...everything, olderThanMs, largerThanBytes };
  const forgotten = old.size === 0 ? [] : await forgetOld(parts, query, old);
  return { cleaned, forgotten };
}

async function clean(host: Host, one: Candidate): Promise<Cleaned> {
  const about = { attempt: one.attempt.id, worktree: one.worktree };
  const stays = (why: string): Cleaned => {
    return { ...about, removed: false, ref: null, branch: null, why };
  };
  try {
    const removed = await performRemoval(host, one, await look(host, one));
    if ("why" in removed) return stays(removed.why);
    if (one.restored !== null) forgetNote(host.home, one.restored.id);
    return { ...about, removed: true, ...removed, why: null };
  } catch (error) {
    return stays(messageOf(error));
  }
}

/** The plan for one; what can't be looked at stays. */
async function look(host: Host, one: Candidate, known: Known = {}): Promise<Removal> {
  const { attempt, spec, worktree, why, restored } = one;
  const stays = (blocked: string): Removal => {
    const { id, run, task } = attempt;
    const about = { run, task, attempt: id, project: spec.root, worktree, why };
    return { ...about, ref: lastRef(attempt), branch: null, blocked };
  };
  if (restored !== null && restoring.has(restored.id)) return stays("it is being restored");
  try {
    return await planRemoval(host, one, known);
  } catch (error) {
    return stays(messageOf(error));
  }
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
  const isHalfGone = halfGoneIn(host);
  const attemptOf = finderIn(parts);
  const found: Candidate[] = [];
  for (const { run, task, att, why, at } of await readKept(ledger, only)) {
    if (!isWanted(run, task, at)) continue;
    const { attempt, spec } = await attemptOf(run, task, att);
    const worktree = attempt?.worktree?.path;
    if (attempt === undefined || spec === undefined || worktree === undefined) continue;
    if (restored.has(worktree)) continue;
    if (!existsSync(worktree) && !(await isHalfGone(attempt, spec, worktree))) continue;
    found.push({ attempt, spec, worktree, why, restored: null, asked: true, at });
  }
  for (const note of notes) {
    const { run, task, at, done, worktree } = note;
    if (!isWanted(run, task, at)) continue;
    const { attempt, spec } = await attemptOf(run, task, note.attempt);
    if (attempt === undefined || spec === undefined) continue;
    const why = done ? `restored from ${note.ref}` : "its restoring was cut off";
    found.push({ attempt, spec, worktree, why, restored: note, asked: true, at });
  }
  return found.toSorted((a, b) => a.at - b.at);
}

/**
 * Whether taking it away was cut off: its folder is gone and its ref is there, but git still has it. Each project is listed once;
 * one that can't be opened has none.
 */
function halfGoneIn(
  host: Host,
): (attempt: Attempt, spec: TaskSpec, worktree: string) => Promise<boolean> {
  const read = async (run: RunId, spec: TaskSpec) => {
    const repo = await openProject(host, run, spec).catch(() => null);
    const known = repo === null ? [] : await readRegistrations(repo);
    return { repo, paths: new Set(known.map(({ path }) => path)) };
  };
  const projects = new Map<string, ReturnType<typeof read>>();
  return async (attempt, spec, worktree) => {
    const reading = projects.get(spec.root) ?? read(attempt.run, spec);
    projects.set(spec.root, reading);
    const { repo, paths } = await reading;
    return repo !== null && paths.has(worktree) && (await readRef(repo, lastRef(attempt))) !== null;
  };
}

/** A settled run is folded from its rows: once, however many attempts of it are asked for. */
function finderIn({ ledger, state }: KeepingParts) {
  const runs = new Map<RunId, ReturnType<typeof findRun>>();
  return async (
    run: RunId,
    task: TaskKey,
    att: AttemptId,
  ): Promise<{ readonly attempt: Attempt | undefined; readonly spec: TaskSpec | undefined }> => {
    const finding = runs.get(run) ?? findRun(state(), ledger, run);
    runs.set(run, finding);
    const found = await finding;
    return {
      attempt: found.state.attempts.get(att) ?? found.run.past.get(att),
      spec: found.run.tasks.get(task)?.spec,
    };
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

function messageOf(error: unknown): string {
  return error instanceof Error ? (error.message.split("\n")[0] ?? "") : String(error);
}
