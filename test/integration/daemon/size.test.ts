/** A limit on what muster keeps: the oldest of settled runs go until the rest is within it, and nothing else does. */
import { existsSync, mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import type { CleanQuery } from "../../../src/api/schema.ts";
import type { RunId } from "../../../src/core/ids.ts";
import { cleanPlan, everything, performClean } from "../../../src/daemon/keeping/clean.ts";
import { overSize } from "../../../src/daemon/keeping/size.ts";
import { type House, dayMs, openHome } from "./house.ts";

const mb = 1024 ** 2;
const over = (megabytes: number): CleanQuery => ({
  ...everything,
  largerThanBytes: megabytes * mb,
});

/** An attempt's folder of so many megabytes, half of it in the log of its gate, and a snapshot where it is `held`. */
async function fill(house: House, att: string, megabytes: number, held = true): Promise<void> {
  for (const folder of [join("attempts", att), join("gates", `gate-${att}-1`)]) {
    mkdirSync(join(house.home, folder));
    writeFileSync(join(house.home, folder, "file"), Buffer.alloc((megabytes * mb) / 2, "x"));
  }
  if (held) await house.world.git(["update-ref", `refs/muster/attempts/${att}/1`, "HEAD"]);
}

const isThere = (house: House, att: string): boolean =>
  existsSync(join(house.home, "attempts", att)) ||
  existsSync(join(house.home, "gates", `gate-${att}-1`));

/** Settled runs `a`, `b` and `c`, in that order, of 2 MB each, and an open one of 8 MB. */
async function openFull(): Promise<House> {
  const house = await openHome();
  for (const run of ["run_a", "run_b", "run_c"] as RunId[]) {
    const [att = ""] = await house.attempts(run, ["retired"]);
    await fill(house, att, 2);
  }
  const [open = ""] = await house.attempts("run_open", ["open"]);
  await fill(house, open, 8);
  return house;
}

test("the oldest settled go until the rest is within the limit, and their snapshots stay", async () => {
  const house = await openFull();
  const { items, old } = await cleanPlan(house.parts, over(11));
  expect(items).toEqual([]);
  expect(old.map(({ attempt, why, blocked }) => [attempt, why, blocked])).toEqual([
    ["att_a_1", "size", null],
    ["att_b_1", "size", null],
  ]);
  expect(old.flatMap(({ refs }) => refs)).toEqual([]);
  expect(old.every(({ bytes }) => bytes !== null && bytes >= 2 * mb)).toBe(true);
  const attempts = old.map(({ attempt }) => attempt);
  const { forgotten } = await performClean(house.parts, {
    ...over(11),
    worktrees: [],
    attempts,
  });
  expect(forgotten.map(({ removed, refs }) => [removed, refs])).toEqual([
    [true, []],
    [true, []],
  ]);
  const left = ["att_a_1", "att_b_1", "att_c_1", "att_open_1"].filter((att) => isThere(house, att));
  expect(left).toEqual(["att_c_1", "att_open_1"]);
  const refs = await house.world.git(["for-each-ref", "--format=%(refname)", "refs/muster"]);
  expect(refs.split("\n")).toContain("refs/muster/attempts/att_a_1/1");
  expect((await cleanPlan(house.parts, over(11))).old).toEqual([]);
});

test("nothing goes within the limit, and what is open does not go beyond it either", async () => {
  const house = await openFull();
  const before = house.listing();
  expect((await cleanPlan(house.parts, over(15))).old).toEqual([]);
  const { old } = await cleanPlan(house.parts, over(0));
  const attempts = old.map(({ attempt }) => attempt);
  expect(attempts).toEqual(["att_a_1", "att_b_1", "att_c_1"]);
  expect(house.listing()).toEqual(before);
  await performClean(house.parts, {
    ...over(0),
    worktrees: [],
    attempts: [...attempts, "att_open_1"],
  });
  expect(isThere(house, "att_open_1")).toBe(true);
});

test("what no ref holds stays, and so does what has its worktree; the next oldest go instead", async () => {
  const house = await openHome();
  const [lost = ""] = await house.attempts("run_a", ["retired"]);
  await fill(house, lost, 2, false);
  const [kept = ""] = await house.attempts("run_b", ["kept"]);
  await fill(house, kept, 2);
  const { worktree } = await house.worktree(kept, "run_b");
  const [third = ""] = await house.attempts("run_c", ["retired"]);
  await fill(house, third, 2);
  const { items, old } = await cleanPlan(house.parts, over(5));
  expect(items).toEqual([]);
  expect(old.map(({ attempt, blocked }) => [attempt, blocked])).toEqual([
    [lost, "no ref holds anything of its work"],
    [kept, expect.stringContaining(`its worktree ${worktree} is there`)],
    [third, null],
  ]);
  const attempts = old.map(({ attempt }) => attempt);
  const { forgotten } = await performClean(house.parts, { ...over(5), worktrees: [], attempts });
  expect(forgotten.map(({ removed }) => removed)).toEqual([false, false, true]);
  expect([lost, kept, third].map((att) => isThere(house, att))).toEqual([true, true, false]);
});

test("with an age as well, what is too old goes first, and counts as gone", async () => {
  const house = await openFull();
  house.aheadMs = 40 * dayMs;
  const both = { ...over(11), olderThanMs: 30 * dayMs };
  const aged = await cleanPlan(house.parts, both);
  expect(aged.old.map(({ attempt, why, refs }) => [attempt, why, refs.length])).toEqual([
    ["att_a_1", "age", 1],
    ["att_b_1", "age", 1],
    ["att_c_1", "age", 1],
  ]);
  // What goes for its age is not counted twice: of 14 MB, 2 are gone.
  const folders = ["attempts/att_a_1", "gates/gate-att_a_1-1"].map((name) =>
    join(house.home, name),
  );
  const rest = ["att_b_1", "att_c_1"].map((att) => ({
    item: { folders: [join(house.home, "attempts", att)], blocked: null },
  }));
  expect(await overSize(house.home, 12.5 * mb, folders, rest)).toEqual([]);
  expect(await overSize(house.home, 11.5 * mb, folders, rest)).toEqual(rest.slice(0, 1));
  house.aheadMs = 0;
  const young = await cleanPlan(house.parts, { ...both, largerThanBytes: 13 * mb });
  expect(young.old.map(({ attempt, why }) => [attempt, why])).toEqual([["att_a_1", "size"]]);
});
