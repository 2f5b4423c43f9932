/** One run of a scenario, with an order for its daemons, to its end. */
import { readFileSync } from "node:fs";
import { join } from "node:path";
import type { World } from "../e2e/harness.ts";
import { type Order, countDeaths, readPassed } from "./hook.ts";
import { type Outcome, readOutcome } from "./outcome.ts";
import { accompany } from "./person.ts";
import type { Scenario } from "./scenarios.ts";
import { openChaos, runRequest } from "./world.ts";

export interface Ran {
  readonly outcome: Outcome;
  /** Points that were passed, where they were to be noted. */
  readonly passed: readonly string[];
  /** Daemons that died as ordered. */
  readonly deaths: number;
  /** Names of the deeds that were done. */
  readonly done: readonly string[];
}

/** A scenario takes 3 s on a machine that does nothing else; this is for one that does much. */
const runMs = 120_000;

/** Runs a scenario on the stand-in, or on the real binary. Throws where it does not settle, with the end of the daemon's log. */
export async function runScenario(scenario: Scenario, order: Order, real = false): Promise<Ran> {
  const world = await openChaos(order, { files: scenario.files, real });
  try {
    const request = runRequest(world, scenario.tasks);
    const deedsOf = (run: string) => scenario.deeds.map((deed) => deed(world, run));
    const course = await accompany(world.api, request, deedsOf, runMs);
    const outcome = await readOutcome(world, course);
    return {
      outcome,
      passed: readPassed(world.state),
      deaths: countDeaths(world.state),
      done: course.acknowledged,
    };
  } catch (error) {
    throw new Error(`${String(error)}\n${logEnd(world)}`, { cause: error });
  } finally {
    await world.close();
  }
}

/** The last warnings and errors of a world's daemons. */
function logEnd({ state }: World): string {
  const lines = readFileSync(join(state, "log", "muster.ndjson"), "utf8").split("\n");
  const said = lines.filter((line) => /"level":"(?:warn|error)"/.test(line));
  return [...said.slice(-20), readFileSync(join(state, "daemon.err"), "utf8").slice(-2_000)].join(
    "\n",
  );
}
