/** Files to bring along: what a project wants in every worktree though git ignores it, from the person's checkout. */
import { cpSync, existsSync, globSync, lstatSync, mkdirSync } from "node:fs";
import { dirname, join } from "node:path";
import type { ProjectConfig } from "../config/project.ts";
import type { Sha } from "../core/ids.ts";
import { type Repository, git } from "../git/git.ts";
import { readFile } from "../git/inspect.ts";

/**
 * Copies what `copy` and `.worktreeinclude` name and git ignores into a worktree, where it is not there yet. Links are copied as
 * links and never followed: a folder that the commit made a link of is left alone.
 */
export async function bringAlong(
  repo: Repository,
  config: ProjectConfig,
  worktree: string,
  base: Sha,
): Promise<void> {
  const include =
    (await readFile(repo, base, ".worktreeinclude", 64 * 1024))?.toString("utf8") ?? "";
  const listed = include
    .split("\n")
    .map((line) => line.trim())
    .filter((line) => line !== "" && !line.startsWith("#"));
  const wanted = [...config.copy, ...listed.map((line) => line.replace(/^\//, ""))];
  if (wanted.length === 0) return;
  const found = globSync(wanted, { cwd: repo.root }).filter(
    (path) => !path.startsWith("..") && path !== ".git",
  );
  if (found.length === 0) return;
  const asked = await git(repo, ["check-ignore", "-z", "--stdin"], {
    input: found.join("\0"),
    okCodes: [0, 1],
    cwd: repo.root,
    // check-ignore knows no pathspecs, and refuses to be told how to read them.
    env: { GIT_DIR: repo.gitDir, GIT_WORK_TREE: repo.root, GIT_LITERAL_PATHSPECS: "0" },
  });
  for (const path of asked.stdout
    .toString("utf8")
    .split("\0")
    .filter((p) => p !== "")) {
    const to = join(worktree, path);
    if (existsSync(to) || !staysInside(worktree, path)) continue;
    mkdirSync(dirname(to), { recursive: true });
    cpSync(join(repo.root, path), to, {
      recursive: true,
      verbatimSymlinks: true,
      errorOnExist: false,
      force: false,
    });
  }
}

/** True where no folder on the way to `path` is a link. */
function staysInside(worktree: string, path: string): boolean {
  const parts = dirname(path).split("/");
  return parts.every((_, i) => {
    const stat = lstatSync(join(worktree, ...parts.slice(0, i + 1)), { throwIfNoEntry: false });
    return stat === undefined || stat.isDirectory();
  });
}
