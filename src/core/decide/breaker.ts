/**
 * Breakers: one per credential and model, one per credential. A limit, an outage or a refused key that one session meets holds up
 * every round that would meet it too; when its time is over one round goes first, as the probe, and the others follow its success.
 */
import { breakerOf, breakersOf, isProbing } from "../breakers.ts";
import { type Decision, endSession } from "./decision.ts";
import type { AttemptId, RunId } from "../ids.ts";
import { specOf } from "../queries.ts";
import type { Attempt, ParkReason } from "../attempt.ts";
import type { Breaker, Run } from "../state.ts";
import type { TaskSpec } from "../plan.ts";

/** The longest that a breaker stays open without a word from the API; doubled from `firstMs` on at every failed probe. */
const maxMs = 15 * 60_000;
const firstMs = 2_000;

/** What the failure of a round says of its breaker. */
export interface Trouble {
  readonly reason: ParkReason;
  readonly detail: string;
  /** When to come back; null = once a person resumes. */
  readonly until: number | null;
  /** When the API itself said to come back; null where it did not. */
  readonly said: number | null;
}

/** Opens the breaker that an attempt's failure is about, once: what others meet meanwhile is the same. */
export function openBreaker(
  d: Decision,
  att: AttemptId,
  { reason, detail, until, said }: Trouble,
): void {
  const attempt = d.attempt(att);
  const key = breakerOf(attempt.credential, specOf(d.state, attempt), reason);
  const was = d.state.breakers.get(key);
  const emit = (opened: number, time: number | null): void =>
    d.emit({ type: "breaker.opened", key, reason, detail, until: time, opened });
  if (was !== undefined && was.probe !== att) {
    if (isProbing(d.state, was)) return;
    const isShut = was.until === null || was.until > d.now;
    const later = was.until !== null && said !== null && said > was.until;
    if (isShut && later) emit(was.opened, until);
    if (isShut) return;
  }
  const opened = (was?.opened ?? 0) + 1;
  const least = d.now + Math.min(maxMs, firstMs * 2 ** Math.min(opened - 1, 20));
  emit(opened, until === null ? null : Math.max(until, least));
}

/** The probe came through: everybody goes on. */
export function closeBreakers(d: Decision, att: AttemptId): void {
  for (const { key, probe } of d.state.breakers.values())
    if (probe === att) d.emit({ type: "breaker.closed", key });
}

/** A person's word that it works again: whatever holds the run's credential up is tried anew, also for other runs. */
export function tryAgain(d: Decision, run: Run): void {
  for (const { key } of breakersOf(d.state, run)) d.emit({ type: "breaker.closed", key });
  for (const { id, run: of, park } of [...d.state.attempts.values()])
    if (park?.reason === "credentials" && d.state.runs.get(of)?.credential === run.credential)
      d.of(id, { type: "attempt.unparked" });
}

/** Whoever starts work with a credential that was refused once means that it works now. */
export function trustCredential(d: Decision, id: RunId): void {
  const run = d.state.runs.get(id);
  if (run !== undefined && breakersOf(d.state, run).some(({ until }) => until === null))
    tryAgain(d, run);
}

/** From here on a run's sessions have another credential: those that rest begin anew with it. */
export function changeCredential(d: Decision, id: RunId, credential: string | undefined): void {
  if (credential === undefined || d.state.runs.get(id)?.credential === credential) return;
  d.emit({ type: "run.credential_changed", run: id, credential });
  for (const { id: att, run, phase } of [...d.state.attempts.values()])
    if (run === id && phase.at !== "working") endSession(d, att, "credentials", false);
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
  // It still has the key that was refused.
  if (reason === "credentials") endSession(d, id, "credentials", false);
}
