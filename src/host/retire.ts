/**
 * Retiring an attempt: nothing is removed before a ref holds it. Landed, done and canceled attempts give their worktree back;
 * a failed one stays for a person to look at.
 */
import { rmSync } from "node:fs";
import { join } from "node:path";
import type { Effect } from "../core/effects.ts";
import type { Observed } from "../core/inputs.ts";
import { dropGatePlaces } from "../git/gate-place.ts";
import { isAncestor } from "../git/inspect.ts";
import { deleteRef, readRef } from "../git/refs.ts";
import { openPlace } from "../git/registration.ts";
import { snapshot } from "../git/snapshot.ts";
import { deleteTrash, retireWorktree } from "../git/worktree.ts";
import { type Host, attemptDir, openProject, projectFolder, trashDir } from "./context.ts";

type RetireEffect = Extract<Effect, { do: "retire" }>;

export async function retire(host: Host, effect: RetireEffect): Promise<Observed> {
  const { attempt, spec } = effect;
  const observed = await retireAttempt(host, effect);
  if (host.isLastOf(spec.project, attempt.id)) {
    const folder = projectFolder(host, spec.project, spec.root);
    await dropGatePlaces(await openProject(host, attempt.run, spec), folder, trashDir(host));
  }
  return observed;
}

async function retireAttempt(
  host: Host,
  { attempt, spec, outcome }: RetireEffect,
): Promise<Observed> {
  const { worktree } = attempt;
  if (worktree === null) return { saw: "retired", ref: null };
  if (outcome.is === "failed") return { saw: "kept", why: "failed: the worktree stays for a look" };
  const repo = await openProject(host, attempt.run, spec);
  const place = await openPlace(repo, { gitDir: worktree.gitDir, path: worktree.path });
  const ref = `refs/muster/attempts/${attempt.id}/${attempt.snapshots + 1}`;
  const message = `Last snapshot of ${attempt.run}/${attempt.task}\n\nMuster-Attempt: ${attempt.id}`;
  const taken = await snapshot(repo, place, { ref, message });
  const [left] = taken.left;
  if (left !== undefined)
    return {
      saw: "kept",
      why: `${taken.left.length} files are too large for the snapshot, such as ${left.path}`,
    };
  if ((await readRef(repo, ref)) !== taken.commit)
    return { saw: "kept", why: `${ref} does not hold the snapshot` };
  const retired = await retireWorktree(repo, place, trashDir(host));
  if (!retired.retired) return { saw: "kept", why: "the trash is on another file system" };
  if (retired.trash !== null) await deleteTrash(retired.trash);
  if (retired.metadata !== null) await deleteTrash(retired.metadata);
  if (outcome.is === "landed") await dropBranch(repo, worktree.branch, outcome.commit);
  rmSync(join(attemptDir(host, attempt.id), "tmp"), { recursive: true, force: true });
  return { saw: "retired", ref };
}

/** The branch of a landed task goes, where all of it is on the target. */
async function dropBranch(
  repo: Parameters<typeof readRef>[0],
  branch: string,
  landed: string,
): Promise<void> {
  const ref = `refs/heads/${branch}`;
  const head = await readRef(repo, ref);
  if (head !== null && (await isAncestor(repo, head, landed))) await deleteRef(repo, ref, head);
}
