/**
 * What is staged, as a tree. An index with unmerged entries, or with objects that are gone, is no tree: then each entry is put below
 * a folder that is named for its stage, `0` to `3`, and can be put back from there.
 */
import { join } from "node:path";
import { Fault } from "../core/fault.ts";
import { shaPattern, type Sha } from "../core/ids.ts";
import { lineOf, longMs } from "./git.ts";
import { nulTerminated } from "./paths.ts";
import { type IndexEntry, readSizes } from "./private-index.ts";
import type { PrivateDir } from "./private.ts";

/** One of them at most; neither where the index holds nothing that can be kept. */
export interface Staged {
  readonly tree: Sha | null;
  readonly stages: Sha | null;
}

export const nothingStaged: Staged = { tree: null, stages: null };

/** Writes what a private index holds as a tree; undefined where git refuses all of it. */
export async function captureStaged(
  own: PrivateDir,
  entries: readonly IndexEntry[],
): Promise<Staged | undefined> {
  const tree = await writeTree(own);
  if (tree !== null) return { tree, stages: null };
  const sizes = await readSizes(own, new Set(entries.map(({ sha }) => sha)));
  // What is gone already can't be kept, and must not take the others along.
  const there = entries.filter(({ mode, sha }) => mode === "160000" || sizes.has(sha));
  const env = { GIT_INDEX_FILE: join(own.dir, "stages") };
  const lines = there.map(({ mode, sha, stage, path }) => `${mode} ${sha} 0\t${stage}/${path}`);
  try {
    await own.git(["update-index", "-z", "--index-info"], { input: nulTerminated(lines), env });
  } catch (error) {
    if (error instanceof Fault && error.code === "git_failed") return undefined;
    throw error;
  }
  const stages = await writeTree(own, env);
  return stages === null ? undefined : { tree: null, stages };
}

async function writeTree(
  own: PrivateDir,
  env: Readonly<Record<string, string>> = {},
): Promise<Sha | null> {
  const written = await own.git(["write-tree"], { okCodes: [0, 128], timeoutMs: longMs, env });
  const tree = lineOf(written);
  return written.code === 0 && shaPattern.test(tree) ? tree : null;
}

/** Makes the index hold exactly what `captureStaged` put into `stages`. */
export async function putStages(own: PrivateDir, stages: Sha): Promise<void> {
  const listed = await own.git(["ls-tree", "-r", "-z", "--full-tree", `${stages}^{tree}`], {
    timeoutMs: longMs,
  });
  const lines = listed.stdout
    .toString("latin1")
    .split("\0")
    .flatMap((line) => {
      const [, mode, sha, stage, path] =
        /^(\d{6}) \w+ ([0-9a-f]+)\t([0-3])\/([^]+)$/.exec(line) ?? [];
      return path === undefined ? [] : [`${mode} ${sha} ${stage}\t${path}`];
    });
  await own.git(["read-tree", "--empty"]);
  if (lines.length > 0)
    await own.git(["update-index", "-z", "--index-info"], {
      input: nulTerminated(lines),
      timeoutMs: longMs,
    });
}
