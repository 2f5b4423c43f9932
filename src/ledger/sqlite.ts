/**
 * The ledger on node:sqlite: one table, one writer (the daemon), WAL with `synchronous=FULL`, so an append that returned
 * survives a power cut. Nothing in this process may open the file by other means: closing any descriptor on it would drop
 * SQLite's POSIX locks.
 */
import { DatabaseSync, type SQLInputValue } from "node:sqlite";
import { stamp } from "../core/decide/decide.ts";
import type { Event, EventBody } from "../core/events.ts";
import { Fault } from "../core/fault.ts";
import type { Ledger, ReadOptions } from "../core/ports.ts";
import { fromText, toText } from "../core/serial.ts";
import { migrate } from "./migrations.ts";

/** Events fetched per query while reading. */
const pageSize = 1_000;

interface Row {
  readonly seq: number;
  readonly at: number;
  readonly type: string;
  readonly data: string;
}

/** Opens or makes the ledger at `path`. Throws Fault `version_mismatch` for a newer one, `no_space`, `unwritable`. */
export function openLedger(path: string): Ledger {
  const db = guard(path, () => new DatabaseSync(path));
  guard(path, () => {
    db.exec(
      "PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL; PRAGMA busy_timeout = 2000; PRAGMA foreign_keys = ON",
    );
    migrate(db, path);
  });
  const listeners = new Set<(events: readonly Event[]) => void>();
  const insert = db.prepare("INSERT INTO events (seq, at, type, run, data) VALUES (?, ?, ?, ?, ?)");
  const last = db.prepare("SELECT COALESCE(MAX(seq), 0) AS seq FROM events");
  const headNow = (): number => (last.get() as { seq: number }).seq;

  const write = (expected: number, bodies: readonly EventBody[], at: number): readonly Event[] => {
    const events = stamp(bodies, expected, at);
    db.exec("BEGIN IMMEDIATE");
    try {
      const head = headNow();
      if (head !== expected)
        throw new Fault(
          "locked",
          `the ledger is at ${head}, not at ${expected}: another writer appended`,
          { remedy: "muster host status" },
        );
      for (const event of events)
        insert.run(
          event.seq,
          at,
          event.type,
          "run" in event ? event.run : null,
          toText(strip(event)),
        );
      db.exec("COMMIT");
    } catch (error) {
      if (db.isTransaction) db.exec("ROLLBACK");
      throw error;
    }
    return events;
  };
  return {
    async append(expected, bodies, at) {
      if (bodies.length === 0) return [];
      const events = guard(path, () => write(expected, bodies, at));
      for (const listener of listeners) listener(events);
      return events;
    },
    head: async () => guard(path, headNow),
    read: (after, options = {}) => readPages(db, after, options),
    subscribe(listener) {
      listeners.add(listener);
      return () => listeners.delete(listener);
    },
    async saveSnapshot(seq, state) {
      guard(path, () =>
        db
          .prepare("INSERT OR REPLACE INTO snapshot (id, seq, state) VALUES (1, ?, ?)")
          .run(seq, state),
      );
    },
    async readSnapshot() {
      const row = db.prepare("SELECT seq, state FROM snapshot WHERE id = 1").get();
      return row === undefined ? undefined : (row as unknown as { seq: number; state: string });
    },
    async close() {
      listeners.clear();
      db.close();
    },
  };
}

async function* readPages(
  db: DatabaseSync,
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
  const query = db.prepare(
    `SELECT seq, at, type, data FROM events WHERE ${where.join(" AND ")} ORDER BY seq LIMIT ?`,
  );
  let from = after;
  for (let left = limit; left > 0;) {
    const rows = query.all(from, ...values, Math.min(pageSize, left)) as unknown as Row[];
    for (const row of rows) yield parse(row);
    const lastRow = rows.at(-1);
    if (lastRow === undefined || rows.length < pageSize) return;
    from = lastRow.seq;
    left -= rows.length;
  }
}

function strip({ seq: _seq, at: _at, type: _type, ...data }: Event): object {
  return data;
}

function parse({ seq, at, type, data }: Row): Event {
  return { ...(fromText(data) as object), seq, at, type } as Event;
}

/** Translates SQLite's errors. Codes: 13 SQLITE_FULL, 5 SQLITE_BUSY, 14 SQLITE_CANTOPEN, 8 SQLITE_READONLY, 11 SQLITE_CORRUPT, 26 SQLITE_NOTADB. */
function guard<T>(path: string, act: () => T): T {
  try {
    return act();
  } catch (cause) {
    const code = ((cause as { errcode?: number }).errcode ?? 0) & 0xff;
    if (code === 13)
      throw new Fault("no_space", `no space left for ${path}`, {
        remedy: "free some space, then: muster resume",
        cause,
      });
    if (code === 5)
      throw new Fault("locked", `${path} is in use by another process`, {
        remedy: "muster host status",
        cause,
      });
    if (code === 14 || code === 8)
      throw new Fault("unwritable", `cannot write ${path}`, {
        remedy: `chmod u+rwx "$(dirname ${path})"`,
        cause,
      });
    if (code === 11 || code === 26)
      throw new Fault("internal", `${path} is damaged`, { remedy: "muster doctor", cause });
    throw cause;
  }
}
