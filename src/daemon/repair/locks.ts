/** Locks of dead gits: in worktrees of muster's, and those of the repository itself that stand in everybody's way. */
import { basename } from "node:path";
import { openPlace } from "../../git/registration.ts";
import {
  clearRepositoryLock,
  clearStaleLocks,
  readRepositoryLocks,
  readStaleLocks,
} from "../../git/stale-lock.ts";
import { type Flaw, type Project, done, isAttempt } from "./scene.ts";

/** More than the 3 s for which a lock without an owner is left alone. */
const clearMs = 5_000;

/** What a killed git left in a worktree's git directory. */
export async function worktreeLocks(
  project: Project,
  { gitDir, path }: { readonly gitDir: string; readonly path: string },
): Promise<Flaw[]> {
  // A registration that an agent has bent may lead anywhere.
  const place = await openPlace(project.repo, { gitDir, path }).catch(() => undefined);
  if (place === undefined) return [];
  const name = basename(path);
  return (await readStaleLocks(place)).map((lock) =>
    flaw(project, lock, isAttempt(name) ? name : null, async () => {
      await clearStaleLocks(await openPlace(project.repo, { gitDir, path }), clearMs);
    }),
  );
}

/** What a killed git left beside a ref, the packed refs or the configuration. */
export async function repositoryLocks(project: Project): Promise<Flaw[]> {
  return (await readRepositoryLocks(project.repo)).map((lock) =>
    flaw(project, lock, null, () => clearRepositoryLock(project.repo, lock)),
  );
}

function flaw(
  { root }: Project,
  lock: string,
  attempt: string | null,
  clear: () => Promise<void>,
): Flaw {
  return {
    finding: {
      id: `lock:${lock}`,
      kind: "lock",
      what: lock,
      attempt,
      project: root,
      why: "the git that made it is dead",
      repair: "it is removed",
      stays: null,
    },
    async mend() {
      await clear();
      return done;
    },
  };
}
