/** What a ledger that lost its end is told by folders and refs. */
import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import type { RunId } from "../../../src/core/ids.ts";
import { proveRun } from "../../../src/daemon/damage/prove.ts";
import { openHome } from "./house.ts";

const run: RunId = "run_lost";
const other = "0f0e0d0c-0000-4000-a000-000000000000";

test.each([
  ["is the one that the ledger does not know yet, where the start was launched with it", 2, other],
  ["stays the one that the ledger knows, where a later start was to have another", 3, null],
])("the session of a start that is only known by its folder %s", async (_, n, wanted) => {
  const house = await openHome();
  const { host, state } = house.parts;
  const [att] = await house.attempts(run, ["started"]);
  if (att === undefined) throw new Error("no attempt was made");
  const worktree = (await house.worktree(att, run)).worktree;
  const dir = join(house.home, "attempts", att);
  mkdirSync(dir);
  writeFileSync(join(dir, "launch.json"), JSON.stringify({ att, n, session: other }));
  const known = state().attempts.get(att)?.session;
  const { bodies } = await proveRun(host, state(), run, [{ att, run, n: 1, worktree, starts: 2 }]);
  const planned = bodies.filter((body) => body.type === "session.planned");
  expect(planned).toMatchObject([{ n: 2, resume: wanted === null }]);
  expect(planned[0]?.session ?? null).toBe(wanted);
  expect(known).not.toBe(other);
});
