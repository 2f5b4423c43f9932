/** `launch.json`: what a start was made with, for `doctor` and for people. Replaced, never truncated; no secret is in it. */
import { mkdirSync } from "node:fs";
import { join } from "node:path";
import type { Launch } from "../core/runner.ts";
import { replaceFile } from "../config/write.ts";

export async function writeLaunch(launch: Launch): Promise<void> {
  mkdirSync(launch.dir, { recursive: true, mode: 0o700 });
  await replaceFile(join(launch.dir, "launch.json"), `${JSON.stringify(launch, null, 2)}\n`, {
    mode: 0o600,
  });
}
