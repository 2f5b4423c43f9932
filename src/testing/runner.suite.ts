/**
 * Conformance of a runner: what both adapters must do on the real binary, and `claude-cli` on the stand-in. Each case has a place
 * of its own, and every session is held to one rule at its end: `exited` came once, as the last event.
 */
import { test as base, describe } from "vitest";
import {
  describeAdoption,
  describeEnds,
  describeLeftovers,
  describeShim,
} from "./runner/ends.suite.ts";
import { describeApiFailures, describeLimits } from "./runner/failures.suite.ts";
import { type Place, type RunnerSetup, makeRunner, openPlace } from "./runner/place.ts";
import { describeLogins, describeTexts } from "./runner/profile.suite.ts";
import { describeIsolated, describeProject } from "./runner/project.suite.ts";
import { describeQuestions, describeRounds } from "./runner/rounds.suite.ts";

/** A real session needs 1.5 s alone, several at once on two busy cores a multiple of that; the retries of an API wait 20 s. */
const timeoutMs = 120_000;

/** Holds the runner of `setup` to the contract. */
export function runnerSuite(name: string, setup: RunnerSetup): void {
  const test = base.extend<{ setup: RunnerSetup; place: Place }>({
    setup,
    place: async ({ setup: its }, use) => {
      const place = await openPlace(its);
      await use(place);
      await place.close();
    },
  });
  describe.concurrent(`${name} as a runner`, { timeout: timeoutMs }, () => {
    describeApiFailures(test);
    describeRounds(test);
    describeQuestions(test);
    describeLimits(test);
    describeEnds(test);
    if (makeRunner(setup).outlivesDaemon) {
      describeAdoption(test);
      describeShim(test);
    } else describeLeftovers(test);
    describeTexts(test);
    describeLogins(test);
    if (!setup.real) return;
    describeIsolated(test);
    describeProject(test);
  });
}
