/**
 * The `.git` of nested repositories. No tree may hold that name, so they are kept beside the snapshot in a tree of their own: a
 * file `paths` with their folders, each ended by a NUL, and an entry per folder, by its number, with what its `.git` holds.
 */
import { Buffer } from "node:buffer";
import { constants } from "node:fs";
import { mkdir, open, readlink, symlink } from "node:fs/promises";
import { join } from "node:path";
import { Fault } from "../core/fault.ts";
import { shaPattern, type Sha } from "../core/ids.ts";
import { addFiles, isBrought, type Left } from "./add-files.ts";
import { checkOutTree } from "./check-out-tree.ts";
import { errnoOf, openRegular, readStat } from "./files.ts";
import { lineOf, longMs, type Repository } from "./git.ts";
import {
  asText,
  nulTerminated,
  onDisk,
  parentsOf,
  rawPaths,
  shown,
  type RawPath,
} from "./paths.ts";
import { sealed, type PrivateDir } from "./private.ts";
import { readHistoryBytes, weigh } from "./walk.ts";
import { shellWord } from "../core/words.ts";

interface Entry {
  readonly mode: string;
  readonly sha: Sha;
}

export interface NestedRequest {
  readonly worktree: string;
  /** Their folders, with a slash at the end; the worktree's own is empty. */
  readonly repositories: readonly RawPath[];
  readonly budgetBytes: number;
  readonly brought: readonly string[];
}

/**
 * Keeps the `.git` of each repository while the budget lasts. Left are those with objects of their own that are not kept, and
 * whatever took the place of the worktree's own `.git`.
 */
export async function captureNested(
  own: PrivateDir,
  request: NestedRequest,
): Promise<{ readonly tree: Sha | null; readonly left: readonly Left[] }> {
  const { worktree, brought } = request;
  const left: Left[] = [];
  const kept: { readonly folder: RawPath; readonly entry: Entry }[] = [];
  let budget = request.budgetBytes;
  for (const path of request.repositories) {
    const name = `${shown(path)}.git`;
    if (isBrought(name, brought)) continue;
    const taken = path === "" ? null : await captureOne(own, worktree, path, budget);
    if (taken === null) {
      const bytes = await readHistoryBytes(worktree, path);
      if (bytes > 0) left.push({ path: name, bytes, why: "nested_history" });
      continue;
    }
    budget -= taken.bytes;
    kept.push({ folder: path.replace(/\/$/, ""), entry: taken.entry });
  }
  if (kept.length === 0) return { tree: null, left };
  const paths = await writeBlob(own, nulTerminated(kept.map(({ folder }) => folder)));
  const lines = [
    `100644 blob ${paths}\tpaths`,
    ...kept.map(({ entry: { mode, sha } }, n) => {
      return `${mode} ${mode === "040000" ? "tree" : "blob"} ${sha}\t${n}`;
    }),
  ];
  const tree = lineOf(await own.git(["mktree", "-z"], { input: nulTerminated(lines) }));
  return { tree, left };
}

/** null where it is not there, does not fit, or can't be read whole. */
async function captureOne(
  own: PrivateDir,
  worktree: string,
  path: RawPath,
  budget: number,
): Promise<{ readonly entry: Entry; readonly bytes: number } | null> {
  const folder = asText(path);
  const at = onDisk(worktree, `${path}.git`);
  const stats = await readStat(at);
  if (stats === undefined || folder === undefined || budget <= 0) return null;
  if (stats.isSymbolicLink()) {
    const target = await readlink(at, { encoding: "buffer" });
    return { entry: { mode: "120000", sha: await writeBlob(own, target) }, bytes: target.length };
  }
  if (stats.isFile()) {
    const bytes = await readPointer(join(worktree, folder, ".git"));
    if (bytes === undefined) return null;
    return { entry: { mode: "100644", sha: await writeBlob(own, bytes) }, bytes: bytes.length };
  }
  if (!stats.isDirectory()) return null;
  const weighed = await weigh(worktree, `${path}.git`, budget);
  if (!weighed.whole || weighed.nested.length > 0) return null;
  const dir = join(worktree, folder, ".git");
  const env = { GIT_WORK_TREE: dir, GIT_INDEX_FILE: join(own.dir, "nested") };
  const git: PrivateDir["git"] = (args, call = {}) =>
    own.git(args, { ...call, cwd: dir, env: { ...env, ...call.env } });
  await git(["read-tree", "--empty"]);
  const refused = await addFiles(
    { git },
    weighed.files.map((file) => file.slice(`${path}.git/`.length)),
  );
  if (refused.length > 0) return null;
  const sha = lineOf(await git(["write-tree"], { timeoutMs: longMs }));
  return { entry: { mode: "040000", sha }, bytes: weighed.bytes };
}

/** 64 KiB: a `.git` that is a file says one path. */
const pointerBytes = 64 * 1024;

async function readPointer(path: string): Promise<Buffer | undefined> {
  const file = await openRegular(path);
  if (file === undefined) return undefined;
  try {
    return (await file.stat()).size > pointerBytes ? undefined : await file.readFile();
  } finally {
    await file.close();
  }
}

async function writeBlob(own: Pick<PrivateDir, "git">, bytes: Buffer): Promise<Sha> {
  return lineOf(await own.git(["hash-object", "-w", "--no-filters", "--stdin"], { input: bytes }));
}

/**
 * Puts the `.git` of nested repositories into a worktree whose files are there already. Folders are never reached through a link,
 * and nothing is replaced. Throws Fault `refused` for a tree that names a folder which is none of the worktree's.
 */
export async function restoreNested(
  repo: Repository,
  commit: Sha,
  worktree: string,
): Promise<void> {
  const entries = await readEntriesOf(repo, commit);
  const list = entries.get("paths");
  if (list === undefined) throw broken(commit, "no list of folders");
  for (const [n, path] of rawPaths(await readBlob(repo, list.sha)).entries()) {
    const entry = entries.get(String(n));
    const folder = asText(path);
    if (entry === undefined || folder === undefined || !isPlain(path))
      throw broken(commit, `${JSON.stringify(shown(path))} as a folder`);
    await makeFolders(worktree, path);
    await put(repo, entry, join(worktree, folder, ".git"));
  }
}

function isPlain(path: RawPath): boolean {
  return path
    .split("/")
    .every((part) => part !== "" && part !== "." && part !== ".." && part.toLowerCase() !== ".git");
}

function broken(commit: Sha, what: string): Fault {
  return new Fault("refused", `${commit} is no list of nested repositories: it has ${what}`, {
    remedy: `to see what is in it, run git ls-tree -r ${commit}`,
  });
}

/** A repository without any file has no folder in the snapshot's tree. */
async function makeFolders(worktree: string, path: RawPath): Promise<void> {
  for (const folder of [...parentsOf(path), path]) {
    const at = onDisk(worktree, folder);
    const stats = await readStat(at);
    if (stats === undefined) await mkdir(at);
    else if (!stats.isDirectory())
      throw new Fault("refused", `${worktree}/${shown(folder)} is no folder`);
  }
}

async function put(repo: Repository, { mode, sha }: Entry, at: string): Promise<void> {
  try {
    if (mode === "040000") {
      await mkdir(at);
      await checkOutTree(repo, [sha], at);
      // git takes no folder for a repository that lacks these, and no tree holds them while they are empty.
      for (const name of ["objects", "refs"]) await mkdir(join(at, name), { recursive: true });
    } else if (mode === "120000") {
      await symlink(await readBlob(repo, sha), at);
    } else {
      const flags = constants.O_WRONLY | constants.O_CREAT | constants.O_EXCL;
      const file = await open(at, flags, 0o644);
      await file.writeFile(await readBlob(repo, sha)).finally(() => file.close());
    }
  } catch (error) {
    if (errnoOf(error) !== "EEXIST") throw error;
    throw new Fault("refused", `${shellWord(at)} is there already`, {
      remedy: `ls -la ${shellWord(at)}`,
      cause: error,
    });
  }
}

async function readEntriesOf(repo: Repository, commit: Sha): Promise<Map<string, Entry>> {
  const listed = await sealed(repo, ["ls-tree", "-z", `${commit}^{tree}`]);
  return new Map(
    rawPaths(listed.stdout).flatMap((line) => {
      const [, mode = "", sha = "", name = ""] =
        /^(\d{6}) \w+ ([0-9a-f]+)\t(.*)$/s.exec(line) ?? [];
      return shaPattern.test(sha) ? [[name, { mode, sha }] as const] : [];
    }),
  );
}

async function readBlob(repo: Repository, sha: Sha): Promise<Buffer> {
  return (await sealed(repo, ["cat-file", "blob", sha])).stdout;
}
