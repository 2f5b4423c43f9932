/** What setup and `copy` brought into an attempt's worktree: ignored files that a snapshot need not keep. */
import { existsSync, mkdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { replaceFile } from "../config/write.ts";
import type { AttemptId } from "../core/ids.ts";
import { type Host, attemptDir } from "./context.ts";

export async function writeBrought(
  host: Host,
  att: AttemptId,
  paths: readonly string[],
): Promise<void> {
  mkdirSync(attemptDir(host, att), { recursive: true, mode: 0o700 });
  await replaceFile(join(attemptDir(host, att), "brought.json"), `${JSON.stringify(paths)}\n`, {
    mode: 0o600,
  });
}

/** Empty where the attempt was never provisioned to the end. */
export function readBrought(host: Host, att: AttemptId): readonly string[] {
  const path = join(attemptDir(host, att), "brought.json");
  return existsSync(path) ? (JSON.parse(readFileSync(path, "utf8")) as string[]) : [];
}
