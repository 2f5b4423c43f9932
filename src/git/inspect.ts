/**
 * Looks at what an agent made. Commits are compared as objects from a sealed git directory; the worktree is looked at from a
 * private one, with the person's own configuration and never the repository's: no filter, driver, hook or monitor that an
 * agent configured runs.
 */
import { Buffer } from "node:buffer";
import { Fault } from "../core/fault.ts";
import { shaPattern, type Sha } from "../core/ids.ts";
import { lineOf, longMs, type Repository } from "./git.ts";
import { asText, rawOf, rawPaths, shown } from "./paths.ts";
import { loadIndex, readSizes, uncover } from "./private-index.ts";
import { sealed, withPrivateDir } from "./private.ts";
import { readSymbolicHead, requireSha } from "./refs.ts";
import {
  pinned,
  readHeadSha,
  readOperation,
  requirePlace,
  type Operation,
  type Place,
} from "./registration.ts";
import { type Uncommitted, readStatus } from "./status.ts";
import { shellWord } from "../core/words.ts";

export interface HeadState {
  readonly head: Sha;
  readonly tree: Sha;
  /** Short name of the branch that HEAD is on; null where it is detached. */
  readonly branch: string | null;
  /** The base is an ancestor of the head, and another commit. */
  readonly ahead: boolean;
  /** The two share history. */
  readonly related: boolean;
  readonly dirty: boolean;
  readonly operation: Operation | null;
}

/**
 * The state of a worktree against its base. `dirty` counts tracked changes (staged, unstaged, hidden by assume-unchanged or
 * skip-worktree), untracked files and nested repositories; not ignored files, and of a submodule only its commit. Throws Fault
 * `no_commits` where HEAD names no commit, `refused` where the registration was tampered with.
 */
export async function readHead(repo: Repository, place: Place, base: Sha): Promise<HeadState> {
  await requirePlace(repo, place);
  const head = await readHeadSha(repo, place);
  if (head === null) {
    throw new Fault("no_commits", `HEAD of ${place.worktree} names no commit`, {
      remedy: `to look at it, run git -C ${shellWord(place.worktree)} log`,
    });
  }
  const ref = await readSymbolicHead(repo, pinned(place));
  const common = await mergeBase(repo, requireSha(base), head);
  return {
    head,
    tree: await treeOf(repo, head),
    branch: ref === null ? null : ref.replace(/^refs\/heads\//, ""),
    ahead: common === base && head !== base,
    related: common !== null,
    dirty: (await readUncommitted(repo, place, head)).length > 0,
    operation: await readOperation(place.gitDir),
  };
}

/** The best common ancestor; null where the two share no history. */
export async function mergeBase(repo: Repository, a: Sha, b: Sha): Promise<Sha | null> {
  const found = await sealed(repo, ["merge-base", a, b], { okCodes: [0, 1] });
  return found.code === 0 ? lineOf(found) : null;
}

/** What is not committed there; files hidden by assume-unchanged or skip-worktree count. */
export async function readUncommitted(
  repo: Repository,
  place: Place,
  head: Sha,
): Promise<Uncommitted[]> {
  return withPrivateDir(repo, { sight: "person", worktree: place.worktree, head }, async (own) => {
    const { entries } = await loadIndex(own, place.gitDir, head);
    await uncover(own, entries, place.worktree);
    return readStatus(own);
  });
}

/** The tree of a commit. Throws Fault `not_found` where there is none. */
export async function treeOf(repo: Repository, commit: Sha): Promise<Sha> {
  const args = ["rev-parse", "--verify", "-q", `${requireSha(commit)}^{tree}`];
  const found = await sealed(repo, args, { okCodes: [0, 1, 128] });
  const tree = lineOf(found);
  if (found.code === 0 && shaPattern.test(tree)) return tree;
  throw new Fault("not_found", `no commit ${commit} in this repository`, {
    remedy: `git cat-file -t ${commit}`,
  });
}

/** True where `ancestor` is reachable from `commit`, itself included. */
export async function isAncestor(repo: Repository, ancestor: Sha, commit: Sha): Promise<boolean> {
  const args = ["merge-base", "--is-ancestor", requireSha(ancestor), requireSha(commit)];
  return (await sealed(repo, args, { okCodes: [0, 1] })).code === 0;
}

export interface ChangedFile {
  /** Readable and lossless: see `shown`. */
  readonly path: string;
  readonly status: "added" | "modified" | "deleted" | "type_changed";
  /** The new mode; `000000` for a deleted file. */
  readonly mode: string;
  readonly sha: Sha;
  /** Bytes of the new content; absent for deleted files and submodules. */
  readonly size?: number;
}

const statuses: Readonly<Record<string, ChangedFile["status"]>> = {
  A: "added",
  M: "modified",
  D: "deleted",
  T: "type_changed",
};

/** The files that differ between two commits or trees; a rename is a deletion and an addition. */
export async function changedFiles(repo: Repository, a: Sha, b: Sha): Promise<ChangedFile[]> {
  return withPrivateDir(repo, { sight: "sealed" }, async (own) => {
    const args = ["diff-tree", "-r", "-z", "--no-renames", "--raw", requireSha(a), requireSha(b)];
    const parts = rawPaths((await own.git(args, { timeoutMs: longMs })).stdout);
    const changes: ChangedFile[] = [];
    for (let n = 0; n + 1 < parts.length; n += 2) {
      const [, mode = "", , sha = "", letter = ""] = (parts[n] ?? "").split(" ");
      const status = statuses[letter];
      if (status !== undefined)
        changes.push({ path: shown(parts[n + 1] ?? ""), status, mode, sha });
    }
    const sizes = await readSizes(
      own,
      new Set(changes.filter(({ mode }) => /^1[02]/.test(mode)).map(({ sha }) => sha)),
    );
    return changes.map((change) => {
      const size = sizes.get(change.sha);
      return size === undefined ? change : { ...change, size };
    });
  });
}

export interface DiffOptions {
  /** File names and counts only. */
  readonly stat?: boolean;
  /** Default 8 MiB. */
  readonly maxBytes?: number;
}

const maxDiffBytes = 8 * 1024 * 1024;
/** A command that is cut loses its last chunk whole, which is at most a pipe's 64 KiB. */
const readAhead = 128 * 1024;

/** The difference of two commits as text. */
export async function diffText(
  repo: Repository,
  a: Sha,
  b: Sha,
  options: DiffOptions = {},
): Promise<string> {
  return (await diffBytes(repo, a, b, options)).toString("utf8");
}

/** The difference of two commits, renames detected, in its own bytes; where it is cut at `maxBytes` its last line says so. */
export async function diffBytes(
  repo: Repository,
  a: Sha,
  b: Sha,
  options: DiffOptions = {},
): Promise<Buffer> {
  const maxBytes = options.maxBytes ?? maxDiffBytes;
  const kind = options.stat === true ? ["--stat=100"] : ["--patch"];
  const args = [
    "diff",
    "--no-textconv",
    "--no-ext-diff",
    "--no-color",
    ...kind,
    requireSha(a),
    requireSha(b),
    "--",
  ];
  const { stdout } = await sealed(repo, args, {
    maxBytes: maxBytes + readAhead,
    timeoutMs: longMs,
  });
  if (stdout.length <= maxBytes) return stdout;
  return Buffer.concat([
    stdout.subarray(0, maxBytes),
    Buffer.from(`\n[cut at ${maxBytes} bytes]\n`),
  ]);
}

export interface LoggedCommit {
  readonly sha: Sha;
  readonly parents: readonly Sha[];
  readonly author: string;
  readonly email: string;
  /** Author's time in seconds since 1970. */
  readonly atSeconds: number;
  readonly message: string;
}

/** Commits in a log: what a person still reads. */
const maxLogged = 1_000;

/** The commits reachable from `b` and not from `a`, newest first, at most 1,000. */
export async function log(repo: Repository, a: Sha, b: Sha): Promise<LoggedCommit[]> {
  const format = "--format=%H%n%P%n%an%n%ae%n%at%n%B";
  const args = [
    "log",
    "-z",
    "--encoding=UTF-8",
    "--no-show-signature",
    `-n${maxLogged}`,
    format,
    requireSha(b),
    `^${requireSha(a)}`,
    "--",
  ];
  const text = (await sealed(repo, args, { timeoutMs: longMs })).stdout.toString("utf8");
  return text
    .split("\0")
    .filter((entry) => entry !== "")
    .map((entry) => {
      const [sha = "", parents = "", author = "", email = "", at = "0", ...message] =
        entry.split("\n");
      return {
        sha,
        parents: parents.split(" ").filter((parent) => parent !== ""),
        author,
        email,
        atSeconds: Number(at),
        message: message.join("\n").trimEnd(),
      };
    });
}

/**
 * The content of a regular file in a commit; undefined where there is none (a link or a submodule counts as none). `path` is
 * as `changedFiles` gives it. Throws Fault `refused` over `maxBytes`.
 */
export async function readFile(
  repo: Repository,
  commit: Sha,
  path: string,
  maxBytes: number,
): Promise<Buffer | undefined> {
  const raw = rawOf(path);
  const text = asText(raw);
  return withPrivateDir(repo, { sight: "sealed" }, async (own) => {
    // An argument is text: a name outside UTF-8 is looked for in the whole list.
    const which =
      text === undefined ? ["-r", requireSha(commit)] : [requireSha(commit), "--", text];
    const listed = await own.git(["ls-tree", "-z", "--full-tree", ...which], {
      okCodes: [0, 128],
      timeoutMs: longMs,
    });
    const line = rawPaths(listed.stdout).find((entry) => entry.endsWith(`\t${raw}`));
    const sha = /^100(?:644|755) blob ([0-9a-f]+)\t/.exec(line ?? "")?.[1];
    if (sha === undefined) return undefined;
    const size = (await readSizes(own, new Set([sha]))).get(sha) ?? 0;
    if (size > maxBytes)
      throw new Fault("refused", `${path} has ${size} bytes, more than ${maxBytes}`);
    return (await own.git(["cat-file", "blob", sha])).stdout;
  });
}
