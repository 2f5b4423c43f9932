/** What SQLite says, as a Fault of ours. Codes: sqlite.org/rescode.html, the low byte of an extended one. */
import { Fault } from "../core/fault.ts";

/** The ledger at `path` can't be trusted; whoever opens it next sets it aside. */
export function damaged(path: string, why: string, cause?: unknown): Fault {
  return new Fault("damaged", `${path} is damaged: ${why}`, {
    remedy: "To have it set aside and rebuilt, run muster ls",
    cause,
  });
}

/** Performs `act`; throws Fault `no_space`, `locked`, `unwritable` or `damaged` for what SQLite says, everything else as it is. */
export function guard<T>(path: string, act: () => T): T {
  try {
    return act();
  } catch (cause) {
    throw translated(path, cause);
  }
}

function translated(path: string, cause: unknown): unknown {
  const extended = (cause as { errcode?: number }).errcode ?? 0;
  // What was written can't be read back: SQLITE_IOERR_READ, SQLITE_IOERR_DATA, SQLITE_IOERR_CORRUPTFS.
  if (extended === 266 || extended === 8202 || extended === 8458)
    return damaged(path, cause instanceof Error ? cause.message : String(cause), cause);
  // SQLITE_IOERR_SHMSIZE: what it shares with itself needs room beside the file, also to read it.
  switch (extended === 4874 ? 13 : extended & 0xff) {
    case 13: // SQLITE_FULL
      return new Fault("no_space", `no space left for ${path}`, {
        remedy: "free some space, then: muster resume",
        cause,
      });
    case 5: // SQLITE_BUSY
      return new Fault("locked", `${path} is in use by another process`, {
        remedy: "muster host status",
        cause,
      });
    case 14: // SQLITE_CANTOPEN
    case 8: // SQLITE_READONLY
      return new Fault("unwritable", `cannot write ${path}`, {
        remedy: `chmod u+rwx "$(dirname ${path})"`,
        cause,
      });
    case 11: // SQLITE_CORRUPT
    case 26: // SQLITE_NOTADB
      return damaged(path, cause instanceof Error ? cause.message : String(cause), cause);
    default:
      return cause;
  }
}
