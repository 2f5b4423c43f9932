/**
 * A session whose transcript was lost begins anew and knows nothing of its task: the first message that it gets says it again. Which
 * message that is is written down, so that it is the same one after a restart of the daemon.
 */
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { replaceFile } from "../config/write.ts";
import type { Effect } from "../core/effects.ts";
import type { AttemptId } from "../core/ids.ts";
import { promptText } from "../core/texts.ts";
import { type Host, attemptDir } from "./context.ts";
import { handedOverText } from "./handed-over.ts";

interface Anew {
  /** The start that begins anew. */
  readonly n: number;
  /** The message that says the task again; null = the first one. */
  readonly message: string | null;
}

/** Notes that start `n` knows nothing of what was said before. */
export async function noteAnew(host: Host, att: AttemptId, n: number): Promise<void> {
  await write(host, att, { n, message: null });
}

/** The text of a message as the session is to get it: with the task before it where it is the first after a loss. */
export async function withLostTask(
  host: Host,
  { att, n, message, spec }: Extract<Effect, { do: "send" }>,
  text: string,
): Promise<string> {
  const noted = read(host, att);
  if (noted === undefined || noted.n !== n) return text;
  if (noted.message !== null && noted.message !== message.uuid) return text;
  await write(host, att, { n, message: message.uuid });
  if (message.kind === "prompt") return text;
  return [
    "What was said in this session before was lost with its transcript; the files on disk are as they were left. Look at `git status` and `git log -5` first. The task was:",
    "",
    `${promptText(spec)}${handedOverText(host, att)}`,
    "",
    "---",
    "What comes next:",
    "",
    text,
  ].join("\n");
}

function fileOf(host: Host, att: AttemptId): string {
  return join(attemptDir(host, att), "anew.json");
}

async function write(host: Host, att: AttemptId, anew: Anew): Promise<void> {
  await replaceFile(fileOf(host, att), `${JSON.stringify(anew)}\n`, { mode: 0o600 });
}

function read(host: Host, att: AttemptId): Anew | undefined {
  try {
    return JSON.parse(readFileSync(fileOf(host, att), "utf8")) as Anew;
  } catch {
    return undefined;
  }
}
