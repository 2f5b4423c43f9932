/** After a round: keep everything that is there, look at what was committed, and where needed commit what was left. */
import picomatch from "picomatch";
import type { Effect } from "../core/effects.ts";
import type { Sha } from "../core/ids.ts";
import type { Observed } from "../core/inputs.ts";
import type { Worktree } from "../core/attempt.ts";
import { commitAll } from "../git/commit-all.ts";
import type { Repository } from "../git/git.ts";
import { changedFiles, isAncestor, mergeBase, readFile, readHead, treeOf } from "../git/inspect.ts";
import { person } from "../git/merge.ts";
import { readRef, updateRef } from "../git/refs.ts";
import { type Place, openPlace } from "../git/registration.ts";
import { snapshot } from "../git/snapshot.ts";
import { readBrought } from "./brought.ts";
import { type Host, maxArtifactBytes, openProject } from "./context.ts";
import { requireWorktree } from "./worktree.ts";

type Of<K extends Effect["do"]> = Extract<Effect, { do: K }>;

async function open(
  host: Host,
  { attempt, spec }: Of<"snapshot" | "inspect" | "commit">,
): Promise<{ repo: Repository; place: Place; worktree: Worktree }> {
  const worktree = requireWorktree(attempt);
  const repo = await openProject(host, attempt.run, spec);
  return {
    repo,
    worktree,
    place: await openPlace(repo, { gitDir: worktree.gitDir, path: worktree.path }),
  };
}

export async function takeSnapshot(host: Host, effect: Of<"snapshot">): Promise<Observed> {
  const { repo, place } = await open(host, effect);
  const { run, task, id } = effect.attempt;
  const message = `Snapshot of ${run}/${task}\n\nMuster-Attempt: ${id}`;
  const taken = await snapshot(repo, place, {
    ref: effect.ref,
    message,
    brought: readBrought(host, id),
  });
  return { saw: "snapshot", ref: taken.ref, commit: taken.commit, left: taken.left.length };
}

/** Reads the head through the pinned git directory, moves muster's branch there, and checks `paths` and `artifacts`. */
export async function inspect(host: Host, effect: Of<"inspect">): Promise<Observed> {
  const { spec } = effect;
  const { repo, place, worktree } = await open(host, effect);
  const { head, tree, branch, related, dirty, operation } = await readHead(
    repo,
    place,
    worktree.base,
  );
  await moveBranch(repo, worktree.branch, head);
  const target = await readRef(repo, `refs/heads/${spec.target}`);
  const onTarget = branch === spec.target || (target === head && head !== worktree.base);
  const from = related ? await changedSince(repo, worktree.base, target, head) : head;
  const outside = spec.paths === null ? [] : await changedOutside(repo, from, head, spec.paths);
  const missing = await missingArtifacts(repo, head, spec.artifacts);
  return {
    saw: "inspected",
    head: { commit: head, tree },
    dirty: dirty || operation !== null,
    related,
    onTarget,
    outside,
    missing,
  };
}

/** muster's branch follows the worktree's head, on whatever branch the session worked. */
async function moveBranch(repo: Repository, branch: string, head: Sha): Promise<void> {
  const ref = `refs/heads/${branch}`;
  const now = await readRef(repo, ref);
  if (now !== head)
    await updateRef(repo, ref, head, now, { reason: "muster: head of the session" });
}

/** What the session changed is counted from its base, or from the target where it merged that meanwhile. */
async function changedSince(
  repo: Repository,
  base: Sha,
  target: Sha | null,
  head: Sha,
): Promise<Sha> {
  if (target === null) return base;
  const shared = await mergeBase(repo, target, head);
  return shared !== null && (await isAncestor(repo, base, shared)) ? shared : base;
}

async function changedOutside(
  repo: Repository,
  from: Sha,
  head: Sha,
  paths: readonly string[],
): Promise<string[]> {
  const isInside = picomatch([...paths], { dot: true });
  const changed = await changedFiles(repo, from, head);
  return changed.map(({ path }) => path).filter((path) => !isInside(path));
}

async function missingArtifacts(
  repo: Repository,
  head: Sha,
  artifacts: readonly string[],
): Promise<string[]> {
  const missing: string[] = [];
  for (const path of artifacts)
    if ((await readFile(repo, head, path, maxArtifactBytes)) === undefined) missing.push(path);
  return missing;
}

export async function commitLeftovers(host: Host, effect: Of<"commit">): Promise<Observed> {
  const { repo, place } = await open(host, effect);
  const { run, task, id } = effect.attempt;
  const message = `Keep what ${run}/${task} left uncommitted\n\nMuster-Attempt: ${id}\n`;
  const head = await commitAll(repo, place, message, await person(repo));
  return { saw: "committed", head: { commit: head, tree: await treeOf(repo, head) } };
}
