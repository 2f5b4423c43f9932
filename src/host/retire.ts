/**
 * Retiring an attempt: nothing is removed before a ref holds it. Landed, done and canceled attempts give their worktree back;
 * a failed one stays for a person to look at.
 */
import { existsSync } from "node:fs";
import { join } from "node:path";
import type { Attempt, Worktree } from "../core/attempt.ts";
import type { Effect } from "../core/effects.ts";
import type { Observed } from "../core/inputs.ts";
import type { TaskSpec } from "../core/plan.ts";
import { dropGatePlaces } from "../git/gate-place.ts";
import { branchPrefix, readRef } from "../git/refs.ts";
import { readRegistrations } from "../git/registration.ts";
import { type Host, openProject, projectFolder, trashDir } from "./context.ts";
import { gone } from "./give-back.ts";
import { dropMerge } from "./landing.ts";
import { type Leaving, performRemoval, planRemoval } from "./removal.ts";

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
  const leaving: Leaving = {
    attempt: { ...attempt, worktree },
    spec,
    worktree: worktree.path,
    why: outcome.is,
    restored: null,
    asked: false,
  };
  const plan = await planRemoval(host, leaving);
  host.log("info", "A worktree is to go", { plan });
  const removed = await performRemoval(host, leaving, plan);
  if ("why" in removed) return { saw: "kept", why: removed.why };
  return { saw: "retired", ref: removed.ref };
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
