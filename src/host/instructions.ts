/**
 * The text of CLAUDE.md, given to a session because the repository's own configuration is off: the root's at the base commit,
 * with `@path` imports of files inside the repository, after the person's own.
 */
import { posix } from "node:path";
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
  return [own, project]
    .filter((text) => text.trim() !== "")
    .join("\n\n")
    .slice(0, maxBytes);
}

async function readWithImports(
  repo: Repository,
  commit: Sha,
  path: string,
  seen: Set<string>,
): Promise<string> {
  if (seen.size >= maxDepth * 4 || seen.has(path)) return "";
  seen.add(path);
  const text = (await readFile(repo, commit, path, maxBytes))?.toString("utf8");
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
