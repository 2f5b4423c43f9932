/** A damaged ledger: found before anything is written, set aside whole, made anew of what is left of it and of its copy. */
import { execFileSync } from "node:child_process";
import {
  closeSync,
  cpSync,
  existsSync,
  openSync,
  readFileSync,
  readdirSync,
  rmSync,
  statSync,
  truncateSync,
  writeFileSync,
  writeSync,
} from "node:fs";
import { basename, dirname, join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { type TestContext, expect, test } from "vitest";
import type { Check } from "../../../src/api/service.ts";
import type { Event, EventBody } from "../../../src/core/events.ts";
import { Fault } from "../../../src/core/fault.ts";
import type { Ledger } from "../../../src/core/ports.ts";
import { openSound } from "../../../src/daemon/damage/damage.ts";
import { findDamage } from "../../../src/ledger/check.ts";
import { copyOf } from "../../../src/ledger/copy.ts";
import {
  type Damage,
  finishRebuild,
  readDamages,
  rebuildLedger,
} from "../../../src/ledger/rebuild.ts";
import { openLedger } from "../../../src/ledger/sqlite.ts";
import { tempFolder } from "../../faults/folder.ts";

const pageBytes = 4_096;
const many = 4_000;

const remembered = (n: number): EventBody => ({
  type: "answer.remembered",
  run: "run_a",
  rule: `Bash(echo ${n} ${"x".repeat(100)})`,
  allow: true,
});

async function eventsOf(ledger: Ledger): Promise<Event[]> {
  const all: Event[] = [];
  for await (const event of ledger.read(0)) all.push(event);
  return all;
}

/** A ledger of `many` events, closed, and what is in it. */
async function closedLedger(context: TestContext): Promise<{ path: string; events: Event[] }> {
  const path = join(tempFolder(context), "ledger.db");
  const ledger = openLedger(path);
  for (let n = 0; n < many; n += 500)
    await ledger.append(
      n,
      Array.from({ length: 500 }, (_, i) => remembered(n + i)),
      n,
    );
  const events = await eventsOf(ledger);
  await ledger.close();
  return { path, events };
}

function overwrite(path: string, at: number, pages = 3): void {
  const fd = openSync(path, "r+");
  writeSync(fd, Buffer.alloc(pages * pageBytes, 0xa5), 0, pages * pageBytes, at);
  closeSync(fd);
}

/** Where the page that this part of the file is in begins. */
function pageAt(path: string, part: number): number {
  const at = Math.floor(statSync(path).size * part);
  return at - (at % pageBytes);
}

const damages: readonly (readonly [string, (path: string) => void])[] = [
  ["its first page overwritten", (path) => overwrite(path, 0, 1)],
  ["its second page overwritten", (path) => overwrite(path, pageBytes, 1)],
  ["pages overwritten near its start", (path) => overwrite(path, pageAt(path, 0.05))],
  ["pages overwritten in its middle", (path) => overwrite(path, pageAt(path, 0.5))],
  ["pages overwritten at its end", (path) => overwrite(path, statSync(path).size - 3 * pageBytes)],
  ["half of it cut off", (path) => truncateSync(path, pageAt(path, 0.5))],
  ["all of it cut off", (path) => truncateSync(path, 0)],
  ["text in its place", (path) => writeFileSync(path, "no database\n".repeat(1_000))],
  ["no file in its place", (path) => rmSync(path)],
];

/** Sets aside and makes anew what can't be opened. */
function rebuilt(path: string): Damage {
  const fault = faultOf(() => openLedger(path));
  expect(fault.code).toBe("damaged");
  return rebuildLedger(path, fault.message, 1_790_000_000_000);
}

function faultOf(act: () => unknown): Fault {
  try {
    act();
  } catch (error) {
    if (error instanceof Fault) return error;
    throw error;
  }
  throw new Error("nothing was thrown");
}

test.for(damages)(
  "a ledger with %s is refused, set aside byte for byte, and whole again from its copy (F16)",
  async ([, damage], context) => {
    const { path, events } = await closedLedger(context);
    damage(path);
    const bytes = existsSync(path) ? readFileSync(path) : undefined;
    const done = rebuilt(path);
    expect(done).toMatchObject({ kept: many, known: many });
    if (bytes !== undefined)
      expect(readFileSync(join(done.folder, "ledger.db")).equals(bytes)).toBe(true);
    const ledger = openLedger(path);
    expect(await eventsOf(ledger)).toEqual(events);
    await ledger.append(many, [remembered(many)], 1);
    await ledger.close();
    expect(findDamage(path, { all: true })).toEqual({ events: null, index: null });
  },
);

test.for(damages)(
  "without its copy, of a ledger with %s the gap-free beginning is kept and nothing is made up (F16)",
  async ([what, damage], context) => {
    const { path, events } = await closedLedger(context);
    rmSync(copyOf(path), { recursive: true });
    damage(path);
    if (!existsSync(path) || statSync(path).size === 0) return; // Nothing is left that could tell.
    const { kept } = rebuilt(path);
    const ledger = openLedger(path);
    const left = await eventsOf(ledger);
    await ledger.close();
    expect(left).toEqual(events.slice(0, kept));
    const isTreeGone = what.includes("first page") || what.includes("second page");
    if (what.includes("middle")) expect(kept).toBeGreaterThan(500);
    if (isTreeGone || what.includes("text")) expect(kept).toBe(0);
  },
);

test("events that only the log had, which somebody deleted, are noticed and come back from the copy (F16)", async (context) => {
  const folder = tempFolder(context);
  const path = join(folder, "ledger.db");
  const live = openLedger(path);
  await live.append(0, [remembered(0)], 1);
  await live.append(1, [remembered(1), remembered(2)], 2);
  // As after kill -9: the log was never written back.
  const crashed = join(folder, "crashed");
  for (const name of readdirSync(folder))
    cpSync(join(folder, name), join(crashed, name), { recursive: true });
  const events = await eventsOf(live);
  await live.close();
  const copied = join(crashed, basename(path));
  rmSync(`${copied}-wal`);
  const fault = faultOf(() => openLedger(copied));
  expect(fault.message).toContain("it ends with event 0, its copy with 3");
  expect(rebuildLedger(copied, fault.message, 5)).toMatchObject({ kept: 3, fromCopy: 3 });
  const again = openLedger(copied);
  expect(await eventsOf(again)).toEqual(events);
  await again.close();
});

test("what the file lost and what the copy lost make a whole again where they differ (F16)", async (context) => {
  const { path, events } = await closedLedger(context);
  overwrite(path, pageAt(path, 0.5));
  const segment = join(copyOf(path), readdirSync(copyOf(path))[0] ?? "");
  overwrite(segment, 0, 1);
  const done = rebuilt(path);
  expect(done.kept).toBe(many);
  expect(done.fromCopy).toBeLessThan(many);
  const ledger = openLedger(path);
  expect(await eventsOf(ledger)).toEqual(events);
  await ledger.close();
});

/** Changes one letter in the file where `from` is; the same number of bytes. */
function scribble(path: string, from: string, to: string): void {
  const bytes = readFileSync(path);
  const at = bytes.indexOf(from);
  expect(at).toBeGreaterThan(0);
  bytes.write(to, at, "latin1");
  writeFileSync(path, bytes);
}

test("a letter that changed inside an event is found when it is read, and nothing is written any more (F16)", async (context) => {
  const { path } = await closedLedger(context);
  scribble(path, "echo 2000 ", "echo 2001 ");
  const told: Fault[] = [];
  const ledger = openLedger(path, { onDamage: (fault) => told.push(fault) });
  await expect(eventsOf(ledger)).rejects.toMatchObject({ code: "damaged" });
  await expect(ledger.append(many, [remembered(0)], 1)).rejects.toMatchObject({ code: "damaged" });
  await ledger.close();
  expect(told.map(({ message }) => message)).toEqual([
    `${path} is damaged: event 2001 is not what was written`,
  ]);
  expect(findDamage(path).events).toBeNull();
  expect(findDamage(path, { all: true }).events).toContain("event 2001");
  expect(rebuildLedger(path, "", 1)).toMatchObject({ kept: many, fromCopy: many - 2_000 });
});

test("pages that go bad under an open ledger end the reading with one fault (F16)", async (context) => {
  const { path } = await closedLedger(context);
  const told: Fault[] = [];
  const ledger = openLedger(path, { onDamage: (fault) => told.push(fault) });
  overwrite(path, pageAt(path, 0.3), 20);
  await expect(eventsOf(ledger)).rejects.toMatchObject({ code: "damaged" });
  await expect(ledger.append(many, [remembered(0)], 1)).rejects.toMatchObject({ code: "damaged" });
  expect(told).toHaveLength(1);
  await ledger.close();
});

test("a cache of the state that is not what was written, or older than rows have checksums, is none (F16)", async (context) => {
  const path = join(tempFolder(context), "ledger.db");
  const ledger = openLedger(path);
  await ledger.append(0, [remembered(0)], 1);
  await ledger.saveSnapshot(1, '{"v":2,"state":"as it was"}');
  await ledger.close();
  for (const change of ["state = '{'", "crc = NULL", "seq = 7"]) {
    const db = new DatabaseSync(path);
    db.exec(`UPDATE snapshot SET ${change}`);
    db.close();
    const again = openLedger(path);
    expect(await again.readSnapshot()).toBeUndefined();
    await again.saveSnapshot(1, "anew");
    expect(await again.readSnapshot()).toEqual({ seq: 1, state: "anew" });
    await again.close();
  }
});

test("a copy that lags, or ends in half a line, is brought up to the ledger (F16)", async (context) => {
  const { path, events } = await closedLedger(context);
  const newest = join(copyOf(path), readdirSync(copyOf(path)).toSorted().at(-1) ?? "");
  truncateSync(newest, statSync(newest).size - 1_000);
  const ledger = openLedger(path);
  await ledger.append(many, [remembered(many)], 1);
  await ledger.close();
  rmSync(path);
  expect(rebuilt(path)).toMatchObject({ kept: many + 1, fromCopy: many + 1 });
  const again = openLedger(path);
  expect((await eventsOf(again)).slice(0, many)).toEqual(events);
  await again.close();
});

test("a rebuild that was cut off after any step is completed by the next start (F16)", async (context) => {
  const { path, events } = await closedLedger(context);
  overwrite(path, pageAt(path, 0.5));
  const before = join(tempFolder(context), "before");
  cpSync(join(path, ".."), before, { recursive: true });
  const { folder } = rebuilt(path);
  // As if the daemon had died between the two renames: the new one lies beside, the log is still there.
  const home = join(path, "..");
  cpSync(path, join(home, "ledger.rebuilt.db"));
  rmSync(path);
  writeFileSync(`${path}-wal`, "of the damaged one");
  finishRebuild(path);
  expect(readFileSync(join(folder, "ledger.db-wal"), "utf8")).toBe("of the damaged one");
  const ledger = openLedger(path);
  expect(await eventsOf(ledger)).toEqual(events);
  await ledger.close();
  expect(readDamages(path)).toMatchObject([{ folder, kept: many }]);
  // As if it had died before the first rename: the damaged one is looked at again.
  const old = join(before, "ledger.db");
  writeFileSync(join(before, "ledger.rebuilt.db"), "half of it");
  finishRebuild(old);
  expect(rebuilt(old).kept).toBe(many);
});

test("a ledger from before rows had checksums is read, gets a copy, and is rebuilt all the same (F16)", async (context) => {
  const path = join(tempFolder(context), "ledger.db");
  const fresh = openLedger(path);
  const events = await fresh.append(
    0,
    Array.from({ length: 300 }, (_, n) => remembered(n)),
    1,
  );
  await fresh.close();
  rmSync(copyOf(path), { recursive: true });
  const db = new DatabaseSync(path);
  db.exec(
    "ALTER TABLE events DROP COLUMN crc; ALTER TABLE snapshot DROP COLUMN crc; PRAGMA user_version = 1",
  );
  db.close();
  expect(rebuildLedger(path, "", 1)).toMatchObject({ kept: 300, fromCopy: 0 });
  const ledger = openLedger(path);
  expect(await eventsOf(ledger)).toEqual(events);
  await ledger.close();
  const again = new DatabaseSync(path);
  again.exec("UPDATE events SET crc = NULL");
  again.close();
  const old = openLedger(path);
  expect(await eventsOf(old)).toEqual(events);
  await old.close();
  rmSync(path);
  expect(rebuilt(path)).toMatchObject({ kept: 300, fromCopy: 300 });
});

/** Where the first cell of the first leaf page below a root page begins (sqlite.org/fileformat2.html, section 1.6). */
function firstCell(bytes: Buffer, root: number): number {
  const at = (root - 1) * pageBytes;
  const isInterior = bytes[at] === 2 || bytes[at] === 5;
  if (!isInterior) return at + bytes.readUInt16BE(at + 8);
  return firstCell(bytes, bytes.readUInt32BE(at + bytes.readUInt16BE(at + 12)));
}

/** Changes the last letter of the run in the first cell of a table or index. */
function renameRun(path: string, name: string): void {
  const db = new DatabaseSync(path, { readOnly: true });
  const sql = "SELECT rootpage FROM sqlite_master WHERE name = ?";
  const { rootpage } = db.prepare(sql).get(name) as { rootpage: number };
  db.close();
  const bytes = readFileSync(path);
  const at = bytes.indexOf("run_a", firstCell(bytes, rootpage));
  bytes.write("b", at + 4);
  writeFileSync(path, bytes);
}

async function countOf(ledger: Ledger): Promise<number> {
  let count = 0;
  for await (const _ of ledger.read(0, { run: "run_a" })) count++;
  return count;
}

test("one byte that is changed in an index is found at the start, and the index made anew of the events (F16)", async (context) => {
  const { path, events } = await closedLedger(context);
  renameRun(path, "events_by_run");
  expect(findDamage(path)).toMatchObject({
    events: null,
    index: expect.stringContaining("events_by_run"),
  });
  const mended: string[] = [];
  const ledger = openLedger(path, { onMended: (why) => mended.push(why) });
  expect(mended).toHaveLength(1);
  expect(await countOf(ledger)).toBe(many);
  expect(await eventsOf(ledger)).toEqual(events);
  await ledger.close();
  expect(findDamage(path, { all: true })).toEqual({ events: null, index: null });
});

test("a daemon tells of an index that it made anew (F16)", async (context) => {
  const { path } = await closedLedger(context);
  renameRun(path, "events_by_run");
  const home = dirname(path);
  const fail = (error: unknown): never => {
    throw error;
  };
  const said: string[] = [];
  await openSound({ home, log: (_level, message) => said.push(message), fail }).close();
  expect(said).toEqual(["Made an index of the ledger anew"]);
  expect(readFileSync(join(home, "daemon.note"), "utf8")).toMatch(/made anew: no event is lost\n$/);
  await openSound({ home, log: (_level, message) => said.push(message), fail }).close();
  expect(said).toHaveLength(1);
});

/** What doctor says of the ledger of a home. */
function checkedBy(home: string): Check | undefined {
  const program = join(import.meta.dirname, "../../../src/daemon/offline.ts");
  const env = { PATH: "/usr/bin:/bin", HOME: home, MUSTER_HOME: home };
  const said = execFileSync(process.execPath, [program, "doctor"], { cwd: home, env });
  const { answer } = JSON.parse(said.toString()) as { answer: readonly Check[] };
  return answer.find(({ name }) => name === "ledger");
}

test("in a ledger that is too large for a look at every start, what doctor finds is mended as it says (F16)", async (context) => {
  const { path } = await closedLedger(context);
  renameRun(path, "events_by_run");
  const large = 300 * 1024 * 1024;
  truncateSync(path, large); // A hole behind the last page, which takes no space.
  const home = dirname(path);
  const said: string[] = [];
  const log = (_level: string, message: string): void => void said.push(message);
  const fail = (error: unknown): never => {
    throw error;
  };
  const unseen = openSound({ home, log, fail });
  expect(await countOf(unseen)).toBeLessThan(many);
  await unseen.close();
  expect([said, statSync(path).size]).toEqual([[], large]);
  const { is, text, remedy } = checkedBy(home) ?? {};
  expect([is, text]).toEqual(["bad", expect.stringContaining("events_by_run")]);
  const [mark = "", ...start] = (remedy ?? "").split("; ");
  expect(start).toEqual(["muster host stop", "muster ls"]);
  execFileSync("sh", ["-c", mark]);
  const ledger = openSound({ home, log, fail });
  expect(said).toEqual(["Made an index of the ledger anew"]);
  expect(await countOf(ledger)).toBe(many);
  await ledger.close();
  expect(checkedBy(home)).toMatchObject({ is: "ok" });
});

test("a row that stands under another run than its own is damage, however its index would be made anew (F16)", async (context) => {
  const { path, events } = await closedLedger(context);
  renameRun(path, "events");
  expect(() => openLedger(path)).toThrow(/another run than its own/);
  expect(rebuildLedger(path, "told above", 1).kept).toBe(many);
  const ledger = openLedger(path);
  expect(await countOf(ledger)).toBe(many);
  expect(await eventsOf(ledger)).toEqual(events);
  await ledger.close();
});
