/**
 * Conformance of a runner: what both adapters must do on the real binary, and `claude-cli` on the stand-in. Each case has a place
 * of its own, and every session is held to one rule at its end: `exited` came once, as the last event.
 */
import { test as base, describe, type TestAPI } from "vitest";
import { describeRounds } from "./runner/rounds.ts";
import { type Place, type RunnerSetup, openPlace } from "./runner/place.ts";

export type Case = TestAPI<{ place: Place }>;

/** A session needs 1.5 s alone; several at once on two busy cores a multiple of that. */
const timeoutMs = 60_000;

/** Holds the runner of `setup` to the contract. */
export function runnerSuite(name: string, setup: RunnerSetup): void {
  const test: Case = base.extend<{ place: Place }>({
    // oxlint-disable-next-line no-empty-pattern
    place: async ({}, use) => {
      const place = await openPlace(setup);
      await use(place);
      await place.close();
    },
  });
  describe.concurrent(`${name} as a runner`, { timeout: timeoutMs }, () => {
    describeRounds(test);
  });
}
