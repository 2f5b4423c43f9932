/**
 * Conformance of a runner: what both adapters must do on the real binary, and `claude-cli` on the stand-in. Each case has a place
 * of its own, and every session is held to one rule at its end: `exited` came once, as the last event.
 */
import { test as base, describe } from "vitest";
import type { Case } from "./runner/case.ts";
import { describeAdoption, describeEnds, describeLeftovers } from "./runner/ends.ts";
import { describeApiFailures, describeLimits } from "./runner/failures.ts";
import { type Place, type RunnerSetup, makeRunner, openPlace } from "./runner/place.ts";
import { describeLogins, describeProfile, describeTexts } from "./runner/profile.ts";
import { describeRounds } from "./runner/rounds.ts";

/** A session needs 1.5 s alone; several at once on two busy cores a multiple of that. */
const timeoutMs = 90_000;

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
    describeApiFailures(test);
    describeRounds(test);
    describeLimits(test);
    describeEnds(test);
    if (makeRunner(setup).outlivesDaemon) describeAdoption(test);
    else describeLeftovers(test);
    describeTexts(test);
    describeLogins(test);
    if (setup.real) describeProfile(test);
  });
}
