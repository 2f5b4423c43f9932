/** On which side of a move each file of a checkout is. */
import { Buffer } from "node:buffer";
import { createHash } from "node:crypto";
import { readlink } from "node:fs/promises";
import { openRegular, readStat } from "./files.ts";
import { asText, onDisk, type RawPath } from "./paths.ts";
import type { Move } from "./checkout.ts";
import type { GitCall, GitOutput } from "./git.ts";

/** `new`: equals NEW (for a path that NEW deletes: is gone). `cut`: a strict beginning of NEW. `missing`: gone, though NEW has it. */
/** Runs git in the checkout with the copy of its index. */
export type OnCopy = (args: readonly string[], call?: GitCall) => Promise<GitOutput>;

export type Side = "new" | "cut" | "missing" | "other";

/** Looks at every file of the moves with the checkout's own conversions. `other` is OLD, or something of the person's. */
export async function readSides(
  onCopy: OnCopy,
  worktree: string,
  moves: readonly Move[],
): Promise<{ readonly move: Move; readonly side: Side }[]> {
  const stats = new Map(
    await Promise.all(
      moves.map(async ({ path }) => [path, await readStat(onDisk(worktree, path))] as const),
    ),
  );
  const files = moves
    .filter(({ path }) => stats.get(path)?.isFile() === true)
    .map(({ path }) => path);
  const hashes = await readHashes(onCopy, files);
  const sides: { move: Move; side: Side }[] = [];
  for (const move of moves) {
    const stat = stats.get(move.path);
    if (stat === undefined) sides.push({ move, side: move.status === "D" ? "new" : "missing" });
    else if (move.status === "D") sides.push({ move, side: "other" });
    else if (stat.isSymbolicLink()) sides.push({ move, side: await linkSide(worktree, move) });
    else if (!stat.isFile())
      sides.push({ move, side: move.mode === "160000" && stat.isDirectory() ? "new" : "other" });
    else {
      const hash = hashes.get(move.path);
      const isExecutable = (stat.mode & 0o100) !== 0;
      if (hash === move.sha && move.mode === (isExecutable ? "100755" : "100644"))
        sides.push({ move, side: "new" });
      else
        sides.push({
          move,
          side: hash === move.oldSha ? "other" : await cutSide(onCopy, worktree, move),
        });
    }
  }
  return sides;
}

async function readHashes(
  onCopy: OnCopy,
  files: readonly RawPath[],
): Promise<Map<RawPath, string>> {
  if (files.length === 0) return new Map();
  const input = Buffer.from(files.map((path) => `${quoted(path)}\n`).join(""), "latin1");
  const hashed = await onCopy(["hash-object", "--stdin-paths"], { input });
  const lines = hashed.stdout.toString("latin1").split("\n");
  return new Map(files.map((path, n) => [path, lines[n] ?? ""]));
}

/** `--stdin-paths` reads lines; one that starts with a quote is unquoted as C does. */
function quoted(path: RawPath): string {
  return `"${path.replace(/["\\]/g, "\\$&").replaceAll("\n", "\\n")}"`;
}

async function linkSide(worktree: string, move: Move): Promise<Side> {
  if (move.mode !== "120000") return "other";
  const target = await readlink(onDisk(worktree, move.path), { encoding: "buffer" });
  const hash = createHash(move.sha.length === 40 ? "sha1" : "sha256")
    .update(`blob ${target.length}\0`)
    .update(target);
  return hash.digest("hex") === move.sha ? "new" : "other";
}

async function cutSide(onCopy: OnCopy, worktree: string, move: Move): Promise<Side> {
  const name = asText(move.path);
  const file = name === undefined ? undefined : await openRegular(`${worktree}/${name}`);
  if (name === undefined || file === undefined || !move.mode.startsWith("100")) return "other";
  try {
    const has = await file.readFile();
    const wanted = (await onCopy(["cat-file", "--filters", `--path=${name}`, move.sha])).stdout;
    return has.length < wanted.length && wanted.subarray(0, has.length).equals(has)
      ? "cut"
      : "other";
  } finally {
    await file.close();
  }
}
