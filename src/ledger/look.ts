/** A look at a ledger from outside: read-only, beside a daemon that may be writing. */
import { DatabaseSync } from "node:sqlite";
import { fromText } from "../core/serial.ts";
import type { AttemptId } from "../core/ids.ts";

export interface LedgerLook {
  readonly events: number;
  /** Attempts that are neither retired nor kept. */
  readonly open: ReadonlySet<AttemptId>;
}

/** Throws what SQLite says where the file can't be read. */
export function lookAtLedger(path: string): LedgerLook {
  const db = new DatabaseSync(path, { readOnly: true });
  try {
    db.exec("PRAGMA busy_timeout = 2000");
    const { events } = db.prepare("SELECT COUNT(*) AS events FROM events").get() as {
      events: number;
    };
    const rows = db
      .prepare(
        "SELECT type, data FROM events WHERE type IN ('attempt.admitted', 'attempt.retired', 'attempt.kept') ORDER BY seq",
      )
      .iterate() as Iterable<{ readonly type: string; readonly data: string }>;
    const open = new Set<AttemptId>();
    for (const { type, data } of rows) {
      const { att } = fromText(data) as { readonly att: AttemptId };
      if (type === "attempt.admitted") open.add(att);
      else open.delete(att);
    }
    return { events, open };
  } finally {
    db.close();
  }
}
