/** The daemon killed with -9 again and again while eight tasks are under way: everything lands, once. */
import { expect, test } from "vitest";
import { failsGateThenRepairs, writeAndCommit } from "../../src/testing/model/behaviors.ts";
import { random as randomOf } from "../../src/testing/simulation/random.ts";
import { openWorld, taskOf } from "./harness.ts";

const names = ["a", "b", "c", "d", "e", "f", "g", "h"];
/** The respawning shell brings a daemon back five times within ten minutes; more is a person's affair. */
const kills = 5;

function taskNamed(id: string, i: number) {
  const file = `${id}.txt`;
  const prompt =
    i % 3 === 0
      ? failsGateThenRepairs({ [file]: "bad\n" }, { [file]: "good\n" })
      : writeAndCommit({ [file]: "good\n" }, `Add ${id}`);
  return {
    id,
    prompt,
    runner: i % 4 === 3 ? "claude-sdk" : "claude-cli",
    needs: i > 5 ? [names[i - 3]] : [],
  };
}

test("five kills at random points lose nothing and land nothing twice (F2)", async () => {
  const seed = Math.floor(Math.random() * 2 ** 31);
  console.log(`seed ${seed}`);
  const random = randomOf(seed);
  const world = await openWorld();
  try {
    const id = await world.start(world.plan(names.map(taskNamed), { limits: { parallel: 4 } }));
    let last = 0;
    for (let kill = 0; kill < kills; kill++) {
      // A point is an event: the daemon dies right after some event a few further on.
      const target = last + 4 + random.int(22);
      const seen = await world.events(
        id,
        ({ seq, type }) => seq >= target || type === "run.settled",
        last,
      );
      last = seen.at(-1)?.seq ?? last;
      if (seen.at(-1)?.type === "run.settled") break;
      await world.killDaemon();
    }
    const detail = await world.settled(id, 120_000);
    const ends = names.map((name) => [
      name,
      taskOf(detail, name).state,
      taskOf(detail, name).attempts,
    ]);
    expect(ends).toEqual(names.map((name) => [name, "landed", 1]));
    const subjects = (await world.git("log", "--first-parent", "--format=%s", "main")).split("\n");
    const landings = subjects
      .filter((line) => line.startsWith("Land "))
      .map((line) => line.slice(5, 6));
    expect(landings.toSorted()).toEqual(names);
    expect((await world.git("worktree", "list")).split("\n")).toHaveLength(1);
    await world.git("fsck");
  } finally {
    await world.close();
  }
});
