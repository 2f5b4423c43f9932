/** The daemon killed with -9 at random times while eight sessions live: the same end as without, whatever the seed. */
import { afterAll, describe, expect, test } from "vitest";
import { type Random, random } from "../../src/testing/simulation/random.ts";
import { differences } from "./compare.ts";
import { runScenario } from "./crash.ts";
import { type DeedOf, killAt, killOnceLive } from "./deeds.ts";
import { eight } from "./eight.ts";
import type { Outcome } from "./outcome.ts";

const seeds = 50;
/** One seed in this many is on the real binary. */
const realEvery = 20;

/** `CHAOS_SEED=… npm run chaos -- kills` begins with a seed that failed. */
const first = Number(process.env["CHAOS_SEED"] ?? Math.floor(Math.random() * 2 ** 31));
console.log(`seeds ${first} to ${first + seeds - 1}`);
let kills = 0;
afterAll(() => console.log(`${kills} kills in ${seeds} seeds`));

const uncrashed: readonly Outcome[] = [
  (await runScenario(eight, null)).outcome,
  (await runScenario(eight, null, true)).outcome,
];

/** One kill while all sessions live, then up to two more anywhere until the end. */
function killsOf(r: Random, events: number): readonly DeedOf[] {
  const live = killOnceLive(eight.tasks.length, r.int(400));
  const later = Array.from({ length: r.int(3) }, () => r.between(60, events - 1)).toSorted(
    (a, b) => a - b,
  );
  return [live, ...later.map(killAt)];
}

async function comesToTheSameEnd(seed: number): Promise<void> {
  const real = seed % realEvery === 0;
  const wanted = uncrashed[real ? 1 : 0];
  if (wanted === undefined) throw new Error("there is an uncrashed run of both");
  const deeds = killsOf(random(seed), wanted.story.length);
  const { outcome, done } = await runScenario({ ...eight, deeds }, null, real);
  kills += done.length;
  expect(differences(wanted, outcome), `it went: ${outcome.story.join(", ")}`).toEqual([]);
}

describe.concurrent("the end is the same", () => {
  test.each(Array.from({ length: seeds }, (_, i) => first + i))(
    "where the daemon is killed at random while eight sessions live, by seed %i (F2)",
    comesToTheSameEnd,
  );
});
