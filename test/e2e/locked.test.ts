/** A worktree that a person locked is left alone, whatever becomes of its task; a lock that a dead git left keeps nothing from landing. */
import { existsSync, mkdirSync, readdirSync, utimesSync, writeFileSync } from "node:fs";
import { basename, dirname, join } from "node:path";
import { afterEach, expect, test } from "vitest";
import { prompt } from "../../src/testing/model/behaviors.ts";
import { bash, commit, say, write } from "../../src/testing/model/steps.ts";
import { type World, hold, openWorld, statesOf, taskOf } from "./harness.ts";

let world: World;
afterEach(() => world.close());

function held(id: string) {
  const steps = [bash(hold(id)), write(`${id}.txt`, "good\n"), commit(`Add ${id}`), say("Done.")];
  return { id, prompt: prompt(`Add ${id}.`, steps), permissions: { allow: ["Bash"] } };
}

test("a worktree that a person locks stays where it is when its task lands or is canceled", async () => {
  world = await openWorld();
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

test("a task lands though a dead git left locks beside its snapshots' refs and the target (F13)", async () => {
  world = await openWorld();
  const run = await world.start(world.plan([held("a")]));
  await world.held("a");
  const detail = await world.until(run, () => true);
  const att = basename(taskOf(detail, "a").worktree ?? "");
  const locks = [`refs/muster/attempts/${att}/1.lock`, "refs/heads/main.lock"].map((name) =>
    join(world.repo, ".git", name),
  );
  for (const lock of locks) {
    mkdirSync(dirname(lock), { recursive: true });
    writeFileSync(lock, "");
    utimesSync(lock, 1, 1);
  }
  world.letGo("a");
  expect(statesOf(await world.settled(run))).toEqual({ a: "landed" });
  expect(locks.filter((lock) => existsSync(lock))).toEqual([]);
  const parks = await world.events(run, ({ type }) => type === "run.settled");
  expect(parks.filter(({ type }) => type === "attempt.parked")).toEqual([]);
});
