/** A word into a round in flight: what is there is kept first, so that whatever the word leads to can be undone. */
import { afterEach, expect, test } from "vitest";
import { prompt } from "../../src/testing/model/behaviors.ts";
import { bash, commit, say, write } from "../../src/testing/model/steps.ts";
import { type World, hold, openWorld, statesOf } from "./harness.ts";

let world: World;
afterEach(() => world.close());

test("what a session had not committed when a person spoke is in a snapshot, and the word is heard after it", async () => {
  world = await openWorld();
  const steps = [write("half.txt", "half good\n"), bash(hold("a")), commit("All"), say("Done.")];
  const plan = world.plan([
    { id: "a", prompt: prompt("Work.", steps), permissions: { allow: ["Bash"] } },
  ]);
  const run = await world.start(plan);
  await world.held("a");
  await world.command({ type: "tell", run, task: "a", text: "mind the docs" });
  const events = await world.events(run, ({ type }) => type === "snapshot.taken");
  const taken = events.findLast((event) => event.type === "snapshot.taken");
  expect(taken).toMatchObject({ ref: expect.stringMatching(/\/1$/), left: 0 });
  expect(events.filter(({ type }) => type === "message.queued")).toHaveLength(2);
  const ref = taken?.type === "snapshot.taken" ? taken.ref : "";
  expect(await world.git("show", `${ref}:half.txt`)).toBe("half good");
  world.letGo("a");
  expect(statesOf(await world.settled(run))).toEqual({ a: "landed" });
  const all = await world.events(run, ({ type }) => type === "run.settled");
  const told = all.find((event) => event.type === "message.queued" && event.kind === "tell");
  const uuid = told?.type === "message.queued" ? told.uuid : "";
  const heard = all.find((event) => event.type === "message.taken" && event.uuid === uuid);
  expect(heard?.seq).toBeGreaterThan(taken?.seq ?? Number.POSITIVE_INFINITY);
});
