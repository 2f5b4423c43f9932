/**
 * Filters that the repository's own configuration defines. Any session can write that file, and git would run such a filter while a
 * checkout follows a landing, so it does not follow then. The person's global and system filters (git-lfs, as a rule) are theirs.
 */
import { type Repository, git } from "./git.ts";

/** Names of the filters with a program in the repository's own configuration; empty for nearly every repository. */
export async function readOwnFilters(repo: Repository): Promise<string[]> {
  const args = [
    "config",
    "-z",
    "--show-scope",
    "--get-regexp",
    "^filter\\..*\\.(clean|smudge|process)$",
  ];
  const found = await git(repo, args, { okCodes: [0, 1] });
  // `scope NUL key LF value NUL`, and so on.
  const parts = found.stdout.toString("utf8").split("\0");
  const names = new Set<string>();
  for (let i = 0; i + 1 < parts.length; i += 2) {
    const key = (parts[i + 1] ?? "").split("\n", 1)[0] ?? "";
    if (parts[i] === "local" || parts[i] === "worktree")
      names.add(key.slice("filter.".length, key.lastIndexOf(".")));
  }
  return [...names];
}
