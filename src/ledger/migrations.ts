/** Schema versions of the ledger, one way: a list of steps, each run once in its own transaction. */
import type { DatabaseSync } from "node:sqlite";
import { Fault } from "../core/fault.ts";

/** A step that is released is never changed; with a new one, a ledger of it comes into `test/released`. */
const steps: readonly string[] = [
  `CREATE TABLE events (
     seq  INTEGER PRIMARY KEY,
     at   INTEGER NOT NULL,
     type TEXT NOT NULL,
     run  TEXT,
     data TEXT NOT NULL
   ) STRICT;
   CREATE INDEX events_by_run ON events (run, seq);
   CREATE INDEX events_by_type ON events (type, seq);
   CREATE TABLE snapshot (id INTEGER PRIMARY KEY CHECK (id = 1), seq INTEGER NOT NULL, state TEXT NOT NULL) STRICT;`,
  // Rows from before have no checksum, and a cache without one is made anew.
  `ALTER TABLE events ADD COLUMN crc INTEGER;
   ALTER TABLE snapshot ADD COLUMN crc INTEGER;`,
];

/** The schema that this program writes. */
export const latestSchema = steps.length;

/** Brings the schema up to date. Throws Fault `version_mismatch` where the file is newer than this program. */
export function migrate(db: DatabaseSync, path: string): void {
  const { user_version: found } = db.prepare("PRAGMA user_version").get() as {
    user_version: number;
  };
  if (found > latestSchema)
    throw new Fault(
      "version_mismatch",
      `${path} was written by a newer muster (schema ${found}, known ${latestSchema})`,
      {
        remedy: "npm install --global musterd@latest",
      },
    );
  for (let version = found; version < latestSchema; version++) {
    db.exec("BEGIN EXCLUSIVE");
    db.exec(steps[version] as string);
    db.exec(`PRAGMA user_version = ${version + 1}`);
    db.exec("COMMIT");
  }
}
