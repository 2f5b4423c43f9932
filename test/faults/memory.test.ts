/** Memory runs out: the kernel kills a session, a gate or the daemon in a control group of a few megabytes. */
import { existsSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import type { TestContext } from "vitest";
import { expect, test } from "vitest";
import { readStat } from "../../src/process/identity.ts";
import { rather } from "../../src/process/memory.ts";
import { prompt } from "../../src/testing/model/behaviors.ts";
import { bash, commit, say, write } from "../../src/testing/model/steps.ts";
import { type PlanTask, type World, hold, statesOf, taskOf } from "../e2e/harness.ts";
import { patiently } from "../e2e/patiently.ts";
import { type MemoryGroup, memoryGroup } from "./group.ts";
import { opened } from "./world.ts";

/** Takes all that there is. */
const hog = "head -c 1G /dev/zero | tail >/dev/null";
/** More than the daemon has: whoever takes it is the largest. */
const leftBytes = 256 * 1024 * 1024;

/** Waits for `letGo(name)`, and takes all memory the first time. */
const hogOnce = (name: string): string =>
  `${hold(name)}; [ -e "$HOME/../flags/${name}.did" ] || { touch "$HOME/../flags/${name}.did"; ${hog}; }`;

const task = (id: string, command: string): PlanTask => {
  const steps = [bash(command), write(`${id}.txt`, "good\n"), commit(`Add ${id}`), say("Done.")];
  return { id, prompt: prompt("Add it.", steps), permissions: { allow: ["Bash"] } };
};

/** A world whose daemon, and all that it starts, is in the group. */
async function openedIn(
  context: TestContext,
  files: Readonly<Record<string, string>> = {},
): Promise<{ world: World; group: MemoryGroup }> {
  const group = memoryGroup(context);
  const world = await opened(context, { files });
  await world.muster(["ls"]);
  group.add((await world.api.version()).pid);
  // What it counted before it has looked there is no news to it.
  const isKnown = (): boolean => readMemoryFile(world).includes("/muster-test-");
  await patiently(isKnown, 20_000, "a look at the group");
  return { world, group };
}

/** Empty where there is none yet. */
function readMemoryFile({ state }: World): string {
  const path = join(state, "memory.json");
  return existsSync(path) ? readFileSync(path, "utf8") : "";
}

async function pidOf(world: World, run: string, id: string): Promise<number> {
  const { sessions } = await world.api.host();
  return sessions.find((session) => session.task === `${run}/${id}`)?.pid ?? 0;
}

function scoreOf(pid: number): number {
  return Number(readFileSync(`/proc/${pid}/oom_score_adj`, "utf8"));
}

test("a session that the kernel kills for want of memory says so and waits, less runs at once, and it lands (F28)", async (context) => {
  const { world, group } = await openedIn(context);
  const tasks = [task("a", hogOnce("a")), task("b", hold("b")), task("c", "true")];
  const run = await world.start(world.plan(tasks, { limits: { parallel: 2 } }));
  await Promise.all([world.held("a"), world.held("b")]);
  // The tool would be the larger one.
  writeFileSync(`/proc/${await pidOf(world, run, "a")}/oom_score_adj`, "1000");
  group.leave(leftBytes);
  world.letGo("a");
  const parked = await world.until(run, (now) => taskOf(now, "a").state === "parked");
  group.free();
  expect(taskOf(parked, "a").reason).toBe("memory");
  expect(group.kills()).toBeGreaterThan(0);
  expect((await world.api.host()).heldBack).toMatchObject({ parallel: 1, of: 16 });
  const said =
    "at most 1 of 16 at once: the kernel killed for want of memory less than a minute ago";
  expect((await world.muster(["host", "status"])).stdout).toContain(said);
  expect((await world.muster(["ls"])).stdout).toContain(said);
  expect((await world.muster(["show", run])).stdout).toContain(
    "a waits because the kernel killed for want of memory",
  );
  const [exit] = (await world.events(run, ({ type }) => type === "session.exited")).slice(-1);
  expect(exit).toMatchObject({
    why: expect.stringMatching(
      /^exited 137, while the kernel killed for want of memory, in the middle of Bash: /,
    ),
  });
  // There is room in the run, and none on the host.
  expect(taskOf(await world.until(run, () => true), "c").state).toBe("ready");
  world.letGo("b");
  expect(statesOf(await world.settled(run))).toEqual({ a: "landed", b: "landed", c: "landed" });
  const order = (await world.events(run, ({ type }) => type === "run.settled")).flatMap((event) =>
    event.type === "round.ended" || event.type === "attempt.admitted" ? [event.type] : [],
  );
  expect(order.slice(0, 4)).toEqual([
    "attempt.admitted",
    "attempt.admitted",
    "round.ended",
    "attempt.admitted",
  ]);
});

test("a gate during which the kernel kills for want of memory is run again, and nothing is red (F28)", async (context) => {
  const gate = `${hogOnce("gate")} || exit; [ -e a.txt ]\n`;
  const { world, group } = await openedIn(context, { "test.sh": gate });
  const run = await world.start(world.plan([task("a", "true")]));
  await world.held("gate");
  group.leave(leftBytes);
  world.letGo("gate");
  const parked = await world.until(run, (now) => taskOf(now, "a").state === "parked");
  group.free();
  expect(taskOf(parked, "a").reason).toBe("memory");
  expect(statesOf(await world.settled(run))).toEqual({ a: "landed" });
  const events = await world.events(run, ({ type }) => type === "run.settled");
  expect(events.filter(({ type }) => type === "gate.failed")).toEqual([]);
  expect(events.filter(({ type }) => type === "round.ended")).toHaveLength(1);
  expect(events.find(({ type }) => type === "gate.broken")).toMatchObject({
    why: "`sh test.sh` exited 137 while the kernel killed for want of memory",
  });
});

test("a daemon that the kernel kills for want of memory comes back, says so, and begins with less (F28)", async (context) => {
  const { world, group } = await openedIn(context);
  const run = await world.start(world.plan([task("a", hogOnce("a"))]));
  await world.held("a");
  const { pid } = await world.api.version();
  writeFileSync(`/proc/${pid}/oom_score_adj`, "1000");
  group.leave(leftBytes);
  world.letGo("a");
  await patiently(async () => (await world.api.version()).pid !== pid, 60_000, "a new daemon");
  group.free();
  expect((await world.muster(["ls"])).stderr).toContain(
    "▲ the daemon ended without a word while the kernel killed for want of memory",
  );
  expect((await world.api.host()).heldBack).toMatchObject({ parallel: 1 });
  expect(statesOf(await world.settled(run))).toEqual({ a: "landed" });
});

test("the kernel would rather kill a session than its shim or the daemon (F28)", async (context) => {
  if (!existsSync("/proc/self/oom_score_adj"))
    context.skip("this system does not say whom it kills first");
  const world = await opened(context);
  const run = await world.start(world.plan([task("a", hold("a"))]));
  await world.held("a");
  const pid = await pidOf(world, run, "a");
  const own = scoreOf((await world.api.version()).pid);
  expect([scoreOf(pid), scoreOf(readStat(pid)?.parent ?? 0)]).toEqual([own + rather, own]);
  world.letGo("a");
  await world.settled(run);
});
