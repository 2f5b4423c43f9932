/**
 * Crash points: the daemon dies by SIGKILL at every point that an uncrashed run passes, and the run comes to the same end: task
 * states, landed trees, gate evidence, one landing per task, nothing left behind.
 */
import { describe, expect, test } from "vitest";
import type { EffectName } from "../../src/core/effects.ts";
import { differences } from "./compare.ts";
import { runScenario } from "./crash.ts";
import type { Outcome } from "./outcome.ts";
import { type Crash, crashesOf, pointsIn } from "./plan.ts";
import { type Scenario, scenarios } from "./scenarios.ts";

/** How many points there are; a change that makes them fewer has to say so here. */
const floor = 121;

/** Complete by its type: a new kind of effect has to be in a scenario. */
const effects: Readonly<Record<EffectName, true>> = {
  provision: true,
  session: true,
  send: true,
  answer: true,
  end_session: true,
  snapshot: true,
  inspect: true,
  commit: true,
  gate: true,
  merge: true,
  land: true,
  retire: true,
};

/** Uncrashed runs, by scenario and by what the sessions are. */
const uncrashed = new Map<string, Promise<Outcome>>();

function expected(scenario: Scenario, real: boolean): Promise<Outcome> {
  const key = `${scenario.name} ${real}`;
  const known = uncrashed.get(key);
  if (known !== undefined) return known;
  const running = runScenario(scenario, null, real).then(({ outcome }) => outcome);
  uncrashed.set(key, running);
  return running;
}

const recordings = [];
for (const scenario of scenarios) {
  const { outcome, passed } = await runScenario(scenario, null);
  uncrashed.set(`${scenario.name} false`, Promise.resolve(outcome));
  recordings.push({ scenario, passed });
}
const points = pointsIn(recordings);
const crashes = crashesOf(recordings);
const visited = new Set<string>();

async function comesToTheSameEnd({ scenario, death, real }: Crash): Promise<void> {
  const wanted = await expected(scenario, real);
  expect(wanted.faults).toEqual([]);
  const { outcome, deaths } = await runScenario(scenario, death, real);
  if (deaths > 0) visited.add(death.point);
  expect(differences(wanted, outcome), `it went: ${outcome.story.join(", ")}`).toEqual([]);
}

describe.concurrent("the end is the same", () => {
  for (const crash of crashes)
    test(`where the daemon dies at ${crash.title} (F1)`, () => comesToTheSameEnd(crash));
});

test("every point is visited, before and after every kind of effect, and there are no fewer than there were (F1)", () => {
  const real = crashes.filter((crash) => crash.real).length;
  console.log(
    `${visited.size} of ${points.length} crash points visited (floor ${floor}) in ${crashes.length} crashes, ${real} of them on the real binary`,
  );
  for (const name of Object.keys(effects))
    for (const when of ["before_effect", "after_effect"])
      expect(points.filter((point) => point.startsWith(`${when} ${name}`))).not.toEqual([]);
  expect(points.filter((point) => !visited.has(point))).toEqual([]);
  expect(visited.size).toBeGreaterThanOrEqual(floor);
});
