/** A ledger as SQL text, and back: it can be read in a review, and it is the same whatever SQLite writes its pages like. */
import { DatabaseSync } from "node:sqlite";
import { checksum } from "../../src/ledger/row.ts";

interface StoredEvent {
  readonly seq: number;
  readonly at: number;
  readonly type: string;
  readonly run: string | null;
  readonly data: string;
  readonly crc?: number | null;
}

export function readSchema(db: DatabaseSync): number {
  const { user_version: schema } = db.prepare("PRAGMA user_version").get() as {
    user_version: number;
  };
  return schema;
}

/** The file at `path` as SQL, every `root` in its events replaced by `/released`, with their checksums where they have one. */
export function dump(
  path: string,
  root: string,
): { readonly schema: number; readonly sql: string } {
  const db = new DatabaseSync(path, { readOnly: true });
  try {
    const schema = readSchema(db);
    const made = db.prepare("SELECT sql FROM sqlite_master WHERE sql IS NOT NULL").all();
    const events = db.prepare("SELECT * FROM events ORDER BY seq").all();
    const cache = db.prepare("SELECT seq, state FROM snapshot").all();
    const lines = [
      `PRAGMA user_version = ${schema};`,
      ...made.map(({ sql }) => `${String(sql)};`),
      ...(events as unknown as StoredEvent[]).map((row) => insertOf(row, root)),
      ...cache.map(
        ({ seq, state }) =>
          `INSERT INTO snapshot (id, seq, state) VALUES (1, ${String(seq)}, ${quoted(String(state).replaceAll(root, "/released"))});`,
      ),
    ];
    return { schema, sql: `${lines.join("\n")}\n` };
  } finally {
    db.close();
  }
}

function insertOf(row: StoredEvent, root: string): string {
  const said = { ...row, data: row.data.replaceAll(root, "/released") };
  const crc = row.crc == null ? {} : { crc: checksum(said) };
  const columns = { ...said, ...crc };
  const values = Object.values(columns).map((value) =>
    typeof value === "string" ? quoted(value) : String(value ?? "NULL"),
  );
  return `INSERT INTO events (${Object.keys(columns).join(", ")}) VALUES (${values.join(", ")});`;
}

function quoted(text: string): string {
  return `'${text.replaceAll("'", "''")}'`;
}

/** Makes the file that a dump is of. */
export function build(path: string, sql: string): void {
  const db = new DatabaseSync(path);
  try {
    db.exec("PRAGMA journal_mode = WAL");
    db.exec(`BEGIN;\n${sql}COMMIT;`);
  } finally {
    db.close();
  }
}
