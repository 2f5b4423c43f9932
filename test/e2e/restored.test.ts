/** A worktree that was restored is the person's, although it lies below muster's home. */
import { existsSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { writeAndCommit } from "../../src/testing/model/behaviors.ts";
import { type World, openWorld, statesOf } from "./harness.ts";

let world: World;
beforeAll(async () => {
  world = await openWorld();
});
afterAll(() => world.close());

const lands = (id: string) => ({
  id,
  prompt: writeAndCommit({ [`${id}.txt`]: "good\n" }, `Add ${id}`),
});

test("a landing takes a restored worktree along where the person has switched it to the target", async () => {
  const first = await world.start(world.plan([lands("a")]));
  await world.settled(first);
  const { stdout } = await world.muster(["restore", `${first}/a`, "--json"]);
  const { restore } = JSON.parse(stdout);
  const { worktree } = restore as { worktree: string };
  expect(worktree.startsWith(world.state)).toBe(true);
  await world.git("checkout", "-q", "-b", "elsewhere");
  await world.gitIn(worktree, "switch", "-q", "main");
  const second = await world.start("--target", "main", world.plan([lands("b")]));
  expect(statesOf(await world.settled(second))).toEqual({ b: "landed" });
  expect(existsSync(join(worktree, "b.txt"))).toBe(true);
  expect(await world.gitIn(worktree, "status", "--porcelain")).toBe("");
});
