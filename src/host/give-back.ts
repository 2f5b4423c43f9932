/** Giving an attempt's own worktree back: teardown, a last snapshot of everything, and the folder leaves through the trash. */
import { randomUUID } from "node:crypto";
import { existsSync, rmSync } from "node:fs";
import { join } from "node:path";
import type { Attempt, Worktree } from "../core/attempt.ts";
import type { AttemptId } from "../core/ids.ts";
import type { TaskSpec } from "../core/plan.ts";
import { runCommand } from "../gate/command.ts";
import type { Repository } from "../git/git.ts";
import { letGoOf } from "../git/gone.ts";
import { treeOf } from "../git/inspect.ts";
import { readRef } from "../git/refs.ts";
import { openPlace, readRegistrations } from "../git/registration.ts";
import { snapshot } from "../git/snapshot.ts";
import { findUnproved } from "../git/trash.ts";
import { readBrought } from "./brought.ts";
import {
  type Host,
  attemptDir,
  gitEnvironment,
  openProject,
  timeouts,
  trashDir,
  worktreeReason,
} from "./context.ts";
import { portsOf } from "./ports.ts";
import { projectConfig } from "./project.ts";
import { readForeignLock } from "./stays.ts";
import { type Left, type TakenAway, takeAway } from "./take-away.ts";

/** Said where its folder is gone and no ref is known to hold it. */
export const gone = "its worktree is gone, and muster did not take it away";

/**
 * What was there when the session's work was over, by the snapshot of then; null where there is none, or where an earlier try to give
 * the worktree back has begun teardown in it since.
 */
async function readLeft(host: Host, repo: Repository, attempt: Attempt): Promise<Left | null> {
  const { id, snapshots, run, task } = attempt;
  const left = await readRef(repo, `refs/muster/attempts/${id}/${snapshots}`);
  if (left === null || existsSync(teardownDir(host, id))) return null;
  return {
    tree: await treeOf(repo, left),
    changed: `somebody changed it after its session was over; to take it away all the same, run muster clean ${run}/${task}`,
  };
}

/** Where its teardown is run and logged: once there, it has begun. */
function teardownDir(host: Host, att: AttemptId): string {
  return join(host.home, "gates", `teardown-${att}`);
}

/** The ref that holds everything of a worktree before it goes. */
export function lastRef({ id, snapshots }: Attempt): string {
  return `refs/muster/attempts/${id}/${snapshots + 1}`;
}

/**
 * Gives an attempt's worktree back: teardown, then all of it to a ref, then the folder leaves through the trash.
 * Where anything is not held by the ref, or speaks against it, nothing is removed and `why` says so. One that somebody has changed
 * since the session's work was over goes only where a person has `asked` for it. The caller has asked `whyItStays` before.
 */
export async function giveBack(
  host: Host,
  attempt: Attempt,
  spec: TaskSpec,
  { asked }: { readonly asked: boolean },
): Promise<TakenAway> {
  const { worktree } = attempt;
  if (worktree === null) return { why: "it has no worktree" };
  const repo = await openProject(host, attempt.run, spec);
  const ref = lastRef(attempt);
  const ours = worktreeReason(attempt.run, attempt.task);
  if (!existsSync(worktree.path))
    return giveBackGone(host, repo, { ...worktree, id: attempt.id }, { ref, ours });
  const place = await openPlace(repo, { gitDir: worktree.gitDir, path: worktree.path });
  const message = `Last snapshot of ${attempt.run}/${attempt.task}\n\nMuster-Attempt: ${attempt.id}`;
  const request = { ref, message, brought: readBrought(host, attempt.id) };
  const { teardown } = await projectConfig(host, attempt.run, spec, worktree.config);
  let left = asked ? null : await readLeft(host, repo, attempt);
  if (left !== null && teardown.length > 0) {
    if ((await snapshot(repo, place, request)).tree !== left.tree) return { why: left.changed };
    left = null; // What teardown changes is nobody's.
  }
  await tearDown(host, attempt, spec, worktree, asked);
  const taken = await takeAway(host, repo, place, request, ours, left);
  if ("ref" in taken)
    rmSync(join(attemptDir(host, attempt.id), "tmp"), { recursive: true, force: true });
  return taken;
}

/**
 * From before a crash: given back, or only its folder, and not reported. What only the registration names by now (somebody may have
 * moved the folder away) is held by a ref of its own.
 */
async function giveBackGone(
  host: Host,
  repo: Repository,
  { id, path, gitDir }: Pick<Worktree, "path" | "gitDir"> & { readonly id: AttemptId },
  { ref, ours }: { readonly ref: string; readonly ours: string },
): Promise<TakenAway> {
  if ((await readRef(repo, ref)) === null) return { why: gone };
  const lies = await findUnproved(trashDir(host), path);
  if (lies !== undefined)
    return { why: `it lies in ${lies}, and no ref is known to hold all of it` };
  if (!(await readRegistrations(repo)).some((record) => record.path === path)) return { ref };
  const locked = await readForeignLock(repo, { gitDir, path }, ours);
  if (locked !== null) return { why: locked };
  const left = await letGoOf(
    repo,
    { gitDir, common: repo.common, worktree: path },
    {
      ref: `refs/muster/rescue/gone-${id}`,
      message: `What only the registration of a worktree named\n\nMuster-Attempt: ${id}`,
      trashDir: trashDir(host),
    },
  );
  return "why" in left ? left : { ref };
}

/**
 * Runs teardown while the worktree is still there; one that a crash cut off is taken over, and a person who asks has it run again. One
 * that fails is logged: it must not keep a landed task open.
 */
async function tearDown(
  host: Host,
  attempt: Attempt,
  spec: TaskSpec,
  worktree: Worktree,
  anew: boolean,
): Promise<void> {
  const config = await projectConfig(host, attempt.run, spec, worktree.config);
  const env = {
    ...(host.environment(attempt.run)?.gate ?? gitEnvironment(host, attempt.run)),
    ...config.env,
    ...(await portsOf(host, attempt.id, config.ports)),
  };
  const folder = teardownDir(host, attempt.id);
  const cwd = spec.cwd === null ? worktree.path : join(worktree.path, spec.cwd);
  const name = anew ? `${randomUUID().slice(0, 8)}-` : "";
  for (const [i, command] of config.teardown.entries()) {
    const dir = join(folder, `${name}${i + 1}`);
    const limits = { timeoutMs: timeouts.teardownMs, tag: dir };
    const { exit } = await runCommand({ dir, command, cwd, env, ...limits });
    if (exit !== 0) host.log("warn", "Teardown failed", { att: attempt.id, command, exit });
  }
}
