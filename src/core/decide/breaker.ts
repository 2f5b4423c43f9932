/**
 * Breakers: one per credential and model, one per credential. A limit, an outage or a refused key that one session meets holds up
 * every round that would meet it too; when its time is over one round goes first, as the probe, and the others follow its success.
 */
import { breakerOf, breakersOf, isProbing } from "../breakers.ts";
import type { Decision } from "./decision.ts";
import type { AttemptId, RunId } from "../ids.ts";
import { specOf } from "../queries.ts";
import type { Attempt, ParkReason } from "../attempt.ts";
import type { Breaker, Run } from "../state.ts";
import type { TaskSpec } from "../plan.ts";

/** The longest that a breaker stays open without a word from the API; doubled from `firstMs` on at every failed probe. */
const maxMs = 15 * 60_000;
const firstMs = 2_000;

/** Opens the breaker that an attempt's failure is about; `until` null = until a person resumes. */
export function openBreaker(
  d: Decision,
  att: AttemptId,
  reason: ParkReason,
  detail: string,
  until: number | null,
): void {
  const attempt = d.attempt(att);
  const run = d.state.runs.get(attempt.run);
  if (run === undefined) return;
  const key = breakerOf(run, specOf(d.state, attempt), reason);
  const was = d.state.breakers.get(key);
  const failed = was !== undefined && (was.probe === att || was.until === null);
  if (was !== undefined && !failed && was.until !== null && was.until > d.now) return;
  const opened = (was?.opened ?? 0) + 1;
  const least = d.now + Math.min(maxMs, firstMs * 2 ** Math.min(opened - 1, 20));
  d.emit({
    type: "breaker.opened",
    key,
    reason,
    detail,
    until: until === null ? null : Math.max(until, least),
  });
}

/** The probe came through: everybody goes on. */
export function closeBreakers(d: Decision, att: AttemptId): void {
  for (const { key, probe } of d.state.breakers.values())
    if (probe === att) d.emit({ type: "breaker.closed", key });
}

/** A person's word that it works again: whatever holds the run's credential up is tried anew. */
export function tryAgain(d: Decision, run: Run): void {
  for (const { key } of breakersOf(d.state, run)) d.emit({ type: "breaker.closed", key });
}

/** Whoever starts work with a credential that was refused once means that it works now. */
export function trustCredential(d: Decision, id: RunId): void {
  const run = d.state.runs.get(id);
  if (run === undefined) return;
  for (const { key, until } of breakersOf(d.state, run))
    if (until === null) d.emit({ type: "breaker.closed", key });
}

export type Passage =
  | { readonly is: "open" }
  /** Nothing is known yet: the round that goes first answers for the others. */
  | { readonly is: "probe"; readonly breakers: readonly Breaker[] }
  | { readonly is: "wait" }
  | { readonly is: "shut"; readonly breaker: Breaker };

/** Whether a round of `spec` may begin now. */
export function passage(d: Decision, run: Run, spec: TaskSpec): Passage {
  const found = breakersOf(d.state, run, spec);
  const shut = found.find(({ until }) => until === null || until > d.now);
  if (shut !== undefined) return { is: "shut", breaker: shut };
  if (found.some((breaker) => isProbing(d.state, breaker))) return { is: "wait" };
  return found.length === 0 ? { is: "open" } : { is: "probe", breakers: found };
}

/** Parks an attempt for as long as a breaker is open; its slot goes to others. */
export function parkBehind(d: Decision, { id }: Attempt, { reason, detail, until }: Breaker): void {
  d.of(id, { type: "attempt.parked", park: { reason, detail, until } });
}
