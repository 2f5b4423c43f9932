/**
 * The text of CLAUDE.md, given to a session because the repository's own configuration is off: the root's at the base commit,
 * with `@path` imports of files inside the repository, after the person's own.
 */
import { posix } from "node:path";
import { Fault } from "../core/fault.ts";
import type { RunId, Sha } from "../core/ids.ts";
import type { TaskSpec } from "../core/plan.ts";
import type { Repository } from "../git/git.ts";
import { readFile } from "../git/inspect.ts";
import { type Host, openProject } from "./context.ts";

/** One argument of a command line holds 128 KiB on Linux; muster stays well below. */
const maxBytes = 64 * 1024;
/** As Claude Code itself follows imports. */
const maxDepth = 5;
const importPattern = /(?:^|\s)@((?:\.{0,2}\/)?[\w./-]+)/g;

export async function readInstructions(
  host: Host,
  run: RunId,
  spec: TaskSpec,
  base: Sha,
): Promise<string> {
  const repo = await openProject(host, run, spec);
  const own = host.environment(run)?.instructions ?? "";
  // With the project's own configuration the binary reads the worktree's CLAUDE.md by itself (measured).
  const project =
    spec.profile === "project" ? "" : await readWithImports(repo, base, "CLAUDE.md", new Set());
  return firstBytes([own, project].filter((text) => text.trim() !== "").join("\n\n"));
}

/** The first 64 KiB, without the part of a character at the end. */
function firstBytes(text: string): string {
  return new TextDecoder().decode(Buffer.from(text).subarray(0, maxBytes), { stream: true });
}

async function readWithImports(
  repo: Repository,
  commit: Sha,
  path: string,
  seen: Set<string>,
): Promise<string> {
  if (seen.size >= maxDepth * 4 || seen.has(path)) return "";
  seen.add(path);
  const text = await readText(repo, commit, path);
  if (text === undefined) return "";
  const parts = [text];
  for (const [, target = ""] of text.matchAll(importPattern)) {
    const inside = posix.normalize(posix.join(posix.dirname(path), target));
    if (inside.startsWith("..") || posix.isAbsolute(inside)) continue;
    const imported = await readWithImports(repo, commit, inside, seen);
    if (imported !== "") parts.push(`# ${inside}\n\n${imported}`);
  }
  return parts.join("\n\n");
}

/** A file that is too long is the session's to read. */
async function readText(repo: Repository, commit: Sha, path: string): Promise<string | undefined> {
  try {
    return (await readFile(repo, commit, path, maxBytes))?.toString("utf8");
  } catch (error) {
    if (!(error instanceof Fault) || error.code !== "refused") throw error;
    return `(${path} is too long to be given here. Read it before you begin.)`;
  }
}
