/** Landings as the target's own history tells them: merges on its first-parent line with the trailers that muster writes. */
import { shaPattern, type Sha } from "../core/ids.ts";
import { longMs, type Repository } from "./git.ts";
import { sealed } from "./private.ts";
import { readRef } from "./refs.ts";

export interface FoundLanding {
  readonly run: string;
  readonly task: string;
  readonly commit: Sha;
  /** What was landed: the second parent. */
  readonly head: Sha;
}

/** Landings looked for: what a target takes in months. */
const maxCommits = 2_000;

/** The newest landings on a branch, newest first; none where there is no such branch. Anybody can write a commit: a claim, no proof of a gate. */
export async function readLandings(repo: Repository, target: string): Promise<FoundLanding[]> {
  const tip = await readRef(repo, `refs/heads/${target}`);
  if (tip === null) return [];
  const value = (key: string): string => `%(trailers:key=${key},valueonly,separator=%x00)`;
  const format = `--format=%x01%H %P%n${value("Muster-Run")}%n${value("Muster-Task")}`;
  const args = ["log", "--first-parent", "--merges", "--no-show-signature", `-n${maxCommits}`];
  const text = (await sealed(repo, [...args, format, tip, "--"], { timeoutMs: longMs })).stdout;
  return text
    .toString("utf8")
    .split("\x01")
    .flatMap((entry) => {
      const [ids = "", run = "", task = ""] = entry.split("\n");
      const [commit = "", , head = ""] = ids.split(" ");
      return run !== "" && task !== "" && shaPattern.test(head)
        ? [{ run, task, commit, head }]
        : [];
    });
}
