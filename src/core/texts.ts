/** What muster says to a session. One place for every sentence that a model reads from us; numbers and names come in. */
import type { Answer, Ask, GateEvidence } from "./attempt.ts";
import type { TaskSpec } from "./plan.ts";
import { beginning } from "./words.ts";

/** The first message of an attempt: the task, then how its result is taken. */
export function promptText(spec: TaskSpec): string {
  const lines = [spec.prompt.trim(), "", "---", "How this result is taken:"];
  lines.push(
    "- Work in this directory. Commit the work on the current branch and leave the tree clean.",
  );
  if (spec.gate !== null && spec.gate.length > 0)
    lines.push(
      `- The commit counts once these commands exit 0 on it: ${spec.gate.map((g) => `\`${g}\``).join(", ")}.`,
    );
  if (spec.paths !== null) lines.push(`- Only these paths may change: ${spec.paths.join(", ")}.`);
  if (spec.artifacts.length > 0)
    lines.push(`- These files must exist at the end: ${spec.artifacts.join(", ")}.`);
  lines.push("- Do not merge, push or switch branches; landing happens afterwards.");
  return lines.join("\n");
}

export function commitText(): string {
  return "The worktree still has changes that are not committed. Commit what belongs to the task, remove what does not, and leave the tree clean.";
}

/** A hand-over is read whole by the next session; a longer one is cut off. */
export const maxHandoverChars = 8_000;

/** Asks a session that has little room left for what the next one needs; the recipe is claude-code.md §9. */
export const handoverText = [
  "This session has grown long: a new one goes on with the task from here, in the same worktree. It knows the task's text and sees the files and commits, and nothing of this conversation.",
  "Change nothing now. Answer with a hand-over for it, in at most 800 words, under these headings:",
  "",
  "## Done",
  "## Open",
  "## Files that matter, and why",
  "## Decisions, and what was tried and did not work",
  "## Next step",
].join("\n");

/** What a new session of an attempt is told before its first message. `truth`: what git says of the worktree. */
export function briefingText(
  task: string,
  handover: string | null,
  truth: string,
  next: string,
): string {
  const before =
    handover === null
      ? [
          "What was said in this session before was lost with its transcript. The task was:",
          "",
          task,
        ]
      : [
          "Another session worked on this task before and handed over to this one. The task:",
          "",
          task,
          "",
          "---",
          "Its hand-over, which may be wrong where the files say otherwise:",
          "",
          beginning(handover, maxHandoverChars),
        ];
  return [...before, "", "---", truth, "", "---", "What comes next:", "", next].join("\n");
}

/** A red gate, with the end of its log. */
export function fixText(failed: GateEvidence): string {
  const how = failed.exit === null ? "did not finish in time" : `exited ${failed.exit}`;
  return [
    `The gate is red: \`${failed.command}\` ${how} on commit ${failed.commit.slice(0, 12)}${failed.on === "merge" ? ", merged with the target as it would land" : ""}. The result is not accepted yet.`,
    "",
    "The end of its output:",
    "```",
    failed.tail.trimEnd(),
    "```",
    "",
    failed.on === "merge"
      ? "It is green without what landed meanwhile: merge the target into the current branch first, then repair the cause, commit, and leave the tree clean."
      : "Repair the cause, commit, and leave the tree clean.",
  ].join("\n");
}

export function conflictText(target: string, paths: readonly string[]): string {
  const shown = paths.slice(0, 20).map((path) => `- ${path}`);
  return [
    `The result conflicts with what has landed on \`${target}\` meanwhile, in:`,
    ...shown,
    "",
    `Merge \`${target}\` into the current branch, resolve the conflicts so that both sides keep their meaning, commit, and leave the tree clean.`,
  ].join("\n");
}

/** After a process ended in the middle: the ground truth, then go on. */
export function continueText(why: string): string {
  return [
    `The session was interrupted (${why}) and goes on now. The files on disk are as they were left; the last command may not have finished.`,
    "Go on with the task, commit, and leave the tree clean.",
  ].join(" ");
}

/** Behind a message that is said again since a process ended: whether the session has worked on it before, nobody knows. */
export function cutOffText(why: string): string {
  return `The session was interrupted before (${why}). The files on disk are as they were left; the last command may not have finished.`;
}

/** The answer to a question whose process is gone; what was allowed under a rule is remembered and not asked again. */
export function answeredText({ kind, tool, text }: Ask, answer: Answer): string {
  const about = `The session was restarted while its question waited (${tool}: ${text}).`;
  if (answer.is === "deny") return `${about} The answer is no: ${answer.because}`;
  return kind === "question"
    ? `${about} The answer: ${answer.text ?? "yes"}`
    : `${about} It is allowed: run it again.`;
}

/** For a permission that nobody answered. */
export function deniedText(tool: string): string {
  return `${tool} was not allowed: nobody was there to answer. Go on without it, another way if there is one, and say at the end what could not be done.`;
}

/** For a permission that a person denied before in this run. */
export function deniedBeforeText(tool: string): string {
  return `${tool} was not allowed: the same was denied before in this run. Go on without it, another way if there is one, and say at the end what could not be done.`;
}

export const decideYourselfText = "Nobody is there to answer: decide yourself and write down why.";

/** After a person worked in the session's own terminal on what was proved already. */
export const attachedText =
  "A person worked in this session and its worktree meanwhile. Look at `git status` and `git log -3`, keep what they did, go on with the task if something is left of it, commit, and leave the tree clean.";
