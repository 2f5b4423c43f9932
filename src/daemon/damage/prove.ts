/**
 * After events were lost: what attempts' folders, worktrees and the targets' history prove is recorded again, in the core's own
 * words, before the engine starts. From there on the normal recovery goes on: a start that was claimed is adopted by its folder, a
 * landing is known by its merge. What can't be proved is not made up.
 */
import { randomUUID } from "node:crypto";
import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { stamp } from "../../core/decide/decide.ts";
import type { EventBody } from "../../core/events.ts";
import { fold } from "../../core/evolve/evolve.ts";
import type { AttemptId, RunId, TaskKey, Uuid } from "../../core/ids.ts";
import { attemptId } from "../../core/ids.ts";
import type { TaskSpec } from "../../core/plan.ts";
import { isSettled, verifiedHead } from "../../core/queries.ts";
import type { Attempt, Outcome, Worktree } from "../../core/attempt.ts";
import type { State, Task } from "../../core/state.ts";
import { promptText } from "../../core/texts.ts";
import type { Repository } from "../../git/git.ts";
import { mergeBase, treeOf } from "../../git/inspect.ts";
import { type FoundLanding, readLandings } from "../../git/landings.ts";
import { listWorktrees } from "../../git/list.ts";
import { branchPrefix, readRef } from "../../git/refs.ts";
import { readHeadSha } from "../../git/registration.ts";
import { listSnapshots } from "../../git/restore.ts";
import {
  type Host,
  attemptDir,
  openProject,
  projectFolder,
  worktreeReason,
} from "../../host/context.ts";
import type { Trace } from "./evidence.ts";

/** What is recorded anew of one run, and what is said of it. */
export interface Proved {
  readonly bodies: readonly EventBody[];
  readonly lines: readonly string[];
}

const uuidPattern = /^[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}$/;
const lost = "its record was lost with the damaged ledger";

/** A run's own part of the proof: the state as it grows by what is proved. */
interface Draft {
  readonly run: RunId;
  readonly state: () => State;
  add(...bodies: readonly EventBody[]): void;
  say(line: string): void;
}

/** What the world proves of a run that is in `state`, given the traces that tell of more than the ledger does. */
export async function proveRun(
  host: Host,
  state: State,
  run: RunId,
  traces: readonly Trace[],
): Promise<Proved> {
  const bodies: EventBody[] = [];
  const lines: string[] = [];
  let grown = state;
  const draft: Draft = {
    run,
    state: () => grown,
    add(...more) {
      bodies.push(...more);
      grown = fold(grown, stamp(more, grown.seq, grown.now));
    },
    say: (line) => void lines.push(line),
  };
  const last = Math.max(0, ...traces.map(({ n }) => n));
  const by = new Map(traces.map((trace) => [trace.n, trace]));
  for (let n = (state.runs.get(run)?.attempts ?? 0) + 1; n <= last; n++)
    await recordAttempt(host, draft, n, by.get(n));
  for (const { id, starts } of [...grown.attempts.values()].filter((a) => a.run === run)) {
    const claimed = traces.find(({ att }) => att === id)?.starts ?? 0;
    if (claimed > starts) await recordStart(host, draft, id, claimed);
  }
  for (const [key, task] of grown.runs.get(run)?.tasks ?? [])
    if (!isSettled(task)) await recordLanding(host, draft, key, task.spec);
  return { bodies, lines };
}

/** An attempt that the ledger does not know. Its number is used up in any case: nothing may come to stand where it stood. */
async function recordAttempt(
  host: Host,
  draft: Draft,
  n: number,
  trace: Trace | undefined,
): Promise<void> {
  const att = attemptId(draft.run, n);
  const tasks = draft.state().runs.get(draft.run)?.tasks ?? new Map<TaskKey, Task>();
  const proved = await taskOf(host, draft.run, att, tasks);
  const open = [...tasks].find(([, { state }]) => state.is === "pending");
  const [key, task] = proved ?? open ?? [...tasks][0] ?? [];
  if (key === undefined || task === undefined) return;
  const before = task.state;
  if (before.is === "active") giveUp(draft, key, before.attempt);
  const basis = Object.fromEntries(
    task.spec.needs.flatMap((need) => {
      const needed = tasks.get(need.key);
      const head = needed && verifiedHead(draft.state(), needed);
      return head === undefined ? [] : [[need.key, head]];
    }),
  );
  const of = { run: draft.run, task: key, att };
  const runner = task.spec.runner;
  const seeds = { session: readSession(host, att, null) ?? randomUUID(), seed: randomUUID() };
  draft.add({ type: "attempt.admitted", ...of, ...seeds, runner, basis });
  const worktree = proved === undefined ? null : await findWorktree(host, draft, att, task.spec);
  const address = `${draft.run}/${key}`;
  if (worktree === null || isSettled(task)) {
    const outcome: Outcome = { is: "failed", reason: "crashed", detail: lost };
    draft.add({ type: "attempt.ended", ...of, outcome }, putBack(draft.run, key, att, before));
    draft.say(`${att}: an attempt at ${address} that is over; its number is not used again`);
    if (worktree === null) draft.add({ type: "attempt.retired", ...of, ref: null });
    return;
  }
  const text = promptText(task.spec);
  draft.add({ type: "message.queued", ...of, uuid: randomUUID(), kind: "prompt", text });
  draft.say(`${att}: the attempt at ${address}, known by its worktree ${worktree.path}`);
  if ((trace?.starts ?? 0) > 0) draft.add({ type: "attempt.provisioned", ...of, worktree });
}

/** The session that its last start, or start `n`, was launched with. The agent can write there: nothing but a uuid is taken. */
function readSession(host: Host, att: AttemptId, n: number | null): Uuid | undefined {
  try {
    const text = readFileSync(join(attemptDir(host, att), "launch.json"), "utf8");
    const launch = JSON.parse(text) as { readonly n?: unknown; readonly session?: unknown };
    const { session } = launch;
    if (n !== null && launch.n !== n) return undefined;
    return typeof session === "string" && uuidPattern.test(session) ? session : undefined;
  } catch {
    return undefined;
  }
}

/** What a task was before an attempt at it that is over. */
function putBack(run: RunId, task: TaskKey, att: AttemptId, before: Task["state"]): EventBody {
  switch (before.is) {
    case "pending":
    case "active":
      return { type: "task.reopened", run, task };
    case "landed":
      return {
        type: "task.landed",
        run,
        task,
        att,
        commit: before.commit,
        head: before.head,
        followed: null,
      };
    case "done":
      return { type: "task.done", run, task, att, reason: before.reason, head: before.head };
    case "failed":
      return { type: "task.failed", run, task, reason: before.reason, detail: before.detail };
    case "canceled":
      return { type: "task.canceled", run, task };
  }
}

/** A newer attempt is there, so this one had ended: how, nobody knows. */
function giveUp(draft: Draft, task: TaskKey, att: AttemptId): void {
  const outcome: Outcome = { is: "failed", reason: "crashed", detail: lost };
  draft.add({ type: "attempt.ended", run: draft.run, task, att, outcome });
  draft.say(`${att}: over, as there is a newer attempt at ${draft.run}/${task}`);
}

/** The task of an attempt: its worktree's lock names it, and so do its snapshots. */
async function taskOf(
  host: Host,
  run: RunId,
  att: AttemptId,
  tasks: ReadonlyMap<TaskKey, Task>,
): Promise<[TaskKey, Task] | undefined> {
  for (const [key, task] of tasks) {
    const repo = await openProject(host, run, task.spec);
    const path = worktreePath(host, att, task.spec);
    const listed = (await listWorktrees(repo)).find((each) => each.path === path);
    if (listed?.locked === worktreeReason(run, key)) return [key, task];
    const snapshots = await listSnapshots(repo, att);
    if (snapshots.some(({ subject }) => subject.endsWith(` of ${run}/${key}`))) return [key, task];
  }
  return undefined;
}

function worktreePath(host: Host, att: AttemptId, spec: TaskSpec): string {
  return join(projectFolder(host, spec.project, spec.root), att);
}

/** The worktree of an attempt as it was recorded, but for what it stood on: its base is where it left the target. */
async function findWorktree(
  host: Host,
  { run, state }: Draft,
  att: AttemptId,
  spec: TaskSpec,
): Promise<Worktree | null> {
  const repo = await openProject(host, run, spec);
  const path = worktreePath(host, att, spec);
  const record = (await listWorktrees(repo)).find((each) => each.path === path);
  const target = await readRef(repo, `refs/heads/${spec.target}`);
  if (record === undefined || record.gitDir === null || !existsSync(path) || target === null)
    return null;
  const { gitDir } = record;
  const branch = `${await branchPrefix(repo)}${run}/${spec.key}`;
  const head = await readHeadSha(repo, { gitDir, common: repo.common, worktree: path });
  const base = (head === null ? null : await mergeBase(repo, target, head)) ?? target;
  const basis = state().attempts.get(att)?.basis ?? {};
  return { path, gitDir, branch, base, baseTree: await treeOf(repo, base), config: target, basis };
}

/** A start that was claimed: its folder says the rest, whether it lives or has ended, and its stream is folded from there. */
async function recordStart(host: Host, draft: Draft, id: AttemptId, n: number): Promise<void> {
  const attempt = draft.state().attempts.get(id);
  const spec = attempt && draft.state().runs.get(draft.run)?.tasks.get(attempt.task)?.spec;
  if (attempt === undefined || spec === undefined) return;
  const of = { run: draft.run, task: attempt.task, att: id };
  if (attempt.worktree === null) {
    const worktree = await findWorktree(host, draft, id, spec);
    if (worktree === null) return;
    draft.add({ type: "attempt.provisioned", ...of, worktree });
  }
  const { process } = attempt;
  if (process.is !== "none")
    draft.add({
      type: "session.exited",
      ...of,
      n: process.n,
      code: null,
      signal: null,
      why: lost,
    });
  const { credential } = attempt;
  const session = readSession(host, id, n);
  const isNew = session !== undefined && session !== attempt.session;
  const resume = n > 1 && !isNew;
  // The one that the ledger knows had handed over.
  const replaced = isNew ? { session } : {};
  draft.add({ type: "session.planned", ...of, n, resume, credential, ...replaced });
  draft.say(`${id}: start ${n} of ${draft.run}/${attempt.task}, known by its folder`);
}

/** A task that landed without the ledger knowing it. */
async function recordLanding(
  host: Host,
  draft: Draft,
  key: TaskKey,
  spec: TaskSpec,
): Promise<void> {
  const repo = await openProject(host, draft.run, spec);
  const found = await findLanding(repo, draft.run, key, spec);
  const task = draft.state().runs.get(draft.run)?.tasks.get(key);
  const att = task?.attempts.at(-1);
  if (found === undefined || task === undefined || att === undefined) return;
  const { commit, head } = found;
  const of = { run: draft.run, task: key, att };
  const attempt: Attempt | undefined = draft.state().attempts.get(att);
  if (attempt !== undefined && attempt.phase.at !== "ended")
    draft.add({ type: "attempt.ended", ...of, outcome: { is: "landed", commit, head } });
  draft.add({ type: "task.landed", ...of, commit, head, followed: null });
  const isGone = !existsSync(worktreePath(host, att, spec));
  if (attempt !== undefined && attempt.process.is === "none" && isGone) {
    const ref = (await listSnapshots(repo, att)).at(-1)?.ref ?? null;
    draft.add({ type: "attempt.retired", ...of, ref });
  }
  draft.say(`${draft.run}/${key}: landed as ${commit}, as ${spec.target} says`);
}

async function findLanding(
  repo: Repository,
  run: RunId,
  key: TaskKey,
  { target }: TaskSpec,
): Promise<FoundLanding | undefined> {
  return (await readLandings(repo, target)).find((each) => each.run === run && each.task === key);
}
