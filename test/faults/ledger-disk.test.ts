/** The ledger's disk is full, busy or broken: nothing acknowledged is lost, and what waits goes on. */
import { spawn } from "node:child_process";
import { once } from "node:events";
import {
  closeSync,
  openSync,
  readFileSync,
  statSync,
  truncateSync,
  writeFileSync,
  writeSync,
} from "node:fs";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { expect, test } from "vitest";
import type { Event } from "../../src/core/events.ts";
import { Fault } from "../../src/core/fault.ts";
import type { Ledger } from "../../src/core/ports.ts";
import { rebuildLedger } from "../../src/ledger/rebuild.ts";
import { openLedger } from "../../src/ledger/sqlite.ts";
import { memoryLedger } from "../../src/testing/memory-ledger.ts";
import { startOf, taskSpec } from "../../src/testing/core.ts";
import { driven } from "./engine.ts";
import { smallDisk } from "./tmpfs.ts";
import { type Context, tempFolder } from "./folder.ts";

const megabyte = 1024 * 1024;

async function eventsOf(ledger: Ledger): Promise<readonly Event[]> {
  const all: Event[] = [];
  for await (const event of ledger.read(0)) all.push(event);
  return all;
}

test.concurrent("a full disk refuses commands, keeps what was seen until there is space, and the ledger stays whole (F10)", async (context) => {
  const disk = await smallDisk(context, 3 * megabyte);
  const path = join(disk.path, "ledger.db");
  const ledger = openLedger(path);
  const d = driven(ledger, Date.now);
  await d.engine.start();
  await d.work();
  disk.fill();
  // What the log has room for already is no proof: write until the disk says no.
  const big = () =>
    startOf([taskSpec("x", { prompt: "x".repeat(100_000) })], { run: `run_${++n}` });
  let n = 0;
  await expect(
    (async () => {
      for (;;) await d.engine.command(big());
    })(),
  ).rejects.toMatchObject({ code: "no_space" });
  const before = d.engine.state.seq;
  const seen = d.see({
    saw: "round_ended",
    failure: null,
    text: "y".repeat(4_000),
    turns: 1,
    usd: 0.1,
    offset: 10_000,
  });
  const isRecorded = () => d.engine.state.seq > before;
  await new Promise((resolve) => setTimeout(resolve, 300));
  expect(isRecorded()).toBe(false);
  expect((await eventsOf(ledger)).at(-1)?.seq).toBe(before);
  disk.free();
  await seen;
  expect(isRecorded()).toBe(true);
  await d.engine.stop();
  await ledger.close();
  const again = openLedger(path);
  expect((await eventsOf(again)).map(({ seq }) => seq)).toEqual(
    Array.from({ length: d.engine.state.seq }, (_, i) => i + 1),
  );
  await again.close();
  const db = new DatabaseSync(path);
  expect(db.prepare("PRAGMA integrity_check").get()).toEqual({ integrity_check: "ok" });
  db.close();
});

/** A ledger whose appends fail as `fails` says, once each. */
function failing(ledger: Ledger, fails: (n: number) => Fault | undefined): Ledger {
  let n = 0;
  return {
    ...ledger,
    async append(expected, bodies, at) {
      const fault = fails(n++);
      if (fault !== undefined) throw fault;
      return ledger.append(expected, bodies, at);
    },
  };
}

test("a command that was recorded goes on by itself though the disk was full right behind it (F10)", async () => {
  const full = new Fault("no_space", "no space left");
  // The second append is the tick that admits the task.
  const d = driven(
    failing(memoryLedger(), (n) => (n === 1 ? full : undefined)),
    Date.now,
  );
  await d.engine.start();
  await d.engine.command(startOf([taskSpec("a")])).catch(() => {});
  expect(d.engine.state.runs.size).toBe(1);
  await expect.poll(() => d.engine.state.attempts.size, { timeout: 6_500 }).toBe(1);
  await d.engine.stop();
});

test("what was seen while another process holds the ledger is recorded once it lets go (F10)", async (context) => {
  const path = join(tempFolder(context), "ledger.db");
  const ledger = openLedger(path);
  const d = driven(ledger, Date.now);
  await d.engine.start();
  await d.work();
  const other = new DatabaseSync(path);
  other.exec("BEGIN IMMEDIATE");
  // Longer than the ledger waits by itself.
  setTimeout(() => other.close(), 100);
  const before = d.engine.state.seq;
  const held = d.see({ saw: "used", turns: 1, usd: 0.1, offset: 10_000 });
  await held;
  expect(d.engine.state.seq).toBe(before + 1);
  await d.engine.stop();
  await ledger.close();
});

/** A ledger of many pages, closed, with nothing left in its log. */
async function closedLedger(context: Context): Promise<string> {
  const path = join(tempFolder(context), "ledger.db");
  const ledger = openLedger(path);
  const run = "run_a";
  await ledger.append(
    0,
    Array.from({ length: 3_000 }, () => ({ type: "run.paused", run })),
    1,
  );
  await ledger.close();
  return path;
}

const damages: readonly (readonly [string, (path: string) => void])[] = [
  ["pages that are nonsense", (path) => overwrite(path, Math.floor(statSync(path).size / 2))],
  ["a file that is cut off", (path) => truncateSync(path, Math.floor(statSync(path).size / 2))],
];

function overwrite(path: string, at: number): void {
  const fd = openSync(path, "r+");
  writeSync(fd, Buffer.alloc(3 * 4_096, 0xa5), 0, 3 * 4_096, at - (at % 4_096));
  closeSync(fd);
}

test.for(damages)(
  "a ledger with %s is told before anything is written, and put aside whole (F16)",
  async ([, damage], context) => {
    const path = await closedLedger(context);
    damage(path);
    const bytes = readFileSync(path);
    expect(() => openLedger(path)).toThrow(/damaged/);
    expect(readFileSync(path).equals(bytes)).toBe(true);
    const { folder, kept } = rebuildLedger(path, "told above", Date.now());
    expect(readFileSync(join(folder, "ledger.db")).equals(bytes)).toBe(true);
    const ledger = openLedger(path);
    expect(await ledger.head()).toBe(kept);
    expect(kept).toBe(3_000);
    await ledger.close();
  },
);

test("a ledger that is no database is told, and left as it is (F16)", (context) => {
  const path = join(tempFolder(context), "ledger.db");
  const text = "not a database, but long enough to be looked at as one".repeat(40);
  writeFileSync(path, text);
  expect(() => openLedger(path)).toThrow(/damaged/);
  expect(readFileSync(path, "utf8")).toBe(text);
});

test("a hundred races for the lock have at most one winner each, and a loser that comes again gets it (F29)", async (context) => {
  const folder = tempFolder(context);
  const script = `
    import { createInterface } from "node:readline";
    import { takeLock } from ${JSON.stringify(join(import.meta.dirname, "../../src/ledger/lock.ts"))};
    let release = () => {};
    for await (const line of createInterface({ input: process.stdin })) {
      release(); release = () => {};
      if (line !== "") try { release = takeLock(line); console.log("won"); continue; } catch {}
      console.log("lost");
    }`;
  const racers = [1, 2].map(() =>
    spawn(process.execPath, ["--input-type=module", "-e", script], {
      stdio: ["pipe", "pipe", "inherit"],
    }),
  );
  const ask = async (line: string): Promise<string[]> => {
    const answers = racers.map(async (racer) =>
      String((await once(racer.stdout, "data"))[0]).trim(),
    );
    for (const racer of racers) racer.stdin.write(`${line}\n`);
    return Promise.all(answers);
  };
  let won = 0;
  for (let race = 0; race < 100; race++) {
    const wins = (await ask(join(folder, `lock-${race % 3}.db`))).filter((each) => each === "won");
    expect(wins.length).toBeLessThanOrEqual(1);
    won += wins.length;
    await ask("");
  }
  // In a tie nobody has it; whoever asks next does.
  expect(won).toBeGreaterThan(50);
  for (const racer of racers) racer.stdin.end();
});
