/**
 * Old data: what is left of attempts whose run is settled, their transcripts, gate logs and snapshots. It goes only when a person
 * asks for an age or a size; snapshots go last, for their age alone, by compare-and-swap, and nothing is ever collected from the
 * object store by us.
 */
import { existsSync, readdirSync } from "node:fs";
import { deleteTrash } from "../../git/trash.ts";
import { join } from "node:path";
import type { Forgotten, OldItem } from "../../api/housekeeping.ts";
import type { CleanQuery } from "../../api/schema.ts";
import type { AttemptId, RunId } from "../../core/ids.ts";
import type { TaskSpec } from "../../core/plan.ts";
import type { Ledger } from "../../core/ports.ts";
import type { Repository } from "../../git/git.ts";
import { deleteRef } from "../../git/refs.ts";
import { type FoundSnapshot, listSnapshots } from "../../git/restore.ts";
import { openProject, projectFolder } from "../../host/context.ts";
import type { KeepingParts } from "./parts.ts";
import { weighAll } from "./disk.ts";
import { overSize } from "./size.ts";
import { type Found, findRun } from "../projection.ts";
import { readNotes } from "./restored.ts";

/** Two seconds for the sizes of all folders: they are a help, not the plan. */
const weighMs = 2_000;
const attemptPattern = /^att_([0-9a-z]+)_\d+$/;

interface Old {
  readonly item: Omit<OldItem, "bytes">;
  readonly repo: Repository | undefined;
  readonly snapshots: readonly FoundSnapshot[];
  /** Its task's work is on its target, or is nothing. */
  readonly isHeld: boolean;
}

/** What an age or a size finds, oldest first; nothing where neither was asked for. */
export async function oldItems(parts: KeepingParts, query: CleanQuery): Promise<OldItem[]> {
  const found = await findOld(parts, query);
  const weights = await weighAll(
    found.flatMap(({ item }) => item.folders),
    weighMs,
  );
  let at = 0;
  return found.map(({ item }) => {
    const own = weights.slice(at, (at += item.folders.length));
    const whole = own.every((weight) => weight.whole);
    return { ...item, bytes: whole ? own.reduce((sum, { bytes }) => sum + bytes, 0) : null };
  });
}

/** Removes what is old of these attempts, as it is now: folders first, then the refs that nobody moved meanwhile. */
export async function forgetOld(
  parts: KeepingParts,
  query: CleanQuery,
  attempts: ReadonlySet<string>,
): Promise<Forgotten[]> {
  const done: Forgotten[] = [];
  for (const { item, repo, snapshots } of await findOld(parts, query)) {
    const { attempt, blocked } = item;
    if (!attempts.has(attempt)) continue;
    if (blocked !== null) {
      done.push({ attempt, removed: false, refs: [], why: blocked });
      continue;
    }
    for (const folder of item.folders) await deleteTrash(folder);
    const refs: string[] = [];
    for (const { ref, commit } of snapshots)
      if (repo !== undefined && (await deleteRef(repo, ref, commit)) === "deleted") refs.push(ref);
    done.push({ attempt, removed: true, refs, why: null });
  }
  return done;
}

async function findOld(parts: KeepingParts, query: CleanQuery): Promise<Old[]> {
  const { olderThanMs, largerThanBytes } = query;
  if (olderThanMs === null && largerThanBytes === null) return [];
  const all = await findSettled(parts, query);
  const before = olderThanMs === null ? -1 : parts.host.now() - olderThanMs;
  const aged = all.filter(({ item }) => item.since <= before);
  if (largerThanBytes === null) return aged;
  const { home } = parts.host;
  const going = aged.filter(({ item }) => item.blocked === null).map(({ item }) => item.folders);
  const younger = all.filter((each) => !aged.includes(each)).map(bySize);
  const candidates = younger.filter(({ item }) => item.folders.length > 0);
  return [...aged, ...(await overSize(home, largerThanBytes, going.flat(), candidates))];
}

/** For its size an attempt leaves its snapshots where they are, and goes only where its work is in one, or in its target. */
function bySize(old: Old): Old {
  const { item, snapshots, isHeld } = old;
  const unheld = isHeld || snapshots.length > 0 ? null : "no ref holds anything of its work";
  return {
    ...old,
    item: { ...item, why: "size", refs: [], blocked: item.blocked ?? unheld },
    snapshots: [],
  };
}

/** Everything that is left of attempts whose run is settled, oldest first. */
async function findSettled(parts: KeepingParts, query: CleanQuery): Promise<Old[]> {
  const { host, ledger, state } = parts;
  const only = query.run === null ? null : (await findRun(state(), ledger, query.run)).run.id;
  const settled = await readSettledAt(ledger);
  const projects = await openProjects(parts);
  const runs = new Map<RunId, Found>();
  const found: Old[] = [];
  for (const [att, snapshots] of await readLeft(host.home, projects.values())) {
    const run: RunId = `run_${attemptPattern.exec(att)?.[1] ?? ""}`;
    const settledAt = settled.get(run);
    if (settledAt === undefined || state().runs.has(run) || (only !== null && run !== only))
      continue;
    // A snapshot that was taken when a worktree was cleaned is as young as that.
    const since = Math.max(settledAt, ...snapshots.map(({ takenAt }) => takenAt));
    const of = runs.get(run) ?? (await findRun(state(), ledger, run));
    runs.set(run, of);
    const task = [...of.run.tasks.values()].find(({ attempts }) => attempts.includes(att));
    if (task === undefined || (query.task !== null && task.spec.key !== query.task)) continue;
    found.push({
      item: {
        run,
        task: task.spec.key,
        attempt: att,
        project: task.spec.root,
        since,
        why: "age",
        folders: foldersOf(host.home, att),
        refs: snapshots.map(({ ref }) => ref),
        blocked: blockedBy(parts, run, task.spec, att),
      },
      repo: projects.get(task.spec.project),
      snapshots,
      isHeld: task.state.is === "landed" || task.state.is === "done",
    });
  }
  return found.toSorted((a, b) => a.item.since - b.item.since);
}

function blockedBy(
  { host }: KeepingParts,
  run: RunId,
  { project, root, key }: Pick<TaskSpec, "project" | "root" | "key">,
  att: AttemptId,
): string | null {
  const own = join(projectFolder(host, project, root), att);
  const restored = readNotes(host.home).find(({ attempt }) => attempt === att)?.worktree;
  const worktree = existsSync(own) ? own : restored;
  return worktree === undefined
    ? null
    : `its worktree ${worktree} is there; to take that away first, run muster clean ${run}/${key}`;
}

/** When each run was settled, the last time. */
async function readSettledAt(ledger: Ledger): Promise<Map<RunId, number>> {
  const settled = new Map<RunId, number>();
  for await (const event of ledger.read(0, { types: ["run.settled"] }))
    if (event.type === "run.settled") settled.set(event.run, event.at);
  return settled;
}

/** One run and task of every project that was ever worked in. */
export async function readProjects(
  ledger: Ledger,
): Promise<ReadonlyMap<string, readonly [RunId, TaskSpec]>> {
  const projects = new Map<string, readonly [RunId, TaskSpec]>();
  for await (const event of ledger.read(0, { types: ["task.added"] }))
    if (event.type === "task.added") projects.set(event.spec.project, [event.run, event.spec]);
  return projects;
}

/** The repositories that are still where they were. */
async function openProjects({ host, ledger }: KeepingParts): Promise<Map<string, Repository>> {
  const repositories = new Map<string, Repository>();
  for (const [project, [run, spec]] of await readProjects(ledger)) {
    const repo = await openProject(host, run, spec).catch(() => undefined);
    if (repo?.common === project) repositories.set(project, repo);
  }
  return repositories;
}

/** Attempts of which there is a folder or a snapshot, with their snapshots. */
async function readLeft(
  home: string,
  repositories: Iterable<Repository>,
): Promise<Map<AttemptId, FoundSnapshot[]>> {
  const left = new Map<AttemptId, FoundSnapshot[]>();
  for (const name of names(join(home, "attempts")))
    if (attemptPattern.test(name)) left.set(name as AttemptId, []);
  for (const repo of repositories)
    for (const snapshot of await listSnapshots(repo)) {
      const att = snapshot.attempt as AttemptId;
      if (attemptPattern.test(att)) left.set(att, [...(left.get(att) ?? []), snapshot]);
    }
  return left;
}

/** The attempt's own, and the logs of its gates, setup and teardown, whose names have its id between other words. */
function foldersOf(home: string, att: AttemptId): string[] {
  const gates = join(home, "gates");
  const own = join(home, "attempts", att);
  const logs = names(gates).filter((name) => `-${name}-`.includes(`-${att}-`));
  return [...(existsSync(own) ? [own] : []), ...logs.map((name) => join(gates, name))];
}

function names(folder: string): string[] {
  return existsSync(folder) ? readdirSync(folder) : [];
}
