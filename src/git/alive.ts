/** Git processes of ours that outlived us: they go on writing to a worktree after the daemon was killed. */
import { readFile, readlink } from "node:fs/promises";
import { setTimeout as pause } from "node:timers/promises";
import { pids } from "../process/identity.ts";
import { run } from "../process/run.ts";

/** True while a `git … --work-tree=<path> … read-tree …`, or a checkout worker of one, lives. */
export async function isWriting(worktree: string): Promise<boolean> {
  for (const { pid, words } of await readCommandLines()) {
    if (words.includes("read-tree") && words.includes(`--work-tree=${worktree}`)) return true;
    if (words.includes("checkout--worker") && (await readFolder(pid)) === worktree) return true;
  }
  return false;
}

async function readFolder(pid: number): Promise<string | undefined> {
  return readlink(`/proc/${pid}/cwd`).catch(() => undefined);
}

/** Waits until nobody writes to the worktree; false where someone still does after `limitMs`. */
export async function waitForWriters(worktree: string, limitMs: number): Promise<boolean> {
  // 50 ms: short against a checkout, long against reading /proc (about 5 ms).
  for (let waitedMs = 0; await isWriting(worktree); waitedMs += 50) {
    if (waitedMs >= limitMs) return false;
    await pause(50);
  }
  return true;
}

interface CommandLine {
  readonly pid: number;
  readonly words: readonly string[];
}

async function readCommandLines(): Promise<CommandLine[]> {
  const all = pids();
  if (all.length === 0) return readPsLines();
  return Promise.all(
    all.map(async (pid) => {
      const line = await readFile(`/proc/${pid}/cmdline`, "utf8").catch(() => "");
      return { pid, words: line.split("\0") };
    }),
  );
}

/** Where there is no /proc: the words are split at spaces, so a path with a space is not found. */
async function readPsLines(): Promise<CommandLine[]> {
  const env = { PATH: "/usr/bin:/bin", LC_ALL: "C" };
  const argv = ["ps", "-A", "-ww", "-o", "pid=,args="] as const;
  const listed = await run({ argv, cwd: "/", env, timeoutMs: 10_000 });
  const lines = listed.stdout.toString("utf8").split("\n");
  return lines.map((line) => {
    const [pid, ...words] = line.trim().split(" ");
    return { pid: Number(pid), words };
  });
}
