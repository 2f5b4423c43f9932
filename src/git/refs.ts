/** Refs move by compare-and-swap only; nothing here follows a symbolic ref that an agent may have planted. */
import { Fault } from "../core/fault.ts";
import { shaPattern, type Sha } from "../core/ids.ts";
import { git, lineOf, zeroOf, type Repository } from "./git.ts";
import { clearRefLocks } from "./stale-lock.ts";

/** Names that muster makes (security.md §6): lower case, no shell or revision syntax, at most 201 characters. */
const ownPartPattern = /^[a-z0-9][a-z0-9._/-]{0,200}$/;

/** True for a ref name, or a part of one, that muster may make. */
export function isRefPart(part: string): boolean {
  return ownPartPattern.test(part) && !/\.\.|\/\/|\.lock(?:\/|$)|\/\.|[./]$/.test(part);
}

/** Throws Fault `refused` for a part that muster may not use in a ref's name. */
export function requireRefPart(part: string): string {
  if (isRefPart(part)) return part;
  throw new Fault("refused", `${JSON.stringify(part)} can't be part of a branch name`, {
    remedy:
      "use lower-case letters, digits, dashes and dots; to see the rules, run git help check-ref-format",
  });
}

/** True for a full ref name that git accepts (git-check-ref-format(1)); a person's branches may use more than ours. */
export function isRefName(ref: string): boolean {
  const parts = ref.split("/");
  return (
    ref.startsWith("refs/") &&
    parts.length > 2 &&
    ref.length < 1_000 &&
    !/[ ~^:?*[\\]|\.\.|@\{|\.$/.test(ref) &&
    !/\p{Cc}/u.test(ref) &&
    parts.every((part) => part !== "" && !part.startsWith(".") && !part.endsWith(".lock"))
  );
}

function requireRefName(ref: string): void {
  if (!isRefName(ref)) throw new Fault("refused", `${JSON.stringify(ref)} is not a ref name`);
}

/** Throws Fault `refused` for anything that is not a full object id. */
export function requireSha(sha: string): Sha {
  if (shaPattern.test(sha)) return sha;
  throw new Fault("refused", `${JSON.stringify(sha)} is not a full object id`);
}

/** The commit that a revision names, or undefined where it names none. */
export async function resolve(repo: Repository, rev: string): Promise<Sha | undefined> {
  if (rev.includes("\0")) return undefined;
  const args = ["rev-parse", "--verify", "-q", "--end-of-options", `${rev}^{commit}`];
  const found = await git(repo, args, { okCodes: [0, 1, 128], cwd: repo.root, env: rootEnv(repo) });
  const sha = lineOf(found);
  return found.code === 0 && shaPattern.test(sha) ? sha : undefined;
}

/** The worktree we were called in, pinned. */
export function rootEnv(repo: Repository): Record<string, string> {
  return { GIT_DIR: repo.gitDir, GIT_COMMON_DIR: repo.common, GIT_WORK_TREE: repo.root };
}

/**
 * Moves a ref from `old` (null: it must not exist) to `sha`. `raced` where it has another value. A lock in the way is tried
 * once more, after at most 5 s: one that a dead git left is taken away by then. Throws Fault `refused` for a bad name or id, `locked`
 * where the lock stays, `git_failed` for anything else.
 */
export async function updateRef(
  repo: Repository,
  ref: string,
  sha: Sha,
  old: Sha | null,
  options: { readonly reason?: string; readonly env?: Readonly<Record<string, string>> } = {},
): Promise<"moved" | "raced"> {
  requireRefName(ref);
  const args = [
    "update-ref",
    "--no-deref",
    "-m",
    options.reason ?? "muster",
    ref,
    requireSha(sha),
    old === null ? zeroOf(repo) : requireSha(old),
  ];
  return swap(repo, { ref, old, wanted: sha }, args, options.env);
}

/** Deletes a ref that has the value `old`. `raced` where it has another or none. Throws as `updateRef`. */
export async function deleteRef(
  repo: Repository,
  ref: string,
  old: Sha,
): Promise<"deleted" | "raced"> {
  requireRefName(ref);
  const args = ["update-ref", "--no-deref", "-d", ref, requireSha(old)];
  const done = await swap(repo, { ref, old, wanted: null }, args);
  return done === "moved" ? "deleted" : "raced";
}

interface Swap {
  readonly ref: string;
  readonly old: Sha | null;
  readonly wanted: Sha | null;
}

/** The ref says what is true, not git's exit code: it is moved before its reflog is written, which may fail. */
async function swap(
  repo: Repository,
  { ref, old, wanted }: Swap,
  args: readonly string[],
  env: Readonly<Record<string, string>> = {},
): Promise<"moved" | "raced"> {
  for (let tries = 0; ; tries++) {
    try {
      await git(repo, args, { env });
      return "moved";
    } catch (fault) {
      const now = await readRef(repo, ref);
      if (now === wanted) return "moved";
      if (now !== old) return "raced";
      if (tries > 0) throw fault;
      await clearRefLocks(repo, ref, args.includes("-d"));
    }
  }
}

/** The object a ref points to, or null where there is no such ref. */
export async function readRef(repo: Repository, ref: string): Promise<Sha | null> {
  requireRefName(ref);
  const found = await git(repo, ["rev-parse", "--verify", "-q", "--end-of-options", ref], {
    okCodes: [0, 1, 128],
  });
  const sha = lineOf(found);
  return found.code === 0 && shaPattern.test(sha) ? sha : null;
}

/** `muster/`, or `muster-` where a branch named `muster` is in the way of a folder of that name. */
export async function branchPrefix(repo: Repository): Promise<"muster/" | "muster-"> {
  return (await readRef(repo, "refs/heads/muster")) === null ? "muster/" : "muster-";
}

/** What HEAD is in the worktree we were called in. */
export async function currentBranch(
  repo: Repository,
): Promise<{ readonly branch: string } | { readonly detached: Sha } | { readonly unborn: string }> {
  const ref = await readSymbolicHead(repo, rootEnv(repo));
  const head = await resolve(repo, "HEAD");
  if (ref === null) {
    if (head === undefined) throw new Fault("no_commits", `HEAD of ${repo.root} names no commit`);
    return { detached: head };
  }
  const branch = ref.replace(/^refs\/heads\//, "");
  return head === undefined ? { unborn: branch } : { branch };
}

/** The full name of the branch that HEAD of a pinned worktree is on, or null where it is detached. */
export async function readSymbolicHead(
  repo: Repository,
  pinned: Readonly<Record<string, string>>,
): Promise<string | null> {
  const found = await git(repo, ["symbolic-ref", "-q", "HEAD"], {
    env: pinned,
    okCodes: [0, 1, 128],
  });
  const ref = found.stdout.toString("utf8").replace(/\n$/, "");
  return found.code === 0 && ref !== "" ? ref : null;
}
