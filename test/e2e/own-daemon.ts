/** A daemon with an entry of a test's own in place of the product's, under the same respawning shell. */
import { mkdirSync } from "node:fs";
import { join } from "node:path";
import { lean } from "../../src/cli/connect.ts";
import { startRespawning } from "../../src/process/respawn.ts";
import type { World } from "./harness.ts";
import { patiently } from "./patiently.ts";

const startMs = 30_000;

interface Own {
  /** Beyond those of the product's daemon. */
  readonly flags?: readonly string[];
  readonly env?: Readonly<Record<string, string>>;
}

/** Starts `entry`; returns once it answers. */
export async function startOwnDaemon(
  { state, env, api }: World,
  entry: string,
  { flags = [], env: more = {} }: Own = {},
): Promise<void> {
  mkdirSync(state, { recursive: true, mode: 0o700 });
  startRespawning({
    argv: [process.execPath, ...lean.flags, ...flags, entry],
    env: { ...env, ...lean.env, ...more },
    cwd: "/",
    log: join(state, "daemon.err"),
    note: join(state, "daemon.note"),
  });
  const isUp = async (): Promise<boolean> => (await api.version()).pid > 0;
  await patiently(isUp, startMs, "a daemon");
}
