/** Restoring: which snapshot, where to, and what will be said of it. The worktree that comes of it is the person's. */
import { existsSync, lstatSync, realpathSync } from "node:fs";
import { basename, dirname, isAbsolute, join } from "node:path";
import type { Restoration, SnapshotItem } from "../../api/housekeeping.ts";
import type { RestoreRequest } from "../../api/schema.ts";
import { Fault } from "../../core/fault.ts";
import type { AttemptId } from "../../core/ids.ts";
import type { Attempt } from "../../core/attempt.ts";
import type { Task } from "../../core/state.ts";
import { isPlain, shellWord } from "../../core/words.ts";
import type { Repository } from "../../git/git.ts";
import {
  type FoundSnapshot,
  type Standing,
  listSnapshots,
  readSnapshot,
  readSnapshotBytes,
  restoreWorktree,
  standingOf,
} from "../../git/restore.ts";
import { readBrought } from "../../host/brought.ts";
import { type Host, openProject, projectFolder } from "../../host/context.ts";
import type { Found } from "../projection.ts";
import { forgetNote, newNoteId, restoring, writeNote } from "./restored.ts";

/** A snapshot and the attempt it is of; `at` is what names it among the task's. */
interface Named extends FoundSnapshot {
  readonly at: string;
  readonly of: Attempt;
}

/** The snapshots of a task over all of its attempts, oldest first. */
export async function snapshotsOf(host: Host, found: Found, task: Task): Promise<SnapshotItem[]> {
  const repo = await openProject(host, found.run.id, task.spec);
  const items: SnapshotItem[] = [];
  for (const { at, attempt, ref, commit, takenAt, subject } of await named(repo, found, task)) {
    const parts = await readSnapshot(repo, commit);
    const bytes = await readSnapshotBytes(repo, parts);
    items.push({ at, attempt, ref, commit, takenAt, about: subject, bytes, left: parts.left });
  }
  return items;
}

async function named(repo: Repository, { state, run }: Found, task: Task): Promise<Named[]> {
  const all: Named[] = [];
  for (const [i, id] of task.attempts.entries()) {
    const of = state.attempts.get(id) ?? run.past.get(id);
    if (of === undefined) continue;
    const before = task.attempts.length === 1 ? "" : `${i + 1}.`;
    for (const each of await listSnapshots(repo, id))
      all.push({ ...each, at: `${before}${each.n}`, of });
  }
  return all;
}

/** Brings a worktree back, or with `dryRun` says how. Throws Fault `refused` where its place is taken, `not_found`, `usage`. */
export async function restore(
  host: Host,
  found: Found,
  task: Task,
  request: RestoreRequest,
): Promise<Restoration> {
  const { run } = found;
  const address = `${run.id}/${task.spec.key}`;
  const repo = await openProject(host, run.id, task.spec);
  const snapshot = choose(await named(repo, found, task), request.at, address);
  const { of } = snapshot;
  const worktree =
    request.to === null
      ? formerPlace(host, found, task, of.id, address)
      : givenPlace(host, repo, request.to);
  const parts = await readSnapshot(repo, snapshot.commit);
  const said = (standing: Standing, path: string): Restoration => ({
    run: run.id,
    task: task.spec.key,
    attempt: of.id,
    project: task.spec.root,
    at: snapshot.at,
    ref: snapshot.ref,
    commit: snapshot.commit,
    takenAt: snapshot.takenAt,
    worktree: path,
    head: parts.head ?? parts.commit,
    branch: standing.on === "branch" ? of.branch : null,
    branchMade: standing.on === "branch" && standing.made,
    detached: standing.on === "branch" ? null : reasonOf(standing.why, of.branch),
    unstaged: parts.staged === null && parts.unmerged === null,
    left: parts.left,
    brought: readBrought(host, of.id),
  });
  if (request.dryRun) return said(await standingOf(repo, parts, of.branch), worktree);
  const note = {
    id: newNoteId(),
    run: run.id,
    task: task.spec.key,
    attempt: of.id,
    worktree,
    ref: snapshot.ref,
    branch: null,
    at: host.now(),
    done: false,
  };
  restoring.add(note.id);
  try {
    await writeNote(host.home, note);
    const made = await restoreWorktree(repo, { parts, path: worktree, branch: of.branch });
    const done = said(made.standing, made.record.path);
    const branch = done.branchMade ? done.branch : null;
    await writeNote(host.home, { ...note, worktree: done.worktree, branch, done: true });
    return done;
  } catch (error) {
    forgetNote(host.home, note.id);
    throw error;
  } finally {
    restoring.delete(note.id);
  }
}

/** The newest, or the one that `at` names: `3`, or `1.3` for the third of the first attempt. */
function choose(all: readonly Named[], at: string | null, address: string): Named {
  const newest = all.at(-1);
  const remedy = `To see them, run muster restore ${address} --list`;
  if (newest === undefined)
    throw new Fault("not_found", `${address} has no snapshot`, {
      remedy: `To see what it did, run muster logs ${address}`,
    });
  if (at === null) return newest;
  if (!/^\d+(?:\.\d+)?$/.test(at))
    throw new Fault("usage", `--at is ${JSON.stringify(at)}, expected a number such as 3 or 1.3`, {
      remedy,
    });
  const ofNewest = all.find(({ of, n }) => of === newest.of && String(n) === at);
  const chosen = all.find((each) => each.at === at) ?? ofNewest;
  if (chosen === undefined)
    throw new Fault("not_found", `${address} has no snapshot ${at}`, { remedy });
  return chosen;
}

/** Where the attempt worked. */
function formerPlace(
  host: Host,
  { state }: Found,
  { spec }: Task,
  att: AttemptId,
  address: string,
): string {
  const path = join(projectFolder(host, spec.project, spec.root), att);
  const remedy = `To have it beside that, run muster restore ${address} --to FOLDER`;
  if (state.attempts.has(att))
    throw new Fault("refused", `${address} is not over, and ${path} is its own`, { remedy });
  if (existsSync(path)) throw new Fault("refused", `${path} is there already`, { remedy });
  return path;
}

/** Where a person wants it. Its folder may be made; it itself must not be there. */
function givenPlace(host: Host, repo: Repository, to: string): string {
  const remedy = "To say where, run the command with --to and a folder that is not there yet";
  if (!isAbsolute(to) || !isPlain(to) || basename(to) === "")
    throw new Fault("usage", `--to is ${JSON.stringify(to)}, expected an absolute path`, {
      remedy,
    });
  if (lstatSync(to, { throwIfNoEntry: false }) !== undefined)
    throw new Fault("refused", `${to} is there already`, {
      remedy: `To see what is in it, run ls -A ${shellWord(to)}`,
    });
  const path = realPlace(to);
  for (const [folder, what] of [
    [realpathSync(host.home), "muster's own folder"],
    [repo.common, "the repository's own folder"],
  ] as const)
    if (path.startsWith(`${folder}/`))
      throw new Fault("refused", `${to} is in ${what} ${folder}`, { remedy });
  return path;
}

/** The path with every link on the way resolved, as far as there is something. */
function realPlace(path: string): string {
  const parent = dirname(path);
  const above = existsSync(parent) ? realpathSync(parent) : realPlace(parent);
  return join(above, basename(path));
}

function reasonOf(
  why: Extract<Standing, { on: "detached" }>["why"],
  branch: string | null,
): string {
  switch (why) {
    case "no_head":
      return "its HEAD named no commit";
    case "no_branch":
      return "it had no branch yet";
    case "moved":
      return `${branch} is at another commit by now`;
    case "checked_out":
      return `${branch} is checked out in another worktree`;
    case "in_the_way":
      return `another branch is in the way of ${branch}`;
  }
}
