/**
 * The ledger on node:sqlite: one table, one writer (the daemon), WAL with `synchronous=FULL`, so an append that returned
 * survives a power cut. Nothing in this process may open the file by other means: closing any descriptor on it would drop
 * SQLite's POSIX locks.
 */
import { statSync } from "node:fs";
import { DatabaseSync, type SQLInputValue } from "node:sqlite";
import { crc32 } from "node:zlib";
import { stamp } from "../core/decide/decide.ts";
import type { Event, EventBody } from "../core/events.ts";
import { Fault } from "../core/fault.ts";
import type { Ledger, ReadOptions } from "../core/ports.ts";
import { findDamage, readStored, requireSound } from "./check.ts";
import { type Copy, copyOf, openCopy } from "./copy.ts";
import { damaged, guard } from "./errors.ts";
import { migrate } from "./migrations.ts";
import { type StoredRow, checksum, toEvent, toRow } from "./row.ts";

/** Events fetched per query while reading. */
const pageSize = 1_000;

export interface LedgerOptions {
  /** Every row is looked at, whatever the size. */
  readonly all?: boolean;
  /** Called once, when damage is found in an open ledger; nothing is written any more. */
  readonly onDamage?: (fault: Fault) => void;
  /** Called where an index was damaged and is made anew; no event is touched. */
  readonly onMended?: (why: string) => void;
}

/**
 * Opens or makes the ledger at `path`, and its copy. Throws Fault `damaged`, before anything is written, where the file is not
 * what SQLite wrote or ends before its copy does, `version_mismatch` for a newer one, `no_space`, `unwritable`.
 */
export function openLedger(path: string, options: LedgerOptions = {}): Ledger {
  const { events, index } = findDamage(path, options);
  if (events !== null) throw damaged(path, events);
  const copy = openCopy(copyOf(path));
  const isEmpty = (statSync(path, { throwIfNoEntry: false })?.size ?? 0) === 0;
  if (isEmpty && copy.last > 0) throw damaged(path, `it is gone, its copy has ${copy.last} events`);
  const db = guard(path, () => new DatabaseSync(path));
  try {
    guard(path, () => {
      db.exec(
        "PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL; PRAGMA busy_timeout = 2000; PRAGMA foreign_keys = ON",
      );
      if (index !== null) db.exec("REINDEX");
      migrate(db, path);
      requireWhole(db, path, copy);
    });
  } catch (error) {
    db.close();
    throw error;
  }
  if (index !== null) options.onMended?.(index);
  return ledgerOn(db, path, copy, options);
}

/** Throws Fault `damaged` where the copy has events that the ledger has not; else brings the copy up to it. */
function requireWhole(db: DatabaseSync, path: string, copy: Copy): void {
  const { seq } = lastOf(db);
  if (copy.last > seq) throw damaged(path, `it ends with event ${seq}, its copy with ${copy.last}`);
  catchUp(db, copy);
}

function lastOf(db: DatabaseSync): { seq: number } {
  return db.prepare("SELECT COALESCE(MAX(seq), 0) AS seq FROM events").get() as { seq: number };
}

/** A copy that can't be written lags, and that is all: the next append or start tries again. */
function catchUp(db: DatabaseSync, copy: Copy): void {
  let rows: StoredRow[] = [];
  for (const row of readStored(db, copy.last + 1)) {
    rows.push(row);
    if (rows.length < pageSize) continue;
    if (!copy.append(rows)) return;
    rows = [];
  }
  if (rows.length > 0) copy.append(rows);
}

function ledgerOn(
  db: DatabaseSync,
  path: string,
  copy: Copy,
  { onDamage = () => {} }: LedgerOptions,
): Ledger {
  let broken: Fault | undefined;
  const act = <T>(what: () => T): T => {
    if (broken !== undefined) throw broken;
    try {
      return guard(path, what);
    } catch (error) {
      if (error instanceof Fault && error.code === "damaged") {
        broken = error;
        onDamage(error);
      }
      throw error;
    }
  };
  const listeners = new Set<(events: readonly Event[]) => void>();
  const write = writer(db, copy);
  return {
    async append(expected, bodies, at) {
      if (bodies.length === 0) return [];
      const events = act(() => write(expected, bodies, at));
      for (const listener of listeners) listener(events);
      return events;
    },
    head: async () => act(() => lastOf(db).seq),
    read: (after, options = {}) => readPages(db, path, act, after, options),
    subscribe(listener) {
      listeners.add(listener);
      return () => listeners.delete(listener);
    },
    async saveSnapshot(seq, state) {
      const crc = crc32(`${seq} ${state}`);
      const save = "INSERT OR REPLACE INTO snapshot (id, seq, state, crc) VALUES (1, ?, ?, ?)";
      act(() => db.prepare(save).run(seq, state, crc));
    },
    readSnapshot: async () => act(() => readSnapshot(db)),
    async close() {
      listeners.clear();
      copy.close();
      // Closing writes the log back into the file: a damaged one stays as it is.
      if (broken === undefined) db.close();
    },
  };
}

function writer(db: DatabaseSync, copy: Copy) {
  const insert = db.prepare(
    "INSERT INTO events (seq, at, type, run, data, crc) VALUES (?, ?, ?, ?, ?, ?)",
  );
  return (expected: number, bodies: readonly EventBody[], at: number): readonly Event[] => {
    const events = stamp(bodies, expected, at);
    const rows = events.map((event) => ({
      ...toRow(event),
      run: "run" in event ? event.run : null,
    }));
    db.exec("BEGIN IMMEDIATE");
    try {
      const { seq: head } = lastOf(db);
      if (head !== expected)
        throw new Fault(
          "locked",
          `the ledger is at ${head}, not at ${expected}: another writer appended`,
          { remedy: "muster host status" },
        );
      for (const row of rows)
        insert.run(row.seq, row.at, row.type, row.run, row.data, checksum(row));
      db.exec("COMMIT");
    } catch (error) {
      if (db.isTransaction) db.exec("ROLLBACK");
      throw error;
    }
    if (copy.last === expected) copy.append(rows);
    else catchUp(db, copy);
    return events;
  };
}

/** A cache that is not what was written, or that is of a later event than there is, is none. */
function readSnapshot(db: DatabaseSync): { seq: number; state: string } | undefined {
  const row = db.prepare("SELECT seq, state, crc FROM snapshot WHERE id = 1").get() as
    | { seq: number; state: string; crc: number | null }
    | undefined;
  if (row === undefined || row.crc !== crc32(`${row.seq} ${row.state}`)) return undefined;
  return row.seq > lastOf(db).seq ? undefined : { seq: row.seq, state: row.state };
}

async function* readPages(
  db: DatabaseSync,
  path: string,
  act: <T>(what: () => T) => T,
  after: number,
  options: ReadOptions,
): AsyncIterable<Event> {
  const { run, types, limit = Number.POSITIVE_INFINITY } = options;
  const where = ["seq > ?"];
  const values: SQLInputValue[] = [];
  if (run !== undefined) {
    where.push("run = ?");
    values.push(run);
  }
  if (types !== undefined) {
    where.push(`type IN (${types.map(() => "?").join(",")})`);
    values.push(...types);
  }
  const sql = `SELECT seq, at, type, data, crc FROM events WHERE ${where.join(" AND ")} ORDER BY seq LIMIT ?`;
  const isAll = values.length === 0;
  let from = after;
  for (let left = limit; left > 0;) {
    const rows = act(() => {
      const page = db.prepare(sql).all(from, ...values, Math.min(pageSize, left));
      return (page as unknown as StoredRow[]).map((row, i) => {
        requireSound(path, row);
        if (isAll && row.seq !== from + i + 1)
          throw damaged(path, `event ${from + i + 1} is missing`);
        return row;
      });
    });
    for (const row of rows) yield toEvent(row);
    const lastRow = rows.at(-1);
    if (lastRow === undefined || rows.length < pageSize) return;
    from = lastRow.seq;
    left -= rows.length;
  }
}
