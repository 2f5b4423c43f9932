/** What must not outlive a world: processes and files. */
import { readFileSync, readlinkSync, rmSync } from "node:fs";
import type { Client } from "../../src/api/client.ts";
import { pids } from "../../src/process/identity.ts";
import type { Model } from "../../src/testing/model/model.ts";
import { patiently } from "./patiently.ts";

/** Whatever names our folder in its environment or command line. */
export function processesOf(root: string): readonly string[] {
  const found: string[] = [];
  for (const pid of pids()) {
    if (pid === process.pid) continue;
    try {
      const command = readFileSync(`/proc/${pid}/cmdline`, "latin1").replaceAll("\0", " ");
      const environ = readFileSync(`/proc/${pid}/environ`, "latin1");
      const cwd = readlinkSync(`/proc/${pid}/cwd`);
      if (`${command}\0${environ}\0${cwd}`.includes(root)) found.push(`${pid} ${command}`);
    } catch {
      // Gone meanwhile, or another user's.
    }
  }
  return found;
}

/** How long what is ending may take. */
const goneMs = 15_000;

/** Ends the daemon and its sessions, removes everything, and throws where a process was left behind. */
export async function removeWorld(root: string, api: Client, model: Model): Promise<void> {
  await api.stopHost(true).catch(() => {});
  const isQuiet = (): boolean => processesOf(root).length === 0;
  const left = await patiently(isQuiet, goneMs, "no process left").then(
    () => [],
    () => processesOf(root),
  );
  for (const line of left) tryKill(Number.parseInt(line, 10));
  await model.close();
  rmSync(root, { recursive: true, force: true, maxRetries: 10, retryDelay: 50 });
  if (left.length > 0) throw new Error(`left behind: ${left.join("; ")}`);
}

function tryKill(pid: number): void {
  try {
    process.kill(pid, "SIGKILL");
  } catch {
    // It has just ended by itself.
  }
}
