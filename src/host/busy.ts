/**
 * When to come back to an API that is busy, where the API's own word does not reach us: without a subscription the binary passes
 * `retry-after` on only as the back-off that it announces.
 */
import type { RoundFailure } from "../core/inputs.ts";
import type { AgentEvent } from "../core/runner.ts";

/** The binary (2.1.329, measured) waits out a `retry-after` of up to so long; at a longer one it gives up and says nothing of it. */
const longestRetryMs = 60_000;

/** What it tries again by itself otherwise, so that an end without any back-off was told to wait for longer. */
const retried: ReadonlySet<number | null> = new Set([429, 529]);

/** Passes a session's events on; the end of a round on a busy API says when to come back, as far as that is known. `now`: wall-clock ms. */
export function datedEnds(now: () => number): (event: AgentEvent) => AgentEvent {
  let announcedMs = 0;
  return (event) => {
    if (event.is === "retrying") announcedMs = Math.max(announcedMs, event.delayMs);
    // The model has answered: what it was waited for is over.
    if (event.is === "turn") announcedMs = 0;
    if (event.is !== "round_ended") return event;
    const afterMs = announcedMs === 0 ? longestRetryMs : announcedMs;
    announcedMs = 0;
    return { ...event, failure: dated(event.failure, now() + afterMs) };
  };
}

function dated(
  failure: RoundFailure | "void" | null,
  retryAt: number,
): RoundFailure | "void" | null {
  if (failure === null || failure === "void" || failure.is !== "unavailable") return failure;
  return failure.retryAt === null && retried.has(failure.status)
    ? { ...failure, retryAt }
    : failure;
}
