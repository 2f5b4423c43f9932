/** Ledgers that every released schema left behind, opened with today's code: nothing of them is lost, and nothing is made up. */
import { mkdtempSync, readFileSync, readdirSync, rmSync } from "node:fs";
import { DatabaseSync } from "node:sqlite";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import type { Event } from "../../src/core/events.ts";
import { fold } from "../../src/core/evolve/evolve.ts";
import { exitCodes } from "../../src/core/fault.ts";
import type { RunId } from "../../src/core/ids.ts";
import type { Ledger } from "../../src/core/ports.ts";
import { toText } from "../../src/core/serial.ts";
import { type State, emptyState } from "../../src/core/state.ts";
import { runDetail, listRuns, readSettled } from "../../src/daemon/projection.ts";
import { readState, saveState } from "../../src/daemon/state-cache.ts";
import { findDamage } from "../../src/ledger/check.ts";
import { latestSchema } from "../../src/ledger/migrations.ts";
import { openLedger } from "../../src/ledger/sqlite.ts";
import { build, readSchema } from "./dump.ts";

const released = readdirSync(import.meta.dirname)
  .flatMap((name) => /^schema-(\d+)\.sql$/.exec(name)?.slice(1) ?? [])
  .map(Number)
  .toSorted((a, b) => a - b);

let folder: string;
let path: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "muster-released-"));
  path = join(folder, "ledger.db");
});
afterEach(() => rmSync(folder, { recursive: true }));

const sqlOf = (schema: number): string =>
  readFileSync(join(import.meta.dirname, `schema-${schema}.sql`), "utf8");

async function eventsOf(ledger: Ledger): Promise<readonly Event[]> {
  const events: Event[] = [];
  for await (const event of ledger.read(0)) events.push(event);
  return events;
}

/** What a file says: its schema and its rows. */
function rowsOf(file: string): { readonly schema: number; readonly rows: readonly unknown[] } {
  const db = new DatabaseSync(file, { readOnly: true });
  try {
    const rows = db.prepare("SELECT seq, at, type, run, data FROM events ORDER BY seq").all();
    return { schema: readSchema(db), rows };
  } finally {
    db.close();
  }
}

async function stateOf(schema: number): Promise<State> {
  const file = join(folder, `of-${schema}-${crypto.randomUUID()}.db`);
  build(file, sqlOf(schema));
  const ledger = openLedger(file);
  const events = await eventsOf(ledger);
  const state = await readState(ledger);
  const settled = [
    ...new Set(events.flatMap((each) => (each.type === "run.settled" ? [each.run] : []))),
  ];
  const runs = await Promise.all(settled.map((id) => readSettled(ledger, id)));
  await ledger.close();
  // One state with every run: those that are open, and those that are folded when asked for.
  return {
    ...state,
    runs: new Map([...runs.map(({ run }) => [run.id, run] as const), ...state.runs]),
  };
}

/** The fields that things of one kind have, over all of them. */
function fieldsOf(things: readonly object[]): readonly string[] {
  const all = new Set(things.flatMap((thing) => Object.keys(thing)));
  return [...all].filter((key) =>
    things.every((thing) => (thing as Readonly<Record<string, unknown>>)[key] !== undefined),
  );
}

function kindsOf({ runs, attempts }: State): Readonly<Record<string, readonly object[]>> {
  const all = [...runs.values()];
  return {
    run: all,
    task: all.flatMap(({ tasks }) => [...tasks.values()]),
    spec: all.flatMap(({ tasks }) => [...tasks.values()].map(({ spec }) => spec)),
    attempt: [...attempts.values(), ...all.flatMap(({ past }) => [...past.values()])],
  };
}

it("every schema has a ledger that it left behind", () => {
  const every = Array.from({ length: latestSchema }, (_, i) => i + 1);
  const missing = every.filter((schema) => !released.includes(schema));
  const remedy = "commit the new step, then run node test/released/make.ts";
  expect(missing, `schema ${missing.join(", ")} has none: ${remedy}`).toEqual([]);
  expect(released).toEqual(every);
});

describe.each(released)("a ledger of schema %i", (schema) => {
  beforeEach(() => build(path, sqlOf(schema)));

  it("is brought up to date once, and keeps every event as it was", async () => {
    const before = rowsOf(path);
    expect(before.schema).toBe(schema);
    const ledger = openLedger(path);
    const events = await eventsOf(ledger);
    expect(events.map(({ seq }) => seq)).toEqual(before.rows.map((_, i) => i + 1));
    expect(events.length).toBeGreaterThan(100);
    await ledger.close();
    expect(findDamage(path, { all: true })).toEqual({ events: null, index: null });
    const after = rowsOf(path);
    expect(after).toEqual({ schema: latestSchema, rows: before.rows });
    const again = openLedger(path);
    expect(await eventsOf(again)).toEqual(events);
    await again.close();
    expect(rowsOf(path)).toEqual(after);
    console.log(`${events.length} events of schema ${schema} looked at`);
  });

  it("goes on where it ended", async () => {
    const ledger = openLedger(path);
    const head = await ledger.head();
    const [open] = (await readState(ledger)).runs.keys();
    if (open === undefined) throw new Error("a run is open");
    await ledger.append(head, [{ type: "run.paused", run: open }], Date.now());
    expect((await readState(ledger)).runs.get(open)?.paused).toBe(true);
    await ledger.close();
    expect(findDamage(path, { all: true })).toEqual({ events: null, index: null });
  });

  it("drops a cache of another shape", async () => {
    const ledger = openLedger(path);
    const events = await eventsOf(ledger);
    const whole = fold(emptyState, events);
    const old = { v: 1, state: { ...emptyState, seq: events.length } };
    await ledger.saveSnapshot(events.length, toText(old));
    expect(await readState(ledger)).toEqual(whole);
    await saveState(ledger, whole);
    expect(await readState(ledger)).toEqual(whole);
    await ledger.close();
  });

  it("shows the runs that are open and those that are settled", async () => {
    const ledger = openLedger(path);
    const state = await readState(ledger);
    const now = Date.now();
    const runs = await listRuns(state, ledger, now, 10);
    expect(runs.map(({ name }) => name).toSorted()).toEqual(["failed", "landed", "open"]);
    const landed = runs.find(({ name }) => name === "landed");
    if (landed === undefined) throw new Error("it is listed");
    const { run, settled } = runDetail(await readSettled(ledger, landed.id as RunId), now);
    expect([run.state, settled]).toEqual(["succeeded", true]);
    expect(run.tasks.map((task) => task.state)).toEqual(["landed", "landed", "done"]);
    const open = [...state.runs.values()].find(({ name }) => name === "open");
    if (open === undefined) throw new Error("it is open");
    const shown = runDetail({ state, run: open, settled: false }, now);
    expect(shown.run.state).toBe("needs_attention");
    expect(shown.tasks[0]?.asks).toMatchObject([{ kind: "approval" }]);
    await ledger.close();
  });

  it("folds to what today's events fold to: no field is missing", async () => {
    const [old, today] = [kindsOf(await stateOf(schema)), kindsOf(await stateOf(latestSchema))];
    for (const [kind, things] of Object.entries(today)) {
      expect(things.length, kind).toBeGreaterThan(0);
      const has = fieldsOf(old[kind] ?? []);
      const lacks = fieldsOf(things).filter((field) => !has.includes(field));
      expect(lacks, `fields of a ${kind}`).toEqual([]);
    }
  });
});

it("a ledger of a newer schema is refused unchanged, with the command that upgrades", () => {
  build(path, `${sqlOf(latestSchema)}PRAGMA user_version = ${latestSchema + 1};`);
  const before = readFileSync(path);
  let error: unknown;
  try {
    openLedger(path);
  } catch (thrown) {
    error = thrown;
  }
  expect(error).toMatchObject({
    code: "version_mismatch",
    message: expect.stringContaining(`schema ${latestSchema + 1}, known ${latestSchema}`),
    remedy: "npm install --global musterd@latest",
  });
  expect(exitCodes.version_mismatch).toBe(75);
  expect(rowsOf(path).schema).toBe(latestSchema + 1);
  expect(readFileSync(path).equals(before)).toBe(true);
});
