/** Looking for damage, read-only: nothing of a damaged file may be written before it is set aside. */
import { statSync } from "node:fs";
import { DatabaseSync } from "node:sqlite";
import { Fault } from "../core/fault.ts";
import { damaged, guard } from "./errors.ts";
import { type StoredRow, isSound, runOf } from "./row.ts";

/**
 * `PRAGMA integrity_check` reads every page and looks every row up in every index: 0.23 s for 200,000 events in 113 MB, where
 * `quick_check`, which looks nothing up, takes 0.10 s, and comparing numbers of entries finds no changed one (two idle cores, warm).
 * Above this a start leaves it out, and finds damage where it reads it.
 */
const maxCheckedBytes = 256 * 1024 * 1024;

/** What is wrong with a ledger. */
interface Found {
  /** Why its events can't be trusted; null where they can. */
  readonly events: string | null;
  /** Why an index of it can't be trusted, where the events can: made anew of them it can. */
  readonly index: string | null;
}

/**
 * What is wrong with the ledger at `path`; nothing where there is no file. `all` looks at every row too, whatever the size.
 * Throws Fault `unwritable` and `locked`.
 */
export function findDamage(path: string, options: { readonly all?: boolean } = {}): Found {
  const size = statSync(path, { throwIfNoEntry: false })?.size ?? 0;
  if (size === 0 || (size > maxCheckedBytes && options.all !== true))
    return { events: null, index: null };
  try {
    return { events: null, index: guard(path, () => look(path, options.all === true)) };
  } catch (error) {
    if (error instanceof Fault && error.code === "damaged")
      return { events: whyOf(error, path), index: null };
    throw error;
  }
}

/** The reason of a Fault that `damaged` made. */
export function whyOf({ message }: Fault, path: string): string {
  return message.replace(`${path} is damaged: `, "");
}

/** What is wrong with an index; null for nothing. Throws Fault `damaged` where it is the events. */
function look(path: string, all: boolean): string | null {
  const db = new DatabaseSync(path, { readOnly: true });
  try {
    db.exec("PRAGMA busy_timeout = 2000");
    const index = said(db, "integrity_check(1)");
    // All that the first looks at besides what the indexes hold.
    const table = index === null ? null : said(db, "quick_check(1)");
    if (table !== null) throw damaged(path, table);
    const events = db.prepare("SELECT 1 FROM sqlite_master WHERE name = 'events'").get();
    if (events === undefined) return index;
    const { count, last } = db
      .prepare("SELECT COUNT(*) AS count, COALESCE(MAX(seq), 0) AS last FROM events NOT INDEXED")
      .get() as { count: number; last: number };
    if (count !== last) throw damaged(path, `${count} events, numbered up to ${last}`);
    // An index that differs may be right, and the row wrong.
    if (all || index !== null) requireAllSound(db, path);
    return index;
  } finally {
    db.close();
  }
}

/** What a check of SQLite's finds first; null where it finds nothing. */
function said(db: DatabaseSync, check: string): string | null {
  const row = (db.prepare(`PRAGMA ${check}`).get() ?? {}) as Record<string, string>;
  const [first = "nothing"] = Object.values(row);
  return first === "ok" ? null : first.replaceAll("\n", " ");
}

/** Throws Fault `damaged` for a row that is not what was written, or stands under another run than its own. */
function requireAllSound(db: DatabaseSync, path: string): void {
  for (const row of readStored(db, 1)) {
    requireSound(path, row);
    if (row.run !== runOf(row))
      throw damaged(path, `event ${row.seq} is kept under another run than its own`);
  }
}

/** Throws Fault `damaged` for a row that is not what was written. */
export function requireSound(path: string, row: StoredRow): void {
  if (!isSound(row)) throw damaged(path, `event ${row.seq} is not what was written`);
}

/** A row with the run that it is found by. */
interface RunRow extends StoredRow {
  readonly run: string | null;
}

/** The rows from number `from` on, in order, of a ledger of any version. */
export function readStored(db: DatabaseSync, from: number): Iterable<RunRow> {
  const columns = db.prepare("SELECT name FROM pragma_table_info('events')").all();
  const crc = columns.some(({ name }) => name === "crc") ? "crc" : "NULL AS crc";
  return db
    .prepare(`SELECT seq, at, type, run, data, ${crc} FROM events WHERE seq >= ? ORDER BY seq`)
    .iterate(from) as unknown as Iterable<RunRow>;
}
