/** What a runner leaves in an attempt's folder besides its starts, and what the starts say of each other. */
import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { Fault } from "../core/fault.ts";
import type { Launch } from "../core/runner.ts";
import { isRunning, readShim } from "../process/shim.ts";

/**
 * Makes the folders of an attempt. The lock of its session: throws Fault `refused` where an earlier start of it still runs,
 * because the binary lets two processes resume one session and loses a branch (claude-code.md §7.4).
 */
export function openAttempt({ dir, n, session }: Launch): void {
  for (let start = 1; start < n; start++)
    if (isRunning(readShim(join(dir, String(start)))))
      throw new Fault("refused", `session ${session} still runs as start ${start} in ${dir}`);
  for (const name of ["cfg", "tmp", "msg"])
    mkdirSync(join(dir, name), { recursive: true, mode: 0o700 });
}

/** Writes a message that is too long for one line to `msg/<uuid>.md`; returns the text that names it. */
export function writeLongMessage(dir: string, uuid: string, text: string): string {
  const folder = join(dir, "msg");
  mkdirSync(folder, { recursive: true, mode: 0o700 });
  const path = join(folder, `${uuid}.md`);
  writeFileSync(path, text, { mode: 0o600 });
  return `The message is long. Read all of it from ${path} first, then do what it says.`;
}
