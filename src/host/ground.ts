/** The ground truth that a session is told when it goes on after something was cut off, or begins where another one ended. */
import type { Effect } from "../core/effects.ts";
import { beginning, count, oneLine } from "../core/words.ts";
import { type Ground, readGround } from "../git/ground.ts";
import { openPlace } from "../git/registration.ts";
import { type Host, openProject } from "./context.ts";

/** Commits and files that are named; the rest are counted. */
const maxNamed = 20;
const maxNameChars = 200;

/** What git says of the attempt's worktree, for its session to read; where it can't be read, how to look. */
export async function groundText(
  host: Host,
  { attempt, spec }: Pick<Effect, "attempt" | "spec">,
): Promise<string> {
  const lookText = "Look at `git status` and `git log -5` first.";
  const { worktree } = attempt;
  if (worktree === null) return lookText;
  try {
    const repo = await openProject(host, attempt.run, spec);
    const place = await openPlace(repo, { gitDir: worktree.gitDir, path: worktree.path });
    return describe(await readGround(repo, place, worktree.base));
  } catch (error) {
    host.log("warn", "What is in a worktree could not be read for its session", {
      att: attempt.id,
      why: String(error),
    });
    return lookText;
  }
}

function describe({ head, branch, commits, uncommitted, operation }: Ground): string {
  const where = branch === null ? "on no branch" : `on ${branch}`;
  const done =
    commits.length === 0
      ? [`Nothing is committed for this task yet (HEAD is ${head.slice(0, 12)}, ${where}).`]
      : [
          `Committed for this task (${count(commits.length, "commit")}, newest first, ${where}):`,
          ...named(commits.map(({ sha, subject }) => `${sha.slice(0, 12)} ${subject}`)),
        ];
  const open =
    uncommitted.length === 0
      ? ["Everything on disk is committed."]
      : [
          `Not committed (${count(uncommitted.length, "path")}):`,
          ...named(uncommitted.map(({ state, path }) => `${state}: ${path}`)),
        ];
  const within = operation === null ? [] : [`A ${operation} is under way and not finished.`];
  return ["What git says of the worktree now:", ...done, ...open, ...within].join("\n");
}

function named(lines: readonly string[]): string[] {
  const shown = lines
    .slice(0, maxNamed)
    .map((line) => `- ${beginning(oneLine(line), maxNameChars)}`);
  const more = lines.length - shown.length;
  return more === 0 ? shown : [...shown, `- and ${more} more`];
}
