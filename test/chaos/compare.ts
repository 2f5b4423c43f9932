/**
 * Compares a run that lost its daemon with one that did not. Everything that counts must be equal; of the events only those
 * that recovery is made of may differ, and they are named here.
 */
import type { Outcome } from "./outcome.ts";

/** Which of two landings comes first is chance, and the first one's gate on the merge is that of its head. */
const ofOrder: ReadonlySet<string> = new Set(["gate.admitted:merge"]);

/** An answer that was given right before a crash is given again; where the round is over by then, its question is withdrawn. */
const ofAnswer: ReadonlySet<string> = new Set(["ask.closed", "ask.withdrawn"]);

/**
 * A session of claude-sdk ends with its daemon: it is started again and told to go on, and what it was cut off from committing
 * is asked for or committed at last. Nothing of the kind for claude-cli.
 */
const ofLostSession: ReadonlySet<string> = new Set([
  "session.planned",
  "session.started",
  "session.exited",
  "session.end_requested",
  "round.admitted",
  "round.ended:void",
  "round.ended:error",
  "round.ended:completed",
  "head.read",
  "commit.made",
  "attempt.parked:backoff",
  "attempt.unparked",
  "attempt.used",
  "message.queued:continue",
  "message.queued:answer",
  "message.queued:commit",
  "message.taken",
  "snapshot.taken",
  "snapshot.taken:late",
  "ask.opened",
  "ask.detached",
  "ask.answered",
  "ask.closed",
  "ask.withdrawn",
]);

/** Every difference but recovery's own events, one per line; then what is wrong with the run by itself. */
export function differences(expected: Outcome, seen: Outcome): readonly string[] {
  const { story: expectedStory, faults: _, whys: __, ...expectedRest } = expected;
  const { story, faults, whys, ...rest } = seen;
  const [was, is] = [counts(expectedStory), counts(story)];
  const kinds = [...new Set([...was.keys(), ...is.keys()])].filter(
    (key) => was.get(key) !== is.get(key) && !isRecovery(key, expected),
  );
  return [
    ...unequal("", expectedRest, rest),
    ...faults,
    ...kinds.map((key) => {
      const why = whys[key];
      const change = `${key}: ${was.get(key) ?? 0} → ${is.get(key) ?? 0}`;
      return why === undefined ? change : `${change} (${why})`;
    }),
  ];
}

function isRecovery(key: string, { tasks }: Outcome): boolean {
  const [kind = "", task = ""] = key.split(" ");
  if (ofOrder.has(kind) || ofAnswer.has(kind)) return true;
  return tasks[task]?.runner === "claude-sdk" && ofLostSession.has(kind);
}

function counts(story: readonly string[]): ReadonlyMap<string, number> {
  const found = new Map<string, number>();
  for (const key of story) found.set(key, (found.get(key) ?? 0) + 1);
  return found;
}

function unequal(path: string, a: unknown, b: unknown): readonly string[] {
  if (typeof a !== "object" || typeof b !== "object" || a === null || b === null)
    return a === b ? [] : [`${path}: ${JSON.stringify(a)} → ${JSON.stringify(b)}`];
  const keys = new Set([...Object.keys(a), ...Object.keys(b)]);
  return [...keys].flatMap((key) =>
    unequal(
      `${path}/${key}`,
      (a as Record<string, unknown>)[key],
      (b as Record<string, unknown>)[key],
    ),
  );
}
