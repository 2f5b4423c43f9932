/** Kills by seed: the daemon dies at random times while eight sessions live, and the run comes to the same end as without. */
import { describe, expect, test } from "vitest";
import { type Random, random } from "../../src/testing/simulation/random.ts";
import { differences } from "./compare.ts";
import { runScenario } from "./crash.ts";
import { type DeedOf, killAt, killOnceLive } from "./deeds.ts";
import { eight } from "./eight.ts";
import type { Outcome } from "./outcome.ts";

/** One seed in this many is on the real binary. */
const realEvery = 20;

export interface Kills {
  /** Of seeds that came to the same end, so far. */
  readonly seeds: number;
  readonly real: number;
  readonly kills: number;
}

/** Declares one test for each of so many seeds; returns what they have come to. `CHAOS_SEED=…` begins with a seed that failed. */
export async function killsBySeed(seeds: number): Promise<() => Kills> {
  const first = Number(process.env["CHAOS_SEED"] ?? Math.floor(Math.random() * 2 ** 31));
  console.log(`seeds ${first} to ${first + seeds - 1}`);
  const uncrashed: readonly Outcome[] = [
    (await runScenario(eight, null)).outcome,
    (await runScenario(eight, null, true)).outcome,
  ];
  let done: Kills = { seeds: 0, real: 0, kills: 0 };
  const comesToTheSameEnd = async (seed: number): Promise<void> => {
    const isReal = seed % realEvery === 0;
    const wanted = uncrashed[isReal ? 1 : 0];
    if (wanted === undefined) throw new Error("there is an uncrashed run of both");
    const deeds = killsOf(random(seed), wanted.story.length);
    const { outcome, done: acts } = await runScenario({ ...eight, deeds }, null, isReal);
    expect(differences(wanted, outcome), `it went: ${outcome.story.join(", ")}`).toEqual([]);
    const { real, kills } = done;
    done = { seeds: done.seeds + 1, real: real + Number(isReal), kills: kills + acts.length };
  };
  describe.concurrent("the end is the same", () => {
    test.each(Array.from({ length: seeds }, (_, i) => first + i))(
      "where the daemon is killed at random while eight sessions live, by seed %i (F2)",
      comesToTheSameEnd,
    );
  });
  return () => done;
}

/** One kill while all sessions live, then up to two more anywhere until the end. */
function killsOf(r: Random, events: number): readonly DeedOf[] {
  const live = killOnceLive(eight.tasks.length, r.int(400));
  const later = Array.from({ length: r.int(3) }, () => r.between(60, events - 1)).toSorted(
    (a, b) => a - b,
  );
  return [live, ...later.map(killAt)];
}
