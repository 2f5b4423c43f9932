/** `clean` comes back to what a kill left of one, and leaves alone what somebody else did. */
import { rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import { cleanPlan, everything, performClean } from "../../../src/daemon/keeping/clean.ts";
import { snapshot } from "../../../src/git/snapshot.ts";
import { openHome } from "./house.ts";

test("a worktree whose folder went before a kill loses its registration and its branch; one that somebody deleted does not (F1)", async () => {
  const house = await openHome();
  const { world, parts } = house;
  const cutOff = await house.worktree("att_a_1", "run_a");
  const deleted = await house.worktree("att_a_2", "run_a");
  await house.attempts("run_a", ["kept", "kept"]);
  const ref = "refs/muster/attempts/att_a_1/1";
  await snapshot(world.repo, cutOff, { ref, message: "last" });
  // Of somebody who worked there since, and moved the folder away.
  writeFileSync(join(cutOff.worktree, "staged.txt"), "only the index has it\n");
  await world.git(["add", "staged.txt"], { cwd: cutOff.worktree });
  // As a kill before the registration moves, and the start after it, leave it.
  for (const { worktree } of [cutOff, deleted]) rmSync(worktree, { recursive: true });
  const branch = "muster/run_a/att-a-1";
  const { items } = await cleanPlan(parts, everything);
  expect(items).toMatchObject([{ worktree: cutOff.worktree, ref, branch, blocked: null }]);
  const worktrees = [cutOff.worktree, deleted.worktree];
  const { cleaned } = await performClean(parts, { ...everything, worktrees, attempts: [] });
  expect(cleaned).toMatchObject([{ worktree: cutOff.worktree, removed: true, ref, branch }]);
  const listed = await world.git(["worktree", "list", "--porcelain"]);
  expect(worktrees.map((path) => listed.includes(path))).toEqual([false, true]);
  const branches = await world.git(["for-each-ref", "--format=%(refname:short)", "refs/heads"]);
  expect(branches.split("\n")).toEqual(["main", "muster/run_a/att-a-2"]);
  expect(await world.git(["show", "refs/muster/rescue/gone-att_a_1:staged.txt"])).toBe(
    "only the index has it",
  );
  expect((await cleanPlan(parts, everything)).items).toEqual([]);
});
