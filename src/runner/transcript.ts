/** The binary's own record of a session: `<config dir>/projects/<project>/<session>.jsonl`, one JSON object a line. */
import {
  closeSync,
  constants,
  existsSync,
  fstatSync,
  openSync,
  readSync,
  readdirSync,
  renameSync,
} from "node:fs";
import { join } from "node:path";
import type { Uuid } from "../core/ids.ts";

/** The first message comes behind a few notes; a prompt that is longer than this goes to a session as a file. */
const maxBytes = 4 * 1024 * 1024;
const chunkBytes = 64 * 1024;

/**
 * True where a config dir has a message of this session: one that never wrote any is unknown to the binary, which then starts it anew
 * under the same id (claude-code.md §2.3). Looks in every project's folder, as the binary does for a resume: in the default config
 * dir it names them itself.
 */
export function hasTranscript(configDir: string, session: Uuid): boolean {
  return transcriptsIn(configDir, session).some(hasMessage);
}

/**
 * Renames every transcript of this session without one whole message (a power cut, a full disk): the binary refuses to resume such a
 * one, and refuses to start anew while its file is there. Returns where they are now. No process may be on the session.
 */
export function setDamagedAside(configDir: string, session: Uuid): string[] {
  return transcriptsIn(configDir, session)
    .filter((path) => !hasMessage(path))
    .map((path) => {
      const aside = freeName(`${path}.damaged`);
      renameSync(path, aside);
      return aside;
    });
}

function freeName(path: string): string {
  for (let n = 1; ; n++) if (!existsSync(`${path}-${n}`)) return `${path}-${n}`;
}

function transcriptsIn(configDir: string, session: Uuid): string[] {
  const projects = join(configDir, "projects");
  return foldersIn(projects)
    .map((name) => join(projects, name, `${session}.jsonl`))
    .filter((path) => existsSync(path));
}

function foldersIn(path: string): readonly string[] {
  try {
    return readdirSync(path);
  } catch {
    return [];
  }
}

/** Reads up to the first whole line that is a message, and no further than 4 MiB. */
function hasMessage(path: string): boolean {
  let file: number;
  try {
    // A session could have put anything there: no pipe may hold us.
    file = openSync(path, constants.O_RDONLY | constants.O_NONBLOCK);
  } catch {
    return false;
  }
  try {
    if (!fstatSync(file).isFile()) return false;
    for (const line of lines(file)) if (isMessage(line)) return true;
    return false;
  } catch {
    return false;
  } finally {
    closeSync(file);
  }
}

/** The whole lines at the beginning of a file. */
function* lines(file: number): Generator<string, void> {
  const pieces: Buffer[] = [];
  for (let at = 0; at < maxBytes;) {
    const chunk = Buffer.alloc(chunkBytes);
    const bytes = readSync(file, chunk, 0, chunkBytes, at);
    if (bytes === 0) return;
    at += bytes;
    let from = 0;
    for (let end = chunk.indexOf(10); end !== -1 && end < bytes; end = chunk.indexOf(10, from)) {
      pieces.push(chunk.subarray(from, end));
      yield Buffer.concat(pieces).toString("utf8");
      pieces.length = 0;
      from = end + 1;
    }
    pieces.push(chunk.subarray(from, bytes));
  }
}

function isMessage(line: string): boolean {
  if (!line.startsWith("{")) return false;
  try {
    const { type, uuid } = JSON.parse(line) as { readonly type?: unknown; readonly uuid?: unknown };
    return (type === "user" || type === "assistant") && typeof uuid === "string";
  } catch {
    return false;
  }
}
