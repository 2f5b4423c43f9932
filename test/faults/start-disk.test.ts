/** A daemon that starts on a full disk: it comes up or waits, and is not given up. */
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { type TestContext, expect, test } from "vitest";
import { Fault } from "../../src/core/fault.ts";
import type { Ledger } from "../../src/core/ports.ts";
import { takeLock } from "../../src/ledger/lock.ts";
import { openLedger } from "../../src/ledger/sqlite.ts";
import { awaitGone } from "../../src/process/end.ts";
import { readIdentity, readStat, signal } from "../../src/process/identity.ts";
import { noSpaceCode, startRespawning } from "../../src/process/respawn.ts";
import { memoryLedger } from "../../src/testing/memory-ledger.ts";
import { prompt } from "../../src/testing/model/behaviors.ts";
import { bash, commit, say, write } from "../../src/testing/model/steps.ts";
import { startOf, taskSpec } from "../../src/testing/core.ts";
import { type World, hold, statesOf } from "../e2e/harness.ts";
import { driven } from "./engine.ts";
import { tempFolder } from "./folder.ts";
import { type SmallDisk, smallDisk } from "./tmpfs.ts";
import { opened } from "./world.ts";

/** A ledger that has no space while `isFull` says so. */
function filling(ledger: Ledger, isFull: () => boolean): Ledger {
  return {
    ...ledger,
    async append(expected, bodies, at) {
      if (isFull()) throw new Fault("no_space", "no space left");
      return ledger.append(expected, bodies, at);
    },
  };
}

test.concurrent("a start that can't record its first word waits, refuses, and records it once there is space (F10)", async ({
  expect: it,
}) => {
  const ledger = memoryLedger();
  const before = driven(ledger, Date.now);
  await before.engine.start();
  await before.engine.command(startOf([taskSpec("a")]));
  await before.engine.stop();
  let full = true;
  const d = driven(
    filling(ledger, () => full),
    Date.now,
  );
  const [run] = before.engine.state.runs.keys();
  if (run === undefined) throw new Error("no run is open");
  const { recorded, waits } = await d.engine.start(() => [
    { type: "pause", run, task: null, interrupt: false },
  ]);
  it(waits).toBe(true);
  it([...d.engine.state.runs.keys()]).toEqual([run]);
  await it(d.engine.command(startOf([taskSpec("b")]))).rejects.toMatchObject({ code: "no_space" });
  it(d.engine.heldBy).toMatchObject({ code: "no_space" });
  full = false;
  await recorded;
  it(d.engine.heldBy).toBeNull();
  it(d.engine.state.runs.get(run)?.paused).toBe(true);
  await d.engine.stop();
});

test.concurrent("ends for want of space are not counted among those that end the keeping alive, and a note stays (F10)", async (context) => {
  const dir = tempFolder(context);
  const note = join(dir, "note");
  writeFileSync(note, "said before\n");
  const script = `echo x >> count; [ $(wc -l < count) -gt 2 ] || exit ${noSpaceCode}; exit 1`;
  startRespawning({
    argv: ["/bin/sh", "-c", script],
    env: { PATH: "/usr/bin:/bin" },
    cwd: dir,
    log: join(dir, "log"),
    note,
  });
  await context.expect
    .poll(() => readFileSync(note, "utf8"), { timeout: 20_000 })
    .toMatch(/^said before\nthe daemon ended 6 times .* with code 1\n$/);
  expect(readFileSync(join(dir, "count"), "utf8")).toBe("x\n".repeat(2 + 6));
});

/** Ends the daemon at once, and first what would bring it back. */
async function killForGood(world: World): Promise<void> {
  const { pid } = await world.api.version();
  for (const each of [readStat(pid)?.parent ?? 0, pid]) {
    const identity = readIdentity(each);
    if (identity === undefined) throw new Error(`${each} is gone`);
    signal(identity, "SIGKILL");
    await awaitGone(identity, 5_000);
  }
}

/** How many daemons there are, and how many shells that keep one alive; whoever comes second to the lock is on its way out. */
function keptAlive(world: World): readonly [number, number] {
  const all = world.processes().filter((line) => /daemon\/main/.test(line));
  const shells = all.filter((line) => /muster-respawn/.test(line));
  return [all.length - shells.length, shells.length];
}

/** A world whose home is a small disk of its own; `act` ends with space on it. */
async function onSmallDisk(
  context: TestContext,
  act: (world: World, disk: SmallDisk) => Promise<void>,
): Promise<void> {
  const world = await opened(context);
  const disk = await smallDisk(context, 24 * 1024 * 1024, world.state);
  try {
    await act(world, disk);
  } finally {
    disk.free();
    await world.muster(["host", "stop", "--sessions"]);
    await disk.unmount();
  }
}

const steps = [bash(hold("a")), write("a.txt", "good\n"), commit("Add a"), say("Done.")];
const task = { id: "a", prompt: prompt("Add a.", steps), permissions: { allow: ["Bash"] } };

test.concurrent("a daemon that was killed on a full disk comes up on it, and goes on once there is space (F10)", async (context) => {
  await onSmallDisk(context, async (world, disk) => {
    const run = await world.start(world.plan([task]));
    await world.held("a");
    disk.fill();
    await killForGood(world);
    expect((await world.muster(["ls"])).stdout).toContain(run);
    disk.free();
    world.letGo("a");
    expect(statesOf(await world.settled(run))).toEqual({ a: "landed" });
  });
});

test.concurrent("a daemon that finds no space for a ledger says so, is one, and comes up once there is (F10)", async (context) => {
  await onSmallDisk(context, async (world, disk) => {
    disk.fill();
    for (let time = 0; time < 2; time++) {
      const { code, stderr } = await world.muster(["ls"]);
      expect(stderr).toMatch(/no space left[^]*df -h/);
      expect(code).toBe(75);
    }
    const isOne = () =>
      context.expect.poll(() => keptAlive(world), { timeout: 20_000 }).toEqual([1, 1]);
    await isOne();
    disk.free();
    const comesUp = async () => (await world.api.version()).pid;
    await context.expect.poll(comesUp, { timeout: 30_000 }).toBeGreaterThan(0);
    expect((await world.muster(["ls"])).code).toBe(0);
    await isOne();
  });
});

test("the lock is taken on a full disk, and refused to a second one (F10)", async (context) => {
  const disk = await smallDisk(context, 1024 * 1024);
  const path = join(disk.path, "lock.db");
  takeLock(path)();
  disk.fill();
  const release = takeLock(path);
  expect(() => takeLock(path)).toThrow(/another muster daemon holds/);
  release();
});

test("a ledger that has no room for what it shares with itself is told as want of space (F10)", async (context) => {
  const disk = await smallDisk(context, 1024 * 1024);
  const path = join(disk.path, "ledger.db");
  await openLedger(path).close();
  disk.fill();
  expect(() => openLedger(path)).toThrow(/no space left/);
  disk.free();
  await openLedger(path).close();
});
