/**
 * Retiring an attempt: nothing is removed before a ref holds it. Landed, done and canceled attempts give their worktree back;
 * a failed one stays for a person to look at.
 */
import { existsSync, rmSync } from "node:fs";
import { join } from "node:path";
import type { Effect } from "../core/effects.ts";
import type { Observed } from "../core/inputs.ts";
import type { TaskSpec } from "../core/plan.ts";
import type { Attempt, Worktree } from "../core/attempt.ts";
import { runCommand } from "../gate/command.ts";
import { readCheckouts } from "../git/checkout.ts";
import { dropGatePlaces } from "../git/gate-place.ts";
import { isAncestor, treeOf } from "../git/inspect.ts";
import { snapshot } from "../git/snapshot.ts";
import { branchPrefix, deleteRef, readRef } from "../git/refs.ts";
import type { Repository } from "../git/git.ts";
import { openPlace, readHeadSha, readRegistrations } from "../git/registration.ts";
import { findUnproved } from "../git/trash.ts";
import { retireWorktree } from "../git/worktree.ts";
import {
  type Host,
  attemptDir,
  openProject,
  projectFolder,
  timeouts,
  trashDir,
  worktreeReason,
} from "./context.ts";
import { readBrought } from "./brought.ts";
import { dropMerge } from "./landing.ts";
import { portsOf } from "./ports.ts";
import { projectConfig } from "./project.ts";
import { readForeignLock, whyItStays } from "./stays.ts";
import { type Left, type TakenAway, takeAway, throwAway } from "./take-away.ts";

const gone = "its worktree is gone, and muster did not take it away";

type RetireEffect = Extract<Effect, { do: "retire" }>;

export async function retire(host: Host, effect: RetireEffect): Promise<Observed> {
  const { attempt, spec } = effect;
  const observed = await retireAttempt(host, effect);
  await letGoOfMerge(host, effect);
  if (host.isLastOf(spec.project, attempt.id)) {
    const folder = projectFolder(host, spec.project, spec.root);
    try {
      await dropGatePlaces(await openProject(host, attempt.run, spec), folder, trashDir(host));
    } catch (error) {
      host.log("warn", "A gate place could not be dropped", { folder, error: String(error) });
    }
  }
  return observed;
}

/** A ref that stays is no harm: what is over must not wait for it. */
async function letGoOfMerge(host: Host, { attempt, spec }: RetireEffect): Promise<void> {
  try {
    await dropMerge(await openProject(host, attempt.run, spec), attempt.id);
  } catch (error) {
    host.log("warn", "The ref of a merge stays", { att: attempt.id, error: String(error) });
  }
}

async function retireAttempt(
  host: Host,
  { attempt, spec, outcome }: RetireEffect,
): Promise<Observed> {
  const worktree = attempt.worktree ?? (await findUnrecorded(host, attempt, spec));
  if (worktree === null) return { saw: "retired", ref: null };
  if (outcome.is === "failed")
    return {
      saw: "kept",
      why: existsSync(worktree.path) ? "failed: the worktree stays for a look" : gone,
    };
  const given = await giveBack(host, { ...attempt, worktree }, spec);
  if ("why" in given) return { saw: "kept", why: given.why };
  if (outcome.is === "landed")
    await dropBranch(await openProject(host, attempt.run, spec), worktree.branch, outcome.commit);
  return { saw: "retired", ref: given.ref };
}

/** A worktree that was made before a crash and never recorded: known by its place, which is named for the attempt. */
async function findUnrecorded(
  host: Host,
  attempt: Attempt,
  spec: TaskSpec,
): Promise<Worktree | null> {
  const repo = await openProject(host, attempt.run, spec);
  const path = join(projectFolder(host, spec.project, spec.root), attempt.id);
  const record = (await readRegistrations(repo)).find((each) => each.path === path);
  const target = await readRef(repo, `refs/heads/${spec.target}`);
  if (record === undefined || target === null) return null;
  const branch = `${await branchPrefix(repo)}${attempt.run}/${attempt.task}`;
  return { ...record, branch, base: target, baseTree: target, config: target, basis: {} };
}

/**
 * What was there when the session's work was over, by the snapshot of then; null where there is none, or where an earlier try to give
 * the worktree back has run teardown in it since.
 */
async function readLeft(repo: Repository, attempt: Attempt): Promise<Left | null> {
  const { id, snapshots, run, task } = attempt;
  const left = await readRef(repo, `refs/muster/attempts/${id}/${snapshots}`);
  if (left === null || (await readRef(repo, lastRef(attempt))) !== null) return null;
  return {
    tree: await treeOf(repo, left),
    changed: `somebody changed it after its session was over; to take it away all the same, run muster clean ${run}/${task}`,
  };
}

/** The ref that holds everything of a worktree before it goes. */
export function lastRef({ id, snapshots }: Attempt): string {
  return `refs/muster/attempts/${id}/${snapshots + 1}`;
}

/**
 * Gives an attempt's worktree back: teardown, then all of it to a ref, then the folder leaves through the trash.
 * Where anything is not held by the ref, or speaks against it, nothing is removed and `why` says so. One that somebody has changed
 * since the session's work was over goes only where a person has `asked` for it.
 */
export async function giveBack(
  host: Host,
  attempt: Attempt,
  spec: TaskSpec,
  { asked = false }: { readonly asked?: boolean } = {},
): Promise<TakenAway> {
  const { worktree } = attempt;
  if (worktree === null) return { why: "it has no worktree" };
  const repo = await openProject(host, attempt.run, spec);
  const ref = lastRef(attempt);
  const ours = worktreeReason(attempt.run, attempt.task);
  if (!existsSync(worktree.path)) return giveBackGone(host, repo, worktree, { ref, ours });
  const stays = await whyItStays(repo, { path: worktree.path, ours });
  if (stays !== null) return { why: stays };
  const place = await openPlace(repo, { gitDir: worktree.gitDir, path: worktree.path });
  const message = `Last snapshot of ${attempt.run}/${attempt.task}\n\nMuster-Attempt: ${attempt.id}`;
  const request = { ref, message, brought: readBrought(host, attempt.id) };
  const { teardown } = await projectConfig(host, attempt.run, spec, worktree.config);
  let left = asked ? null : await readLeft(repo, attempt);
  if (left !== null && teardown.length > 0) {
    if ((await snapshot(repo, place, request)).tree !== left.tree) return { why: left.changed };
    left = null; // What teardown changes is nobody's.
  }
  await tearDown(host, attempt, spec, worktree);
  const taken = await takeAway(host, repo, place, request, ours, left);
  if ("ref" in taken)
    rmSync(join(attemptDir(host, attempt.id), "tmp"), { recursive: true, force: true });
  return taken;
}

/** From before a crash: given back, or only its folder, and not reported. */
async function giveBackGone(
  host: Host,
  repo: Repository,
  { path, gitDir }: Worktree,
  { ref, ours }: { readonly ref: string; readonly ours: string },
): Promise<TakenAway> {
  const held = await readRef(repo, ref);
  if (held === null) return { why: gone };
  const lies = await findUnproved(trashDir(host), path);
  if (lies !== undefined)
    return { why: `it lies in ${lies}, and no ref is known to hold all of it` };
  if (!(await readRegistrations(repo)).some((record) => record.path === path)) return { ref };
  const locked = await readForeignLock(repo, { gitDir, path }, ours);
  if (locked !== null) return { why: locked };
  const place = { gitDir, common: repo.common, worktree: path };
  const head = await readHeadSha(repo, place);
  if (head !== null && !(await isAncestor(repo, head, held))) return { why: gone };
  const retired = await retireWorktree(repo, place, trashDir(host));
  if (retired.retired) await throwAway(host, retired);
  return { ref };
}

/** Runs teardown while the worktree is still there. One that fails is logged: it must not keep a landed task open. */
async function tearDown(
  host: Host,
  attempt: Attempt,
  spec: TaskSpec,
  worktree: Worktree,
): Promise<void> {
  const config = await projectConfig(host, attempt.run, spec, worktree.config);
  const env = {
    ...host.environment(attempt.run)?.gate,
    ...config.env,
    ...(await portsOf(host, attempt.id, config.ports)),
  };
  for (const [i, command] of config.teardown.entries()) {
    const dir = join(host.home, "gates", `teardown-${attempt.id}`, String(i + 1));
    const cwd = spec.cwd === null ? worktree.path : join(worktree.path, spec.cwd);
    const { exit } = await runCommand({
      dir,
      command,
      cwd,
      env,
      timeoutMs: timeouts.teardownMs,
      tag: dir,
    });
    if (exit !== 0) host.log("warn", "Teardown failed", { att: attempt.id, command, exit });
  }
}

/** The branch of a landed task goes, where all of it is on the target. */
async function dropBranch(
  repo: Parameters<typeof readRef>[0],
  branch: string,
  landed: string,
): Promise<void> {
  const ref = `refs/heads/${branch}`;
  const head = await readRef(repo, ref);
  const [theirs] = await readCheckouts(repo, ref, () => false);
  if (theirs === undefined && head !== null && (await isAncestor(repo, head, landed)))
    await deleteRef(repo, ref, head);
}
