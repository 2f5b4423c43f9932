/** The binary's own record of a session. */
import { existsSync, readdirSync } from "node:fs";
import { join } from "node:path";
import type { Uuid } from "../core/ids.ts";

/**
 * True where a config dir has lines of this session: one that never wrote any is unknown to the binary, which then starts it anew
 * under the same id (claude-code.md §2.3). Looks in every project's folder, as the binary does for a resume: in the default config
 * dir it names them itself.
 */
export function hasTranscript(configDir: string, session: Uuid): boolean {
  const projects = join(configDir, "projects");
  return foldersIn(projects).some((name) => existsSync(join(projects, name, `${session}.jsonl`)));
}

function foldersIn(path: string): readonly string[] {
  try {
    return readdirSync(path);
  } catch {
    return [];
  }
}
