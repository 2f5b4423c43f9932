/** What a runner leaves in an attempt's folder besides its starts. */
import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";

/** Writes a message that is too long for one line to `msg/<uuid>.md`; returns the text that names it. */
export function writeLongMessage(dir: string, uuid: string, text: string): string {
  const folder = join(dir, "msg");
  mkdirSync(folder, { recursive: true, mode: 0o700 });
  const path = join(folder, `${uuid}.md`);
  writeFileSync(path, text, { mode: 0o600 });
  return `The message is long. Read all of it from ${path} first, then do what it says.`;
}
