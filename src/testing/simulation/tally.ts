/** How much a series of simulations looked at. */
import { type FaultKind, faultKinds } from "./faults.ts";
import type { Simulated } from "./simulate.ts";

export interface Tally {
  runs: number;
  steps: number;
  events: number;
  landings: number;
  refused: number;
  virtualMs: number;
  readonly faults: Map<FaultKind, number>;
}

export function tally(): Tally {
  const faults = new Map(faultKinds.map((kind) => [kind, 0]));
  return { runs: 0, steps: 0, events: 0, landings: 0, refused: 0, virtualMs: 0, faults };
}

export function count(sum: Tally, one: Simulated): void {
  sum.runs++;
  sum.steps += one.steps;
  sum.events += one.events.length;
  sum.landings += one.landings;
  sum.refused += one.refused;
  sum.virtualMs += one.virtualMs;
  for (const [kind, made] of one.faults) sum.faults.set(kind, (sum.faults.get(kind) ?? 0) + made);
}

/** In two lines. */
export function tallyText(sum: Tally): string {
  const faults = [...sum.faults].map(([kind, made]) => `${kind} ${made}`);
  return (
    `${sum.steps} steps, ${sum.events} events, ${sum.landings} landings, ${sum.refused} refused commands, ` +
    `${(sum.virtualMs / 3_600_000).toFixed(0)} h of virtual time\n  faults: ${faults.join(", ")}`
  );
}
