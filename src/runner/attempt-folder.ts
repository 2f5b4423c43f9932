/** What a runner leaves in an attempt's folder besides its starts, and what the starts say of each other. */
import { mkdirSync } from "node:fs";
import { join } from "node:path";
import { Fault } from "../core/fault.ts";
import type { Launch } from "../core/runner.ts";
import { claimName, holderOf } from "../process/claim.ts";
import { replaceNow } from "../process/replace.ts";
import { isRunning, readShim } from "../process/shim.ts";

/** A terminal has the session: it is not started beside that. */
export class OpenInTerminal extends Fault {
  constructor(session: string, pid: number) {
    super("refused", `session ${session} is open in a terminal (process ${pid})`);
  }
}

/**
 * Makes the folders of an attempt. The lock of its session: throws Fault `refused` where an earlier start of it still runs, OpenInTerminal where a terminal has it,
 * because the binary lets two processes resume one session and loses a branch (claude-code.md §7.4).
 */
export function openAttempt({ dir, n, session }: Launch): void {
  for (let start = 1; start < n; start++)
    if (isRunning(readShim(join(dir, String(start)))))
      throw new Fault("refused", `session ${session} still runs as start ${start} in ${dir}`);
  const holder = holderOf(join(dir, claimName));
  if (holder !== undefined) throw new OpenInTerminal(session, holder.pid);
  for (const name of ["cfg", "tmp", "msg"])
    mkdirSync(join(dir, name), { recursive: true, mode: 0o700 });
}

/**
 * Puts a message that is too long for one line at `msg/<uuid>.md`, replacing what was said before: a session may be reading it.
 * Returns the text that names it.
 */
export function writeLongMessage(dir: string, uuid: string, text: string): string {
  const folder = join(dir, "msg");
  mkdirSync(folder, { recursive: true, mode: 0o700 });
  const path = join(folder, `${uuid}.md`);
  replaceNow(path, text);
  return `The message is long. Read all of it from ${path} first, then do what it says.`;
}
