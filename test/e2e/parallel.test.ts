/** How many rounds are in flight, seen from the ledger and from the sessions themselves, and that both runners do the same. */
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { afterEach, expect, test } from "vitest";
import type { Event } from "../../src/core/events.ts";
import { prompt } from "../../src/testing/model/behaviors.ts";
import { bash, commit, say, write } from "../../src/testing/model/steps.ts";
import { type PlanTask, type World, openWorld } from "./harness.ts";

let world: World;
afterEach(() => world.close());

/** A task that notes when its command begins and ends, and between them waits until `together` others have begun. */
function meets(id: string, log: string, together: number): PlanTask {
  const meet = [
    `echo begin >> ${log}`,
    `n=0; while [ $(grep -c begin ${log}) -lt ${together} ] && [ $n -lt 300 ]; do n=$((n + 1)); sleep 0.1; done`,
    "sleep 0.3",
    `echo end >> ${log}`,
  ].join("; ");
  const steps = [bash(meet), write(`${id}.txt`, "good\n"), commit(`Add ${id}`), say("Done.")];
  return { id, prompt: prompt(`Add ${id}.`, steps), permissions: { allow: ["Bash"] } };
}

/** The most rounds in flight at once, after what the ledger says. */
function mostInFlight(events: readonly Event[]): number {
  const inFlight = new Set<string>();
  let most = 0;
  for (const event of events) {
    if (event.type === "round.admitted") inFlight.add(event.att);
    if (event.type === "round.ended") inFlight.delete(event.att);
    most = Math.max(most, inFlight.size);
  }
  return most;
}

/** The most commands between their begin and their end. */
function mostAtOnce(log: string): number {
  let now = 0;
  let most = 0;
  for (const line of readFileSync(log, "utf8").trim().split("\n")) {
    now += line === "begin" ? 1 : -1;
    most = Math.max(most, now);
  }
  return most;
}

test("of eight independent tasks with parallel: 4 four rounds are in flight at once, and never more", async () => {
  world = await openWorld();
  const log = join(world.root, "plans", "log");
  const ids = ["a", "b", "c", "d", "e", "f", "g", "h"];
  const tasks = ids.map((id) => meets(id, log, 4));
  const id = await world.start(world.plan(tasks, { limits: { parallel: 4 } }));
  const { run } = await world.settled(id);
  expect(run.tasks.map(({ state }) => state)).toEqual(ids.map(() => "landed"));
  const events = await world.events(id, ({ type }) => type === "run.settled");
  expect(mostInFlight(events)).toBe(4);
  expect(mostAtOnce(log)).toBe(4);
});

test("both runners give the same summary of the same plan on the real binary", async () => {
  world = await openWorld({ real: true });
  const summaries = await Promise.all(
    ["claude-cli", "claude-sdk"].map(async (runner) => {
      const repo = await world.addRepo(runner);
      const log = join(world.root, "plans", runner);
      const tasks = ["a", "b", "c", "d"].map((id) => ({ ...meets(id, log, 2), runner }));
      const plan = world.plan(tasks, { name: "same", limits: { parallel: 2 } }, runner);
      const { code, stdout } = await world.muster(["run", "--json", plan], { cwd: repo });
      return { code, log: mostAtOnce(log), summary: anonymous(stdout, repo, runner) };
    }),
  );
  expect(summaries[0]?.code).toBe(0);
  expect(summaries[0]?.log).toBe(2);
  expect(summaries[0]).toEqual(summaries[1]);
});

/** The run object without what differs between any two runs. */
function anonymous(stdout: string, repo: string, runner: string): unknown {
  const hidden = new Set(["costUsd", "durationMs", "session"]);
  const text = stdout.replaceAll(repo, "REPO").replaceAll(runner, "RUNNER");
  return JSON.parse(
    text.replace(/run_[0-9a-z]+/g, "RUN").replace(/\b[0-9a-f]{40}\b/g, "SHA"),
    (key, value: unknown) => (hidden.has(key) ? typeof value : value),
  );
}
