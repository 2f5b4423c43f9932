/** Taking a worktree away: what speaks against it by the time it lies in the trash brings it back. */
import { readdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import type { RunId } from "../../../src/core/ids.ts";
import { worktreeReason } from "../../../src/host/context.ts";
import { whyItStays } from "../../../src/host/stays.ts";
import { takeAway } from "../../../src/host/take-away.ts";
import { openHome } from "./house.ts";

const request = { ref: "refs/muster/attempts/att_a_1/1", message: "last" };

test("one that a person locked after the first look goes back, and goes away with muster's own lock", async () => {
  const house = await openHome();
  const { world, parts } = house;
  const run: RunId = "run_a";
  const place = await house.worktree("att_a_1", run);
  const ours = worktreeReason(run, "api");
  writeFileSync(join(place.worktree, "new.txt"), "new\n");
  await world.git(["worktree", "unlock", place.worktree]);
  await world.git(["worktree", "lock", "--reason", "mine, by hand", place.worktree]);
  const taken = await takeAway(parts.host, world.repo, place, request, ours);
  const why = `it is locked (mine, by hand); to unlock it, run git -C ${world.root} worktree unlock ${place.worktree}`;
  expect(taken).toEqual({ why });
  const asked = { path: place.worktree, ours };
  expect(await whyItStays(world.repo, asked)).toBe(why);
  expect(readdirSync(join(house.home, "trash"))).toEqual([]);
  expect(await world.git(["status", "--porcelain"], { cwd: place.worktree })).toBe("?? new.txt");
  await world.git(["worktree", "unlock", place.worktree]);
  expect(await whyItStays(world.repo, asked)).toBeNull();
  await world.git(["worktree", "lock", "--reason", ours, place.worktree]);
  expect(await whyItStays(world.repo, { ...asked, ours: null })).toContain("it is locked (muster");
  expect(await takeAway(parts.host, world.repo, place, request, ours)).toEqual({
    ref: request.ref,
  });
  expect(await whyItStays(world.repo, asked)).toBe(
    "git does not know it any more; look at it by hand",
  );
});
