/** Which crashes are tried, and in which scenario each. */
import type { Death } from "./hook.ts";
import type { Scenario } from "./scenarios.ts";

/** What a scenario passes where nothing crashes. */
export interface Recording {
  readonly scenario: Scenario;
  readonly passed: readonly string[];
}

export interface Crash {
  readonly title: string;
  readonly scenario: Scenario;
  readonly death: Death;
  /** On the real binary, not on the stand-in. */
  readonly real: boolean;
}

/** One crash in this many is tried on the real binary. */
const realEvery = 20;
/** One point in this many is crashed twice. */
const againEvery = 4;

/** Every point that any of the recordings passes. */
export function pointsIn(recordings: readonly Recording[]): readonly string[] {
  return [...new Set(recordings.flatMap(({ passed }) => passed))].toSorted();
}

/**
 * Every point at its first passing, in one of the scenarios that pass it, in turn; and a sample of them at its last passing in
 * another one, where the next daemon dies at the same point if it comes there.
 */
export function crashesOf(recordings: readonly Recording[]): readonly Crash[] {
  const crashes = pointsIn(recordings).flatMap((point, i) => {
    const passing = recordings.filter(({ passed }) => passed.includes(point));
    const first = crash(pick(passing, i), { point, nth: 1, times: 1 });
    if (i % againEvery !== 0) return [first];
    const other = pick(passing, i + 1);
    const last = other.passed.filter((each) => each === point).length;
    return [first, crash(other, { point, nth: last, times: 2 })];
  });
  return crashes.map((each, i) => {
    const real = i % realEvery === realEvery - 1;
    return { ...each, real, title: real ? `${each.title}, on the real binary` : each.title };
  });
}

function crash({ scenario }: Recording, death: Death): Omit<Crash, "real"> {
  const { point, nth, times } = death;
  const again = times === 1 ? "" : ` at passing ${nth}, and the next daemon too`;
  return { title: `${point}, in ${scenario.name}${again}`, scenario, death };
}

function pick<T>(items: readonly T[], i: number): T {
  const item = items[i % items.length];
  if (item === undefined) throw new Error("nothing to pick from");
  return item;
}
