/** Removals that are looked at, repeated or met by another while they go on. */
import { existsSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import type { Attempt } from "../../../src/core/attempt.ts";
import type { AttemptId, RunId } from "../../../src/core/ids.ts";
import { cleanPlan, everything, performClean } from "../../../src/daemon/keeping/clean.ts";
import { readNotes, writeNote } from "../../../src/daemon/keeping/restored.ts";
import { snapshot } from "../../../src/git/snapshot.ts";
import type { Place } from "../../../src/git/registration.ts";
import { type Leaving, performRemoval, planRemoval } from "../../../src/host/removal.ts";
import { taskSpec } from "../../../src/testing/core.ts";
import { type House, openHome } from "./house.ts";

const run: RunId = "run_a";
const att: AttemptId = "att_a_1";

/** The attempt that `att` is by now, which retires by itself. */
async function leavingOf({ world, parts }: House, place: Place): Promise<Leaving> {
  const base = await world.git(["rev-parse", "HEAD"]);
  const branch = `muster/${run}/${att.replaceAll("_", "-")}`;
  const { gitDir, worktree: path } = place;
  const worktree = { path, gitDir, branch, base, baseTree: base, config: base, basis: {} };
  const { attempts } = parts.state();
  const attempt: Attempt | undefined = attempts.get(att);
  if (attempt === undefined) throw new Error(`${att} is not open`);
  return {
    attempt: { ...attempt, worktree, snapshots: 1 },
    spec: taskSpec("api", { project: world.repo.common, root: world.root }),
    worktree: path,
    why: "landed",
    restored: null,
    asked: false,
  };
}

test("what somebody changed after the session's work stays, also when its retiring is tried again after a crash (F31)", async () => {
  const house = await openHome();
  await house.attempts(run, ["open"]);
  const { host } = house.parts;
  const place = await house.worktree(att, run);
  await snapshot(house.world.repo, place, {
    ref: `refs/muster/attempts/${att}/1`,
    message: "what the session left",
  });
  writeFileSync(join(place.worktree, "mine.txt"), "a person's\n");
  const leaving = await leavingOf(house, place);
  const retire = async () => performRemoval(host, leaving, await planRemoval(host, leaving));
  const why = expect.stringContaining("somebody changed it after its session was over");
  expect(await retire()).toEqual({ why });
  expect(await retire()).toEqual({ why });
  expect(existsSync(join(place.worktree, "mine.txt"))).toBe(true);
  const asked = { ...leaving, asked: true };
  expect(await performRemoval(host, asked, await planRemoval(host, asked))).toMatchObject({
    ref: `refs/muster/attempts/${att}/2`,
  });
});

test("a person who asks again after a teardown has it run again, not its old result told", async () => {
  const house = await openHome();
  const { root, git } = house.world;
  const ran = join(house.home, "ran");
  const teardown = `echo $HOME >> ${ran}; test -s big && rm big || truncate -s 60M big`;
  writeFileSync(join(root, "muster.yaml"), `gate: none\nteardown: ${JSON.stringify(teardown)}\n`);
  await git(["add", "muster.yaml"]);
  await git(["commit", "-qm", "Tear down"]);
  await house.attempts(run, ["open"]);
  const { host } = house.parts;
  const place = await house.worktree(att, run);
  const leaving = { ...(await leavingOf(house, place)), asked: true };
  const take = async () => performRemoval(host, leaving, await planRemoval(host, leaving));
  expect(await take()).toEqual({ why: expect.stringContaining("big can't be kept") });
  expect(await take()).toMatchObject({ ref: `refs/muster/attempts/${att}/2` });
  expect(readFileSync(ran, "utf8").split("\n")).toHaveLength(3);
});

test("of two removals at once one goes on, and the other one says so", async () => {
  const house = await openHome();
  await house.attempts(run, ["open"]);
  const { host } = house.parts;
  const leaving = { ...(await leavingOf(house, await house.worktree(att, run))), asked: true };
  const plan = await planRemoval(host, leaving);
  const both = [performRemoval(host, leaving, plan), performRemoval(host, leaving, plan)];
  const meanwhile = await planRemoval(host, leaving);
  expect(meanwhile.blocked).toBe("it is being taken away");
  expect(await Promise.all(both)).toEqual([
    { ref: plan.ref, branch: plan.branch },
    { why: "it is being taken away" },
  ]);
});

test("a restored worktree that comes back from the trash is still the person's, whoever looked meanwhile", async () => {
  const house = await openHome();
  const [attempt = att] = await house.attempts(run, ["retired"]);
  const place = await house.worktree(attempt, run);
  const { worktree } = place;
  await house.world.git(["worktree", "unlock", worktree]);
  const ref = `refs/muster/attempts/${attempt}/1`;
  const about = { id: "abcdef", run, task: "api", attempt, worktree, ref, branch: null };
  await writeNote(house.home, { ...about, at: 1, done: true });
  let looks = 0;
  // As soon as the folder is out of its place, somebody looks, and somebody locks it.
  const watcher = setInterval(() => {
    if (looks > 0 || existsSync(worktree)) return;
    looks = readNotes(house.home).length;
    writeFileSync(join(place.gitDir, "locked"), "a person\n");
  }, 0);
  const request = { ...everything, worktrees: [worktree], attempts: [] };
  const { cleaned } = await performClean(house.parts, request);
  clearInterval(watcher);
  expect(looks).toBe(1);
  expect(cleaned).toMatchObject([
    { removed: false, why: expect.stringContaining("it is locked (a person)") },
  ]);
  expect((await cleanPlan(house.parts, everything)).items).toMatchObject([
    { worktree, restored: true, why: `restored from ${ref}` },
  ]);
});
