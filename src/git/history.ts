/** Commits that only a worktree's own notes still name: amended, reset away, in the middle of a rebase. They go with it. */
import { join } from "node:path";
import type { Sha } from "../core/ids.ts";
import { readSmall } from "./files.ts";
import type { Repository } from "./git.ts";
import { commitTree, muster } from "./merge.ts";
import { withPrivateDir, type PrivateDir } from "./private.ts";
import type { Place } from "./registration.ts";

const notes = [
  "logs/HEAD",
  "ORIG_HEAD",
  "MERGE_HEAD",
  "CHERRY_PICK_HEAD",
  "REVERT_HEAD",
  "rebase-merge/orig-head",
  "rebase-merge/autostash",
  "rebase-apply/orig-head",
] as const;

/** Commits walked to find the tips, newest first: 5,000 is more than an attempt can make. */
const maxWalked = 5_000;

/** The newest of the commits that only a worktree's own notes name, at least one. */
export interface History {
  readonly tips: readonly Sha[];
  /** The empty one. */
  readonly tree: Sha;
}

/** What the worktree's reflog and half-done operations name and `head` does not reach; null where there is nothing. */
export async function readHistory(
  repo: Repository,
  place: Place,
  head: Sha | null,
): Promise<History | null> {
  const named = new Set<Sha>();
  for (const note of notes) {
    const text = await readSmall(join(place.gitDir, note));
    for (const [, sha = ""] of text?.matchAll(/(?<=^|[0-9a-f] )([0-9a-f]{40,64})(?=\s|$)/gm) ?? [])
      named.add(sha);
  }
  return withPrivateDir(repo, { sight: "sealed" }, (own) => readTips(own, named, head));
}

/** One commit that holds it; null for none. */
export async function commitHistory(
  repo: Repository,
  history: History | null,
): Promise<Sha | null> {
  if (history === null) return null;
  const { tree, tips: parents } = history;
  const message = "muster: commits that only a worktree's reflog named\n";
  return commitTree(repo, { tree, parents, message, author: muster, committer: muster });
}

async function readTips(
  own: PrivateDir,
  named: ReadonlySet<Sha>,
  head: Sha | null,
): Promise<History | null> {
  if (named.size === 0) return null;
  const input = `${[...named].join("\n")}\n`;
  const format = "--batch-check=%(objecttype) %(objectname)";
  const types = (await own.git(["cat-file", format], { input })).stdout
    .toString("latin1")
    .split("\n");
  const commits = types.flatMap((line) =>
    line.startsWith("commit ") ? [line.slice("commit ".length)] : [],
  );
  const revs = [...commits, ...(head === null ? [] : [`^${head}`])];
  if (commits.every((sha) => sha === head)) return null;
  const args = ["rev-list", "--parents", "--date-order", `-n${maxWalked}`, "--stdin"];
  const listed = await own.git(args, { input: `${revs.join("\n")}\n` });
  const lines = listed.stdout
    .toString("latin1")
    .split("\n")
    .filter((line) => line !== "")
    .map((line) => line.split(" "));
  const inner = new Set(lines.flatMap(([, ...parents]) => parents));
  const tips = lines.flatMap(([sha = ""]) => (named.has(sha) && !inner.has(sha) ? [sha] : []));
  if (tips.length === 0) return null;
  const tree = (await own.git(["mktree"], { input: "" })).stdout.toString("latin1").trim();
  return { tips, tree };
}
