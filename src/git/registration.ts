/**
 * A linked worktree's registration, `<common>/worktrees/<name>`, found from our side: the worktree's own `.git` file is the
 * agent's to rewrite and is never read. Every look at a worktree pins all three of git directory, common directory and top.
 */
import { Buffer } from "node:buffer";
import { readdir } from "node:fs/promises";
import { dirname, join } from "node:path";
import { Fault } from "../core/fault.ts";
import { shaPattern, type Sha } from "../core/ids.ts";
import { readSmall, readStat } from "./files.ts";
import { git, lineOf, type Repository } from "./git.ts";
import { shellWord } from "../core/words.ts";

/** What `addWorktree` returns and the caller keeps. */
export interface WorktreeRecord {
  readonly gitDir: string;
  readonly path: string;
}

/** A worktree, pinned. */
export interface Place {
  readonly gitDir: string;
  readonly common: string;
  readonly worktree: string;
}

/** The environment that keeps git from asking the worktree where it belongs. */
export function pinned(place: Place): Record<string, string> {
  return { GIT_DIR: place.gitDir, GIT_COMMON_DIR: place.common, GIT_WORK_TREE: place.worktree };
}

/** The recorded worktree, pinned. Throws Fault `refused` where its registration is not what git wrote. */
export async function openPlace(repo: Repository, record: WorktreeRecord): Promise<Place> {
  const place = { gitDir: record.gitDir, common: repo.common, worktree: record.path };
  await requirePlace(repo, place);
  return place;
}

/** Throws Fault `refused` where the worktree or its registration was replaced, redirected or removed. */
export async function requirePlace(repo: Repository, place: Place): Promise<void> {
  const refuse = (what: string): Fault =>
    new Fault("refused", `worktree metadata was changed: ${what} of ${place.worktree}`, {
      remedy: `to look at it, run ls -la ${shellWord(place.gitDir)}`,
    });
  if (place.common !== repo.common || dirname(place.gitDir) !== join(repo.common, "worktrees"))
    throw refuse("git directory");
  if (!(await readStat(join(repo.common, "worktrees")))?.isDirectory())
    throw refuse("git directory");
  if (!(await readStat(place.gitDir))?.isDirectory()) throw refuse("git directory");
  if ((await readSmall(join(place.gitDir, "commondir"))) !== "../..\n") throw refuse("commondir");
  if ((await readNamed(place.gitDir)) !== place.worktree) throw refuse("gitdir");
  if (!(await readStat(place.worktree))?.isDirectory()) throw refuse("folder");
}

/** The path of the worktree that a registration names. */
async function readNamed(gitDir: string): Promise<string | undefined> {
  const text = await readSmall(join(gitDir, "gitdir"));
  if (text === undefined) return undefined;
  const named = Buffer.from(text, "latin1").toString("utf8").replace(/\n$/, "");
  return named.endsWith("/.git") ? named.slice(0, -"/.git".length) : undefined;
}

/** Why a linked worktree is locked, as `git worktree list` says it: empty where no reason was given, null where it is not locked. */
export async function readLock(gitDir: string): Promise<string | null> {
  const lock = join(gitDir, "locked");
  if ((await readStat(lock)) === undefined) return null;
  return Buffer.from((await readSmall(lock)) ?? "", "latin1")
    .toString("utf8")
    .trim();
}

/** All registrations of linked worktrees that can be read. */
export async function readRegistrations(repo: Repository): Promise<WorktreeRecord[]> {
  const dir = join(repo.common, "worktrees");
  const names = await readdir(dir).catch(() => []);
  const found = names.map(async (name) => {
    const path = await readNamed(join(dir, name));
    return path === undefined ? [] : [{ gitDir: join(dir, name), path }];
  });
  return (await Promise.all(found)).flat();
}

/** The commit that HEAD of a worktree names, or null where it names none. */
export async function readHeadSha(repo: Repository, place: Place): Promise<Sha | null> {
  const args = ["rev-parse", "--verify", "-q", "HEAD^{commit}"];
  const found = await git(repo, args, { env: pinned(place), okCodes: [0, 1, 128] });
  const sha = lineOf(found);
  return found.code === 0 && shaPattern.test(sha) ? sha : null;
}

export type Operation = "merge" | "rebase" | "cherry-pick" | "revert" | "bisect";

const marks: readonly (readonly [string, Operation])[] = [
  ["rebase-merge", "rebase"],
  ["rebase-apply", "rebase"],
  ["MERGE_HEAD", "merge"],
  ["CHERRY_PICK_HEAD", "cherry-pick"],
  ["REVERT_HEAD", "revert"],
  ["BISECT_LOG", "bisect"],
];

/** What git is in the middle of in a git directory. A sequence between two picks has no HEAD file, only its list. */
export async function readOperation(gitDir: string): Promise<Operation | null> {
  for (const [name, operation] of marks) {
    if ((await readStat(join(gitDir, name))) !== undefined) return operation;
  }
  const todo = await readSmall(join(gitDir, "sequencer/todo"));
  if (todo === undefined) return null;
  return todo.trimStart().startsWith("revert") ? "revert" : "cherry-pick";
}
