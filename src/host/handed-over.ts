/** What needed tasks of other projects handed to an attempt: where it lies is known to this host only, so it tells the session. */
import { existsSync, lstatSync, mkdirSync, readdirSync } from "node:fs";
import { dirname, join } from "node:path";
import { dropSiblings, replaceFile } from "../config/write.ts";
import type { AttemptId } from "../core/ids.ts";
import { type Host, attemptDir } from "./context.ts";

/** Where artifacts of an attempt's needed tasks are: `<task>/<path>` below it. */
export function handoverDir(host: Host, att: AttemptId): string {
  return join(attemptDir(host, att), "artifacts");
}

/** Puts a file there, read-only, where it is not there whole yet: a write that was cut off left nothing behind its name. */
export async function putArtifact(to: string, bytes: Uint8Array): Promise<void> {
  const folder = dirname(to);
  mkdirSync(folder, { recursive: true, mode: 0o700 });
  // Only the attempt's own provisioning writes there, and what lies there is named to the session.
  dropSiblings(folder);
  const stat = lstatSync(to, { throwIfNoEntry: false });
  if (stat?.isFile() === true && stat.size === bytes.length) return;
  await replaceFile(to, bytes, { mode: 0o400 });
}

/** The end of an attempt's first message that names the files; empty where there are none. */
export function handedOverText(host: Host, att: AttemptId): string {
  const dir = handoverDir(host, att);
  if (!existsSync(dir)) return "";
  const files = readdirSync(dir, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map((entry) => `  - ${join(entry.parentPath, entry.name)}`);
  if (files.length === 0) return "";
  return [
    "",
    "- Files of the tasks that this one needs, to be read and not changed:",
    ...files.toSorted(),
  ].join("\n");
}
