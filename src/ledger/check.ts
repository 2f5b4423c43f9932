/** Looking for damage, read-only: nothing of a damaged file may be written before it is set aside. */
import { statSync } from "node:fs";
import { DatabaseSync } from "node:sqlite";
import { Fault } from "../core/fault.ts";
import { damaged, guard } from "./errors.ts";
import { type StoredRow, isSound } from "./row.ts";

/**
 * `PRAGMA quick_check` reads every page: 0.1 s for 20 MB, 1.0 s for 200 MB, on two busy cores. Above this a start leaves it out,
 * and finds damage where it reads it.
 */
const maxCheckedBytes = 256 * 1024 * 1024;

/**
 * What is wrong with the ledger at `path`; null for nothing, also where there is no file. `all` looks at every row too, whatever
 * the size. Throws Fault `unwritable` and `locked`.
 */
export function findDamage(path: string, options: { readonly all?: boolean } = {}): string | null {
  const size = statSync(path, { throwIfNoEntry: false })?.size ?? 0;
  if (size === 0 || (size > maxCheckedBytes && options.all !== true)) return null;
  try {
    guard(path, () => look(path, options.all === true));
    return null;
  } catch (error) {
    if (error instanceof Fault && error.code === "damaged") return whyOf(error, path);
    throw error;
  }
}

/** The reason of a Fault that `damaged` made. */
export function whyOf({ message }: Fault, path: string): string {
  return message.replace(`${path} is damaged: `, "");
}

function look(path: string, all: boolean): void {
  const db = new DatabaseSync(path, { readOnly: true });
  try {
    db.exec("PRAGMA busy_timeout = 2000");
    const [said = "nothing"] = Object.values(
      (db.prepare("PRAGMA quick_check(1)").get() ?? {}) as Record<string, string>,
    );
    if (said !== "ok") throw damaged(path, said.replaceAll("\n", " "));
    const table = db.prepare("SELECT 1 FROM sqlite_master WHERE name = 'events'").get();
    if (table === undefined) return;
    const { count, last } = db
      .prepare("SELECT COUNT(*) AS count, COALESCE(MAX(seq), 0) AS last FROM events")
      .get() as { count: number; last: number };
    if (count !== last) throw damaged(path, `${count} events, numbered up to ${last}`);
    if (all) for (const row of readStored(db, 1)) requireSound(path, row);
  } finally {
    db.close();
  }
}

/** Throws Fault `damaged` for a row that is not what was written. */
export function requireSound(path: string, row: StoredRow): void {
  if (!isSound(row)) throw damaged(path, `event ${row.seq} is not what was written`);
}

/** The rows from number `from` on, in order, of a ledger of any version. */
export function readStored(db: DatabaseSync, from: number): Iterable<StoredRow> {
  const columns = db.prepare("SELECT name FROM pragma_table_info('events')").all();
  const crc = columns.some(({ name }) => name === "crc") ? "crc" : "NULL AS crc";
  return db
    .prepare(`SELECT seq, at, type, data, ${crc} FROM events WHERE seq >= ? ORDER BY seq`)
    .iterate(from) as unknown as Iterable<StoredRow>;
}
