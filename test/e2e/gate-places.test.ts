/** What a gate leaves where it ran: the next gate there runs as if it had not. */
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { writeAndCommit } from "../../src/testing/model/behaviors.ts";
import { type World, openWorld, statesOf } from "./harness.ts";

let world: World;
beforeAll(async () => {
  world = await openWorld();
});
afterAll(() => world.close());

test.each([
  ["folder", "rm -f .git && mkdir .git && touch .git/x"],
  ["pipe", "rm -f .git && mkfifo .git"],
  ["link", 'rm -f .git && ln -s "$HOME/../precious" .git'],
  ["lock", 'touch "$(git rev-parse --absolute-git-dir)/index.lock"'],
])(
  "a gate that leaves a %s in place of what git needs costs nobody anything",
  async (id, spoil) => {
    const precious = join(world.root, "precious");
    writeFileSync(precious, "mine\n");
    const task = (n: number) => ({
      id: `${id}-${n}`,
      gate: [spoil],
      prompt: writeAndCommit({ [`${id}-${n}.txt`]: "good\n" }, `Add ${id} ${n}`),
    });
    const run = await world.start(world.plan([task(1), task(2)], { limits: { parallel: 1 } }));
    const landed = { [`${id}-1`]: "landed", [`${id}-2`]: "landed" };
    expect(statesOf(await world.settled(run))).toEqual(landed);
    expect(readFileSync(precious, "utf8")).toBe("mine\n");
  },
);
