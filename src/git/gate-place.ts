/**
 * A gate's place: a worktree of ours on no branch, kept warm and moved from commit to commit. What a gate leaves there is hostile
 * like an agent's worktree, so it is moved from a private git directory; ignored files (installed dependencies, caches) stay,
 * everything else is exactly the commit's.
 */
import { mkdir, realpath, rm, writeFile } from "node:fs/promises";
import { basename, dirname, join } from "node:path";
import type { Sha } from "../core/ids.ts";
import { type Repository, git, longMs } from "./git.ts";
import { nulTerminated } from "./paths.ts";
import { readEntries } from "./private-index.ts";
import { withPrivateDir } from "./private.ts";
import { requireSha } from "./refs.ts";
import {
  type Place,
  type WorktreeRecord,
  openPlace,
  pinned,
  readLock,
  readRegistrations,
} from "./registration.ts";
import { deleteTrash } from "./trash.ts";
import { retireWorktree, serialized } from "./worktree.ts";

/** Why git is told that a gate place is locked. */
const gateReason = "muster gate";

/** The place at `path`, made where it is not there yet; `fresh` where it was. Throws Fault `refused` where something else is there. */
export async function openGatePlace(
  repo: Repository,
  path: string,
  commit: Sha,
): Promise<Place & { readonly fresh: boolean }> {
  await mkdir(dirname(path), { recursive: true });
  const real = join(await realpath(dirname(path)), basename(path));
  const find = async () => (await readRegistrations(repo)).find((record) => record.path === real);
  return serialized(repo, async () => {
    const known = await find();
    const opened = known && (await openPlace(repo, known).catch(() => undefined));
    if (opened !== undefined) return { ...opened, fresh: false };
    if (known !== undefined) {
      // Ours, and broken by what ran there: made again.
      await deleteTrash(real);
      await deleteTrash(known.gitDir);
    }
    await git(repo, [
      "worktree",
      "add",
      "--detach",
      "--no-checkout",
      "--lock",
      "--reason",
      gateReason,
      "--",
      real,
      requireSha(commit),
    ]);
    const made = await find();
    if (made === undefined) throw new Error(`git made no registration for ${real}`);
    return { ...(await openPlace(repo, made)), fresh: true };
  });
}

/** Makes the place hold exactly `commit`, but for ignored files. Runs no hook and no filter that the repository names. */
export async function moveGatePlace(repo: Repository, place: Place, commit: Sha): Promise<void> {
  // A gate may have left anything there: a folder, a link to follow, a pipe that never takes a byte.
  const file = join(place.worktree, ".git");
  await rm(file, { recursive: true, force: true });
  await writeFile(file, `gitdir: ${place.gitDir}\n`, { flag: "wx" });
  const index = join(place.gitDir, "index");
  await withPrivateDir(
    repo,
    { sight: "person", worktree: place.worktree, index, head: commit },
    async (own) => {
      const at = [`--work-tree=${place.worktree}`];
      // A gate may have set the flag; git would leave such a file as it is.
      const skipped = (await readEntries(own))
        .filter((entry) => entry.skipped)
        .map(({ path }) => path);
      if (skipped.length > 0)
        await own.git([...at, "update-index", "--no-skip-worktree", "-z", "--stdin"], {
          input: nulTerminated(skipped),
        });
      await own.git([...at, "read-tree", "--reset", "-u", requireSha(commit)], {
        timeoutMs: longMs,
      });
      await own.git([...at, "clean", "-ffdq", "-e", "/.git"], { timeoutMs: longMs });
    },
  );
  await git(repo, ["update-ref", "--no-deref", "HEAD", commit], { env: pinned(place) });
}

/** Takes every gate place below `folder` out of the repository; what is in them can be made again. One that a person locked stays. */
export async function dropGatePlaces(
  repo: Repository,
  folder: string,
  trashDir: string,
): Promise<void> {
  for (const record of await readRegistrations(repo))
    if (
      record.path.startsWith(join(folder, "gate-")) &&
      [null, gateReason].includes(await readLock(record.gitDir))
    )
      await dropGatePlace(repo, record, trashDir);
}

/** Takes one gate place away; false where it is not what git wrote, or can't be renamed. */
export async function dropGatePlace(
  repo: Repository,
  record: WorktreeRecord,
  trashDir: string,
): Promise<boolean> {
  const place = await openPlace(repo, record).catch(() => undefined);
  if (place === undefined) return false;
  const retired = await retireWorktree(repo, place, trashDir);
  if (!retired.retired) return false;
  // What can't be deleted now (files of another user) is tried again at the next start.
  for (const path of [retired.trash, retired.metadata])
    if (path !== null) await deleteTrash(path).catch(() => {});
  return true;
}
