/**
 * A ledger that is damaged is set aside whole, by rename, and made anew of what can still be read: the file's rows and the copy's
 * lines, each with its checksum, as far as they follow each other without a gap. Every step can be repeated after a crash.
 *
 *   <home>/ledger.damaged-<time>/   ledger.db ledger.db-wal ledger.db-shm ledger.copy/ damage.json
 */
import {
  closeSync,
  existsSync,
  fsyncSync,
  mkdirSync,
  openSync,
  readFileSync,
  readdirSync,
  renameSync,
  rmSync,
  writeFileSync,
} from "node:fs";
import { basename, dirname, join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { readStored } from "./check.ts";
import { copyOf, openCopy, readCopy } from "./copy.ts";
import { guard } from "./errors.ts";
import { migrate } from "./migrations.ts";
import { type Row, type StoredRow, checksum, isSound, runOf } from "./row.ts";

/** What was found and done. */
export interface Damage {
  /** Where the damaged files are now. */
  readonly folder: string;
  readonly why: string;
  /** ms since 1970. */
  readonly at: number;
  /** Events of the new ledger, from number 1. */
  readonly kept: number;
  /** How many of them only the copy had. */
  readonly fromCopy: number;
  /** The highest number that the damaged ledger or its copy name; `known - kept` events are lost for sure. */
  readonly known: number;
}

const note = "damage.json";
/** Rows per transaction: a rebuilt ledger is only taken once it is whole. */
const batch = 10_000;

/** Sets the ledger at `path` and its copy aside and puts a new one in its place. Throws Fault `no_space`, and then nothing was moved. */
export function rebuildLedger(path: string, why: string, at: number): Damage {
  const fresh = freshPath(path);
  dropScratch(fresh);
  const made = guard(fresh, () => writeFresh(path, fresh));
  const folder = newFolder(path, at);
  const damage = { folder, why, at, ...made };
  replaceNow(join(folder, note), `${JSON.stringify(damage)}\n`);
  moveAside(path, folder);
  renameSync(fresh, path);
  syncFolder(dirname(path));
  return damage;
}

/** Makes the folder of a damage that took whole events and left a sound file: what is there is kept. */
export function noteDamage(path: string, why: string, at: number, kept: number): Damage {
  const folder = newFolder(path, at);
  const damage = { folder, why, at, kept, fromCopy: 0, known: kept };
  replaceNow(join(folder, note), `${JSON.stringify(damage)}\n`);
  return damage;
}

/** Completes what a crash cut off between setting aside and putting the new one in place. Called before the ledger is opened. */
export function finishRebuild(path: string): void {
  const fresh = freshPath(path);
  if (!existsSync(fresh)) return;
  const folder = foldersOf(path).at(-1);
  // Where the damaged one is still there it is looked at again; what was made of it is made again.
  if (existsSync(path) || folder === undefined) {
    dropScratch(fresh);
    return;
  }
  moveAside(path, folder);
  renameSync(fresh, path);
  syncFolder(dirname(path));
}

/** Damages of this home that were ever set aside and not yet removed by a person, oldest first. */
export function readDamages(path: string): Damage[] {
  return foldersOf(path).flatMap((folder) => {
    try {
      const text = readFileSync(join(folder, note), "utf8");
      return [{ ...(JSON.parse(text) as Damage), folder }];
    } catch {
      return []; // Cut off before anything was moved.
    }
  });
}

/** Writes all that can be read into a new ledger. */
function writeFresh(path: string, fresh: string): Pick<Damage, "kept" | "fromCopy" | "known"> {
  const db = new DatabaseSync(fresh);
  try {
    db.exec("PRAGMA journal_mode = WAL; PRAGMA synchronous = NORMAL");
    migrate(db, fresh);
    const insert = db.prepare(
      "INSERT INTO events (seq, at, type, run, data, crc) VALUES (?, ?, ?, ?, ?, ?)",
    );
    let kept = 0;
    let fromCopy = 0;
    db.exec("BEGIN");
    const take = (rows: Iterable<Row>): number => {
      const before = kept;
      for (const row of rows) {
        insert.run(row.seq, row.at, row.type, runOf(row), row.data, checksum(row));
        kept = row.seq;
        if (kept % batch === 0) db.exec("COMMIT; BEGIN");
      }
      return kept - before;
    };
    // Each may have what the other has lost.
    for (let grown = -1; grown !== kept;) {
      grown = kept;
      take(readRows(path, kept + 1));
      fromCopy += take(readCopy(copyOf(path), kept + 1));
    }
    db.exec("COMMIT");
    return { kept, fromCopy, known: Math.max(kept, lastNumber(path), openCopy(copyOf(path)).last) };
  } finally {
    db.close();
  }
}

/** The rows from number `from` on, up to the first that is missing, unreadable or not what was written. */
function* readRows(path: string, from: number): Iterable<Row> {
  if (!existsSync(path)) return;
  let next = from;
  let db: DatabaseSync | undefined;
  try {
    db = new DatabaseSync(path, { readOnly: true });
    for (const row of readStored(db, from)) {
      if (row.seq !== next || typeof row.data !== "string" || !isSound(row)) return;
      yield row;
      next += 1;
    }
  } catch (error) {
    if (!isUnreadable(error)) throw error;
  } finally {
    db?.close();
  }
}

/**
 * True where SQLite can't read what is there: SQLITE_ERROR (1) for a table that is gone, SQLITE_IOERR (10), SQLITE_CORRUPT (11),
 * SQLITE_NOTADB (26). Anything else, such as another process that holds the file, may pass.
 */
function isUnreadable(error: unknown): boolean {
  const code = ((error as { errcode?: number }).errcode ?? 0) & 0xff;
  return code === 1 || code === 10 || code === 11 || code === 26;
}

/** The number of the file's last row that still is what was written; 0 where there is none. */
function lastNumber(path: string): number {
  if (!existsSync(path)) return 0;
  let db: DatabaseSync | undefined;
  try {
    db = new DatabaseSync(path, { readOnly: true });
    const sql = "SELECT seq, at, type, data, crc FROM events ORDER BY seq DESC LIMIT 1";
    const row = db.prepare(sql).get() as StoredRow | undefined;
    return row !== undefined && isSound(row) ? row.seq : 0;
  } catch {
    return 0; // Its end is what can't be read.
  } finally {
    db?.close();
  }
}

/** The file goes first: what is left of it then says that the rest is still to be moved. */
function moveAside(path: string, folder: string): void {
  for (const from of [path, `${path}-wal`, `${path}-shm`, copyOf(path)])
    if (existsSync(from)) renameSync(from, join(folder, basename(from)));
  syncFolder(folder);
}

function freshPath(path: string): string {
  return `${path.replace(/\.db$/, "")}.rebuilt.db`;
}

function dropScratch(fresh: string): void {
  for (const end of ["", "-wal", "-shm"]) rmSync(`${fresh}${end}`, { force: true });
}

function prefixOf(path: string): string {
  return `${basename(path).replace(/\.db$/, "")}.damaged-`;
}

function newFolder(path: string, at: number): string {
  const time = new Date(at).toISOString().replace(/\.\d+/, "").replaceAll(":", "-");
  const wanted = join(dirname(path), `${prefixOf(path)}${time}`);
  for (let n = 1; ; n++) {
    const folder = n === 1 ? wanted : `${wanted}-${n}`;
    if (existsSync(folder)) continue;
    mkdirSync(folder, { mode: 0o700 });
    return folder;
  }
}

function foldersOf(path: string): string[] {
  const prefix = prefixOf(path);
  return readdirSync(dirname(path))
    .filter((name) => name.startsWith(prefix))
    .toSorted()
    .map((name) => join(dirname(path), name));
}

function replaceNow(path: string, text: string): void {
  writeFileSync(`${path}.new`, text, { mode: 0o600, flush: true });
  renameSync(`${path}.new`, path);
}

function syncFolder(folder: string): void {
  const fd = openSync(folder, "r");
  fsyncSync(fd);
  closeSync(fd);
}
