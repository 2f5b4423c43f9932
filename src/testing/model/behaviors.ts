/** Ready-made prompts for the demo and the tests: a sentence for people, then the marker with the script for the model. */
import { script } from "./marker.ts";
import type { RuleInput, Steps } from "./script.ts";
import { bash, commit, say, write, writeAll } from "./steps.ts";

export type Files = Readonly<Record<string, string>>;

/** A prompt with a script of its own. */
export function prompt(sentence: string, steps: Steps, later: readonly RuleInput[] = []): string {
  return `${sentence}\n\n${script(steps, { later })}`;
}

/** Writes the files and commits them. */
export function writeAndCommit(files: Files, message: string): string {
  return prompt(`Write ${names(files)} and commit: ${message}.`, [
    writeAll(files),
    commit(message),
    say(`Wrote ${names(files)} and committed.`),
  ]);
}

/** Writes the files and leaves them uncommitted; commits with `message` once a later text asks for a commit, if given. */
export function writeWithoutCommit(
  files: Files,
  options: { readonly message?: string } = {},
): string {
  const { message } = options;
  const later =
    message === undefined
      ? []
      : [{ match: /commit/i, steps: [commit(message), say("Committed.")] }];
  return prompt(`Write ${names(files)}.`, [writeAll(files), say(`Wrote ${names(files)}.`)], later);
}

/** Claims to be done and changes nothing. */
export function lie(): string {
  return prompt("Fix the bug.", [
    say("I fixed the bug, all tests pass and everything is committed."),
  ]);
}

/** Commits `bad` files first; commits `good` ones when a later text fits `match`, by default one that speaks of the gate. */
export function failsGateThenRepairs(
  bad: Files,
  good: Files,
  options: { readonly match?: string | RegExp } = {},
): string {
  const repair = [writeAll(good), commit("Repair"), say("Repaired.")];
  return prompt(
    `Write ${names(bad)} and commit.`,
    [writeAll(bad), commit("First try"), say("Done, I believe.")],
    [{ match: options.match ?? /gate/i, steps: repair }],
  );
}

/** Runs a command that the session may not run unasked, and says what came of it. */
export function asksPermission(command: string): string {
  return prompt(`Run ${command}.`, [bash(command), say("That was the command.")]);
}

/** Begins to answer and then goes silent for good. */
export function hangs(): string {
  return prompt("Think about it.", [{ hang: "stream" }, say("That took long.")]);
}

/** Is rate limited `times` times, with one second to wait each, then writes the files and commits. */
export function rateLimited(
  times: number,
  files: Files = { "limited.txt": "after the limit\n" },
): string {
  return prompt(`Write ${names(files)} in spite of the rate limit and commit.`, [
    { status: 429, headers: { "retry-after": "1" }, times },
    writeAll(files),
    commit("After the limit"),
    say("Done."),
  ]);
}

/** Tries to write outside of its working directory: by tool, by shell, and through a link. */
export function outsidePaths(): string {
  return prompt("Write into the folder above.", [
    write("../outside-by-tool.txt", "outside\n"),
    bash("echo outside > ../outside-by-shell.txt"),
    bash("ln -s .. up && echo outside > up/outside-by-link.txt"),
    say("Tried."),
  ]);
}

function names(files: Files): string {
  return Object.keys(files).join(", ");
}
