/** What runs that are over left behind, and what of it is left on purpose. */
import { existsSync, readdirSync } from "node:fs";
import { join } from "node:path";
import type { RunDetail } from "../../src/api/service.ts";
import type { World } from "../e2e/harness.ts";

export interface Left {
  /** Sorted, by their full names. */
  readonly refs: readonly string[];
  /** Worktrees besides the person's own, by their folders. */
  readonly worktrees: readonly string[];
}

/** What git lists in the repository, and whatever lies in the home's worktree folders beside it. */
export async function readLeft({ git, repo, state }: World): Promise<Left> {
  const refs = (await git("for-each-ref", "--format=%(refname)")).split("\n");
  const listed = (await git("worktree", "list", "--porcelain")).split("\n");
  const worktrees = listed.flatMap((line) =>
    line.startsWith("worktree ") ? [line.slice("worktree ".length)] : [],
  );
  const folders = names(join(state, "worktrees")).flatMap((project) =>
    names(join(state, "worktrees", project)).map((name) => join(state, "worktrees", project, name)),
  );
  const all = new Set([...worktrees, ...folders]);
  all.delete(repo);
  return { refs: refs.toSorted(), worktrees: [...all].toSorted() };
}

/**
 * What is kept on purpose: the worktree of a failed task with its branch, for a person to look at (until `clean`); the branch of a
 * stopped one that has commits which the target has not; the snapshots of every attempt (until `clean --older-than`), the one that
 * its worktree was given back with among them.
 */
export async function keptOf({ git }: World, runs: readonly RunDetail[]): Promise<Left> {
  const refs = ["refs/heads/main"];
  const worktrees: string[] = [];
  for (const { run, tasks } of runs)
    for (const [i, { id, state, worktree, branch }] of run.tasks.entries()) {
      if (state === "failed" && worktree !== null) worktrees.push(worktree);
      const snapshots = (tasks[i]?.attempts ?? []).flatMap((attempt) =>
        Array.from(
          { length: attempt.snapshots + (state === "failed" ? 0 : 1) },
          (_, n) => `refs/muster/attempts/${attempt.id}/${n + 1}`,
        ),
      );
      refs.push(...snapshots);
      const hasWork = async (): Promise<boolean> =>
        (await git("rev-list", "--count", `main..${snapshots.at(-1)}^1`)) !== "0";
      if (branch !== null && (state === "failed" || (await hasWork())))
        refs.push(`refs/heads/${branch}`);
      if (tasks[i]?.key !== id) throw new Error(`${id} is not ${tasks[i]?.key}`);
    }
  return { refs: refs.toSorted(), worktrees: worktrees.toSorted() };
}

/** Files in folders of the home that nothing is left in once every run is settled, and locks of git in the repository. */
export function scraps({ state, repo }: World): readonly string[] {
  const folders = ["trash", "tmp", "follow", "runs", "restored"].flatMap((name) =>
    names(join(state, name)).map((entry) => `${name}/${entry}`),
  );
  const inGit = readdirSync(join(repo, ".git"), { recursive: true }).map(String);
  return [...folders, ...inGit.filter((path) => path.endsWith(".lock"))];
}

function names(folder: string): readonly string[] {
  return existsSync(folder) ? readdirSync(folder) : [];
}
