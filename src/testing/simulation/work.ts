/** How long sessions have really worked: what a machine sleeps through is no work, and nobody is timed out for it. */
import type { Attempt } from "../../core/attempt.ts";
import type { Event } from "../../core/events.ts";
import type { AttemptId } from "../../core/ids.ts";
import { specOf } from "../../core/queries.ts";
import type { State } from "../../core/state.ts";

export interface Work {
  readonly ms: number;
  /** When the round in flight began to count, in virtual time; null between rounds. */
  readonly since: number | null;
}

const none: Work = { ms: 0, since: null };

/** Adds what passed until `now`, when `was` became `is`. */
export function work(
  all: Map<AttemptId, Work>,
  now: number,
  was: Attempt | undefined,
  is: Attempt | undefined,
): void {
  const works = is?.phase.at === "working" && is.slot;
  if (was === undefined) return;
  const { ms, since } = all.get(was.id) ?? none;
  all.set(was.id, { ms: ms + (since === null ? 0 : now - since), since: works ? now : null });
}

/** Throws where an attempt is ended for want of time that it did not work through. */
export function checkTimeOut(
  {
    work: all,
    untoldMs,
  }: { readonly work: ReadonlyMap<AttemptId, Work>; readonly untoldMs: number },
  before: State,
  event: Event & { readonly att: AttemptId },
): void {
  if (event.type !== "attempt.ending" || event.outcome.is !== "failed") return;
  const attempt = before.attempts.get(event.att);
  if (attempt === undefined || event.outcome.reason !== "timed_out") return;
  const limitMs = specOf(before, attempt).limits.minutes * 60_000;
  const worked = (all.get(event.att) ?? none).ms + untoldMs;
  if (worked < limitMs)
    throw new Error(`${event.att} is timed out after ${worked} of ${limitMs} ms of work`);
}
