/**
 * A session that takes the place of another, or whose transcript was lost, knows nothing of its task: the first message that it
 * gets says it again. Which message that is is written down, so that it is the same one after a restart of the daemon.
 */
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { replaceFile } from "../config/write.ts";
import type { Effect } from "../core/effects.ts";
import type { AttemptId } from "../core/ids.ts";
import { type Host, attemptDir } from "./context.ts";

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

/** True for the first message that a session without a past hears, however often it is sent. */
export async function beginsAnew(
  host: Host,
  { att, n, message }: Extract<Effect, { do: "send" }>,
): Promise<boolean> {
  const noted = read(host, att);
  if (noted === undefined || noted.n !== n) return false;
  if (noted.message !== null) return noted.message === message.uuid;
  await write(host, att, { n, message: message.uuid });
  return true;
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
