/** Questions about breakers that several rules ask. */
import type { TaskSpec } from "./plan.ts";
import type { ParkReason } from "./attempt.ts";
import type { Breaker, Run, State } from "./state.ts";

/** The breaker that a failure is about: a refused credential is refused for every model. */
export function breakerOf(credential: string, { model }: TaskSpec, reason: ParkReason): string {
  return reason === "credentials" ? `${credential} *` : `${credential} ${model}`;
}

/** The breakers in the way of a run's credential, or of one task of it; those that are due for a probe too. */
export function breakersOf(state: State, run: Run, spec?: TaskSpec): Breaker[] {
  return [...state.breakers.values()].filter(({ key }) =>
    spec === undefined
      ? key.startsWith(`${run.credential} `)
      : key === `${run.credential} *` || key === `${run.credential} ${spec.model}`,
  );
}

/** True while the round that went first has not said how it went. */
export function isProbing(state: State, { probe }: Breaker): boolean {
  const attempt = probe === null ? undefined : state.attempts.get(probe);
  return attempt?.phase.at === "working" && attempt.slot;
}
