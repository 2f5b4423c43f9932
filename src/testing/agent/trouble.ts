/** Trouble that all sessions of a test share: an API that is busy, or that refuses a key. */
import { closeSync, constants, openSync, writeSync } from "node:fs";
import type { AnswerOptions } from "../model/answer.ts";

/**
 * What the environment says: with the path `/trouble/STATUS/FILE` in `ANTHROPIC_BASE_URL` every request fails with that status for as
 * long as `/FILE` is there. Each one leaves a line with the session's id in it.
 */
export function sharedTrouble(
  env: Readonly<Record<string, string>>,
  sessionId: string,
): AnswerOptions {
  const [, status, file] = /\/trouble\/(\d+)(\/.+)$/.exec(env["ANTHROPIC_BASE_URL"] ?? "") ?? [];
  if (file === undefined) return {};
  return {
    script() {
      try {
        const log = openSync(file, constants.O_WRONLY | constants.O_APPEND);
        writeSync(log, `${sessionId}\n`);
        closeSync(log);
      } catch {
        return undefined;
      }
      return { status: Number(status) };
    },
  };
}

/** The base URL for trouble with `status` while `file` (an absolute path) is there. */
export function troubleUrl(url: string, status: number, file: string): string {
  return `${url}/trouble/${status}${file}`;
}
