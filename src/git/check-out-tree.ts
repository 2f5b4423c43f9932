/** Writing trees into a folder as they are: no filter, no line endings, no hook, nothing replaced. */
import { type Sha, shaPattern } from "../core/ids.ts";
import { checkoutWorkers, longMs, type Repository } from "./git.ts";
import { rawPaths } from "./paths.ts";
import { type IndexChange, putEntries } from "./private-index.ts";
import { sealed, withPrivateDir } from "./private.ts";

/**
 * Writes the files of trees (or of commits) into a folder that has none of them: bytes, links and exec bits. Where two trees have
 * the same name the later one's is written. Throws Fault `git_failed` where something is in the way; git refuses names that would
 * leave the folder or go into a `.git`.
 */
export async function checkOutTree(
  repo: Repository,
  trees: readonly Sha[],
  dir: string,
): Promise<void> {
  const [first, ...others] = trees;
  if (first === undefined) return;
  const more = await Promise.all(others.map((tree) => readFiles(repo, tree)));
  await withPrivateDir(repo, { sight: "raw", worktree: dir }, async (own) => {
    await own.git(["read-tree", `${first}^{tree}`], { timeoutMs: longMs });
    // One index for all: what can't be in one worktree at once (a file and a folder) is settled there, not on the disk.
    await putEntries(own, more.flat());
    const workers = ["-c", `checkout.workers=${checkoutWorkers}`];
    await own.git([...workers, "checkout-index", "-a", "-q"], { timeoutMs: longMs });
  });
}

async function readFiles(repo: Repository, tree: Sha): Promise<IndexChange[]> {
  const listed = await sealed(repo, ["ls-tree", "-r", "-z", `${tree}^{tree}`], {
    timeoutMs: longMs,
  });
  return rawPaths(listed.stdout).flatMap((line) => {
    const [, mode = "", sha = "", path = ""] = /^(\d{6}) \w+ ([0-9a-f]+)\t(.*)$/s.exec(line) ?? [];
    return shaPattern.test(sha) ? [{ path, entry: { mode, sha } }] : [];
  });
}
