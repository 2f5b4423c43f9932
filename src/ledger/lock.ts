/**
 * The single-instance lock: `lock.db` held with BEGIN EXCLUSIVE for as long as the daemon lives; the kernel drops it with the
 * process, also on kill -9. No other code of this process opens the file.
 */
import { DatabaseSync } from "node:sqlite";
import { Fault } from "../core/fault.ts";

/** Takes the lock; returns how to let go. Throws Fault `locked` where another live process holds it. */
export function takeLock(path: string): () => void {
  const db = new DatabaseSync(path);
  try {
    db.exec("PRAGMA journal_mode = DELETE; PRAGMA busy_timeout = 0; BEGIN EXCLUSIVE");
  } catch (cause) {
    db.close();
    throw new Fault("locked", `another muster daemon holds ${path}`, {
      remedy: "muster host status",
      cause,
    });
  }
  return () => db.close();
}
