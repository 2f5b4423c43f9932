/** Merges in memory and commits made from trees, from a sealed git directory: no driver, filter or hook of anyone runs. */
import { Buffer } from "node:buffer";
import { Fault } from "../core/fault.ts";
import { shaPattern, type Sha } from "../core/ids.ts";
import { git, lineOf, longMs, type GitCall, type GitOutput, type Repository } from "./git.ts";
import { shown } from "./paths.ts";
import { withPrivateDir, type PrivateDir } from "./private.ts";
import { requireSha, rootEnv } from "./refs.ts";

export interface Person {
  readonly name: string;
  readonly email: string;
}

/** Author and committer of what nobody else wrote. */
export const muster: Person = { name: "muster", email: "muster@localhost" };

export type Merged =
  | { readonly clean: true; readonly tree: Sha }
  | { readonly clean: false; readonly paths: readonly string[]; readonly text: string };

/**
 * Merges two commits in memory, over their merge base or, where given, over `base`. Conflict markers and messages name the
 * commits by id. Throws Fault `not_found` for an id that is no commit here, `conflict` for two that share no history.
 */
export async function mergeTree(
  repo: Repository,
  ours: Sha,
  theirs: Sha,
  base?: Sha,
): Promise<Merged> {
  return withPrivateDir(repo, { sight: "sealed" }, async (own) => {
    for (const sha of [ours, theirs, ...(base === undefined ? [] : [base])])
      await requireCommit(own, sha);
    const [left, right] =
      base === undefined ? [ours, theirs] : await onBase(own, ours, theirs, base);
    const done = await own.git(["merge-tree", "--write-tree", "-z", left, right], {
      okCodes: [0, 1, 128],
      timeoutMs: longMs,
    });
    const parts = done.stdout.toString("latin1").split("\0");
    const tree = parts[0] ?? "";
    // Exit 1 is a conflict and also a bad revision: only a tree id tells.
    if (!shaPattern.test(tree)) throw unmergeable(ours, theirs, done.stderr);
    return done.code === 0
      ? { clean: true, tree }
      : { clean: false, ...conflictOf(parts.slice(1)) };
  });
}

function unmergeable(ours: Sha, theirs: Sha, stderr: string): Fault {
  const pair = `${ours.slice(0, 12)} and ${theirs.slice(0, 12)}`;
  return stderr.includes("unrelated histories")
    ? new Fault("conflict", `${pair} share no history`, {
        remedy: `to compare them, run git log ${ours} ${theirs}`,
      })
    : new Fault(
        "git_failed",
        `git merge-tree: ${pair} can't be merged: ${stderr.split("\n", 1)[0] ?? ""}`,
      );
}

/** `--merge-base` came with git 2.40: the same merge between copies of both commits whose only parent is the base. */
async function onBase(own: PrivateDir, ours: Sha, theirs: Sha, base: Sha): Promise<[Sha, Sha]> {
  const graft = async (sha: Sha): Promise<Sha> => {
    const env = identity(muster, muster, 0);
    return lineOf(
      await own.git(["commit-tree", `${sha}^{tree}`, "-p", base], { env, input: "merge\n" }),
    );
  };
  return [await graft(ours), await graft(theirs)];
}

/** Output after the tree: `mode oid stage\tpath` …, an empty part, then messages as count, paths, kind, text. */
function conflictOf(parts: readonly string[]): {
  readonly paths: readonly string[];
  readonly text: string;
} {
  const end = parts.indexOf("");
  const files = parts.slice(0, end < 0 ? parts.length : end);
  const paths = [...new Set(files.map((file) => shown(file.slice(file.indexOf("\t") + 1))))];
  const texts: string[] = [];
  const rest = end < 0 ? [] : parts.slice(end + 1);
  for (let at = 0; at < rest.length && /^\d+$/.test(rest[at] ?? "");) {
    const kind = at + Number(rest[at]) + 1;
    if (rest[kind] !== "Auto-merging") texts.push((rest[kind + 1] ?? "").trimEnd());
    at = kind + 2;
  }
  return { paths, text: Buffer.from(texts.join("\n"), "latin1").toString("utf8") };
}

async function requireCommit(own: PrivateDir, sha: Sha): Promise<void> {
  const found = await own.git(["cat-file", "-e", `${requireSha(sha)}^{commit}`], {
    okCodes: [0, 1, 128],
  });
  if (found.code === 0) return;
  throw new Fault("not_found", `no commit ${sha} in this repository`, {
    remedy: `git cat-file -t ${sha}`,
  });
}

export interface CommitRequest {
  readonly tree: Sha;
  readonly parents: readonly Sha[];
  readonly message: string;
  readonly author: Person;
  readonly committer: Person;
  /** Seconds since 1970, written as UTC. Default: now. */
  readonly atSeconds?: number;
}

/** Writes a commit object: no hook, no signature, no ref. */
export async function commitTree(repo: Repository, request: CommitRequest): Promise<Sha> {
  return withPrivateDir(repo, { sight: "sealed" }, async (own) =>
    lineOf(await writeCommit(own, request)),
  );
}

/** The same in a sealed directory of the caller's; signed where `signature` pins what signs. */
export function writeCommit(
  own: PrivateDir,
  request: CommitRequest,
  signature?: { readonly pinned: readonly string[]; readonly call: GitCall },
): Promise<GitOutput> {
  const parents = request.parents.flatMap((sha) => ["-p", requireSha(sha)]);
  const sign = signature === undefined ? [] : ["-S"];
  const env = identity(request.author, request.committer, request.atSeconds);
  return own.git(
    [...(signature?.pinned ?? []), "commit-tree", ...sign, requireSha(request.tree), ...parents],
    { ...signature?.call, env: { ...signature?.call.env, ...env }, input: request.message },
  );
}

function identity(
  author: Person,
  committer: Person,
  atSeconds: number | undefined,
): Record<string, string> {
  const date = atSeconds === undefined ? undefined : `@${atSeconds} +0000`;
  return {
    GIT_AUTHOR_NAME: author.name,
    GIT_AUTHOR_EMAIL: author.email,
    GIT_COMMITTER_NAME: committer.name,
    GIT_COMMITTER_EMAIL: committer.email,
    ...(date === undefined ? {} : { GIT_AUTHOR_DATE: date, GIT_COMMITTER_DATE: date }),
  };
}

/** The person's name and mail from their git configuration, read in the root; muster's own where either is missing. */
export async function person(repo: Repository): Promise<Person> {
  const name = await readSetting(repo, "user.name");
  const email = await readSetting(repo, "user.email");
  return name === "" || email === "" ? muster : { name, email };
}

async function readSetting(repo: Repository, key: string): Promise<string> {
  const call = { env: rootEnv(repo), cwd: repo.root, okCodes: [0, 1] };
  const found = await git(repo, ["config", "--get", key], call);
  return found.stdout.toString("utf8").trim();
}
