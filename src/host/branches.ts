/** The branch of a task belongs to its newest attempt: an older attempt's is kept under a rescue ref and let go of. */
import type { AttemptId, Sha } from "../core/ids.ts";
import { Fault } from "../core/fault.ts";
import { readCheckouts } from "../git/checkout.ts";
import { type Repository, git } from "../git/git.ts";
import { deleteRef, readRef, readSymbolicHead, updateRef } from "../git/refs.ts";
import { pinned, readRegistrations } from "../git/registration.ts";
import type { Host } from "./context.ts";
import { shellWord } from "../core/words.ts";

/** Frees `branch` where an older attempt of ours holds it. A branch that is not on one of our worktrees' heads is kept by a ref. */
export async function makeRoom(
  repo: Repository,
  branch: string,
  att: AttemptId,
  host: Host,
): Promise<void> {
  const ref = `refs/heads/${branch}`;
  const now = await readRef(repo, ref);
  if (now === null) return;
  const [theirs] = await readCheckouts(repo, ref, (path) => path.startsWith(`${host.home}/`));
  if (theirs !== undefined)
    throw new Fault("refused", `branch ${branch} is checked out in ${theirs.worktree}`, {
      remedy: `git -C ${shellWord(theirs.worktree)} switch --detach`,
    });
  for (const record of await readRegistrations(repo)) {
    if (!record.path.startsWith(`${host.home}/`)) continue;
    const place = { gitDir: record.gitDir, common: repo.common, worktree: record.path };
    if ((await readSymbolicHead(repo, pinned(place))) !== ref) continue;
    if (record.path.endsWith(`/${att}`)) return; // Our own, from before a crash.
    await git(repo, ["update-ref", "--no-deref", "HEAD", now], { env: pinned(place) });
  }
  await keep(repo, att, now);
  await deleteRef(repo, ref, now);
}

async function keep(repo: Repository, att: AttemptId, sha: Sha): Promise<void> {
  const ref = `refs/muster/rescue/${att}`;
  const old = await readRef(repo, ref);
  if (old !== sha) await updateRef(repo, ref, sha, old, { reason: "muster: older attempt" });
}
