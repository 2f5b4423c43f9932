/** The developer's log: NDJSON in `log/muster.ndjson`, one writer, five files of 10 MB. What a run did is in the ledger, not here. */
import { appendFileSync, mkdirSync, renameSync, statSync } from "node:fs";
import { join } from "node:path";

export type Log = (
  level: "info" | "warn" | "error",
  message: string,
  fields?: Readonly<Record<string, unknown>>,
) => void;

const maxBytes = 10 * 1024 * 1024;
const maxFiles = 5;

export function openLog(home: string): Log {
  const dir = join(home, "log");
  mkdirSync(dir, { recursive: true, mode: 0o700 });
  const path = join(dir, "muster.ndjson");
  let size = statSync(path, { throwIfNoEntry: false })?.size ?? 0;
  return (level, message, fields = {}) => {
    const line = `${JSON.stringify({ time: new Date().toISOString(), level, pid: process.pid, msg: message, ...fields })}\n`;
    try {
      if (size + line.length > maxBytes) {
        rotate(path);
        size = 0;
      }
      appendFileSync(path, line, { mode: 0o600 });
      size += line.length;
    } catch {
      // A log that can't be written (a full disk) must not end the daemon.
    }
  };
}

function rotate(path: string): void {
  for (let n = maxFiles - 1; n >= 1; n--) {
    const from = n === 1 ? path : `${path}.${n - 1}`;
    if (statSync(from, { throwIfNoEntry: false }) !== undefined) renameSync(from, `${path}.${n}`);
  }
}
