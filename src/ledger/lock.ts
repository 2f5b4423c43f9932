/**
 * The single-instance lock: `lock.db` held with BEGIN EXCLUSIVE for as long as the daemon lives; the kernel drops it with the
 * process, also on kill -9. Nothing is ever written to it, so it can be taken on a full disk. No other code of this process opens
 * the file.
 */
import { DatabaseSync } from "node:sqlite";
import { Fault } from "../core/fault.ts";
import { guard } from "./errors.ts";

/** Takes the lock; returns how to let go. Throws Fault `locked` where another live process holds it, `no_space`, `unwritable`. */
export function takeLock(path: string): () => void {
  const db = guard(path, () => new DatabaseSync(path));
  try {
    guard(path, () =>
      db.exec("PRAGMA journal_mode = MEMORY; PRAGMA busy_timeout = 0; BEGIN EXCLUSIVE"),
    );
  } catch (cause) {
    db.close();
    if (!(cause instanceof Fault) || cause.code !== "locked") throw cause;
    throw new Fault("locked", `another muster daemon holds ${path}`, {
      remedy: "muster host status",
      cause,
    });
  }
  return () => db.close();
}
