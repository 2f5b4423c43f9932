/** A worktree that a person locked is left alone, whatever becomes of its task, and goes once it is unlocked. */
import { existsSync, readdirSync } from "node:fs";
import { join } from "node:path";
import { afterEach, expect, test } from "vitest";
import { prompt } from "../../src/testing/model/behaviors.ts";
import { bash, commit, say, write } from "../../src/testing/model/steps.ts";
import { type World, hold, openWorld, statesOf, taskOf } from "./harness.ts";

let world: World;
afterEach(() => world.close());

test("a worktree that a person locks stays where it is when its task lands or is canceled", async () => {
  world = await openWorld();
  const held = (id: string) => ({
    id,
    prompt: prompt(`Add ${id}.`, [
      bash(hold(id)),
      write(`${id}.txt`, "good\n"),
      commit(`Add ${id}`),
      say("Done."),
    ]),
    permissions: { allow: ["Bash"] },
  });
  const run = await world.start(world.plan(["lands", "canceled", "free"].map(held)));
  for (const id of ["lands", "canceled", "free"]) await world.held(id);
  const detail = await world.until(run, () => true);
  const place = (id: string): string => taskOf(detail, id).worktree ?? "";
  for (const id of ["lands", "canceled"]) {
    await world.git("worktree", "unlock", place(id));
    await world.git("worktree", "lock", "--reason", "mine", place(id));
  }
  await world.muster(["stop", `${run}/canceled`]);
  for (const id of ["lands", "free"]) world.letGo(id);
  const settled = await world.settled(run);
  expect(statesOf(settled)).toEqual({ lands: "landed", canceled: "canceled", free: "landed" });
  expect(["lands", "canceled", "free"].map((id) => existsSync(place(id)))).toEqual([
    true,
    true,
    false,
  ]);
  const events = await world.events(run, ({ type }) => type === "run.settled");
  const kept = events.filter((event) => event.type === "attempt.kept");
  const said = (id: string): string =>
    `it is locked (mine); to unlock it, run git -C ${world.repo} worktree unlock ${place(id)}`;
  expect(Object.fromEntries(kept.map(({ task, why }) => [task, why]))).toEqual({
    canceled: said("canceled"),
    lands: said("lands"),
  });
  expect((await world.muster(["clean"])).stdout).toContain("it is locked (mine)");
  for (const id of ["lands", "canceled"]) await world.git("worktree", "unlock", place(id));
  expect((await world.muster(["clean"])).code).toBe(0);
  expect(["lands", "canceled"].filter((id) => existsSync(place(id)))).toEqual([]);
  expect(readdirSync(join(world.state, "trash"))).toEqual([]);
});
