/**
 * Kept worktrees: what is there, why it may go, and giving it back. What was cleaned is no event: a worktree that is not on disk
 * any more is not in the plan (a settled run is folded from its own rows, which end with its settling).
 */
import { existsSync } from "node:fs";
import type { CleanItem, Cleaned } from "../api/service.ts";
import type { AttemptId, RunId, TaskKey } from "../core/ids.ts";
import type { TaskSpec } from "../core/plan.ts";
import type { Ledger } from "../core/ports.ts";
import type { Attempt, State } from "../core/state.ts";
import { type ListedWorktree, listWorktrees } from "../git/list.ts";
import { type Host, openProject, worktreeReason } from "../host/context.ts";
import { giveBack, lastRef } from "../host/retire.ts";
import { processesIn } from "../process/folder.ts";
import { findRun } from "./projection.ts";

export interface CleanParts {
  readonly host: Host;
  readonly ledger: Ledger;
  state(): State;
}

interface Candidate {
  readonly item: CleanItem;
  readonly attempt: Attempt;
  readonly spec: TaskSpec;
}

/** The plan: every kept worktree that is still there, oldest first, of one run or task where asked. */
export async function cleanPlan(
  parts: CleanParts,
  run: string | null,
  task: string | null,
): Promise<readonly CleanItem[]> {
  return (await candidates(parts, run, task)).map(({ item }) => item);
}

/** Performs the plan for these attempts: what is blocked by now stays, with the reason. */
export async function performClean(
  parts: CleanParts,
  attempts: readonly string[],
): Promise<readonly Cleaned[]> {
  const wanted = new Set(attempts);
  const done: Cleaned[] = [];
  for (const { item, attempt, spec } of await candidates(parts, null, null)) {
    if (!wanted.has(item.attempt)) continue;
    const outcome =
      item.blocked === null ? await tryGiveBack(parts.host, attempt, spec) : { why: item.blocked };
    const { attempt: id, worktree } = item;
    done.push(
      "ref" in outcome
        ? { attempt: id, worktree, removed: true, ref: outcome.ref, why: null }
        : { attempt: id, worktree, removed: false, ref: null, why: outcome.why },
    );
  }
  return done;
}

async function tryGiveBack(host: Host, attempt: Attempt, spec: TaskSpec) {
  try {
    return await giveBack(host, attempt, spec);
  } catch (error) {
    return { why: messageOf(error) };
  }
}

async function candidates(
  { host, ledger, state }: CleanParts,
  run: string | null,
  task: string | null,
): Promise<Candidate[]> {
  const only = run === null ? null : (await findRun(state(), ledger, run)).run.id;
  const found: Candidate[] = [];
  for (const { run: id, task: key, att, why } of await readKept(ledger, only)) {
    if (task !== null && key !== task) continue;
    const of = await findRun(state(), ledger, id);
    const attempt = of.state.attempts.get(att) ?? of.run.past.get(att);
    const spec = of.run.tasks.get(key)?.spec;
    if (spec === undefined || attempt?.worktree == null || !existsSync(attempt.worktree.path))
      continue;
    const item: CleanItem = {
      run: id,
      task: key,
      attempt: att,
      project: spec.root,
      worktree: attempt.worktree.path,
      kept: why,
      ref: lastRef(attempt),
      blocked: await blockedBy(host, attempt, spec),
    };
    found.push({ item, attempt, spec });
  }
  return found;
}

interface Kept {
  readonly run: RunId;
  readonly task: TaskKey;
  readonly att: AttemptId;
  readonly why: string;
}

async function readKept(ledger: Ledger, run: RunId | null): Promise<Kept[]> {
  const kept: Kept[] = [];
  const options = { types: ["attempt.kept" as const], ...(run === null ? {} : { run }) };
  for await (const event of ledger.read(0, options))
    if (event.type === "attempt.kept") kept.push(event);
  return kept;
}

/** Why a worktree must stay; null where nothing speaks against giving it back. */
async function blockedBy(host: Host, attempt: Attempt, spec: TaskSpec): Promise<string | null> {
  const path = attempt.worktree?.path ?? "";
  const [pid, ...others] = processesIn(path);
  if (pid !== undefined) {
    const more = others.length === 0 ? "" : ` and ${others.length} more`;
    return `process ${pid}${more} works in it; leave it first`;
  }
  let listed: readonly ListedWorktree[];
  try {
    listed = await listWorktrees(await openProject(host, attempt.run, spec));
  } catch (error) {
    return messageOf(error);
  }
  const known = listed.find((one) => one.path === path);
  if (known === undefined) return "git does not know it any more; look at it by hand";
  if (known.locked !== null && known.locked !== worktreeReason(attempt.run, attempt.task))
    return `it is locked (${known.locked || "no reason given"}); to unlock it, run git -C ${spec.root} worktree unlock ${path}`;
  return null;
}

function messageOf(error: unknown): string {
  return error instanceof Error ? (error.message.split("\n")[0] ?? "") : String(error);
}
