/**
 * One command under the shim, in a folder of its own (`gates/<key>/<n>/`): its whole output is kept with a hash. After a crash of
 * the daemon the result is read, a run that goes on is waited for, and one that was lost is run again as `n + 1`.
 */
import { createHash } from "node:crypto";
import {
  createReadStream,
  mkdirSync,
  openSync,
  closeSync,
  fstatSync,
  readSync,
  readdirSync,
} from "node:fs";
import { join } from "node:path";
import { endProcess, sweep } from "../process/end.ts";
import { type ShimState, awaitEnd, isRunning, readShim, startShim } from "../process/shim.ts";

export interface ShellCommand {
  /** The key's own folder under `gates/`. */
  readonly dir: string;
  readonly command: string;
  readonly cwd: string;
  readonly env: Readonly<Record<string, string>>;
  readonly timeoutMs: number;
  /** Value of MUSTER_GATE, by which leftovers are found. */
  readonly tag: string;
}

export interface CommandResult {
  /** null where it was ended because time was up. */
  readonly exit: number | null;
  readonly durationMs: number;
  readonly log: string;
  /** SHA-256 of the log. */
  readonly logSha: string;
  /** The last 4 KB of the log. */
  readonly tail: string;
}

/** Between TERM and KILL. */
const graceMs = 5_000;
const tailBytes = 4_096;

/** Runs `sh -c command` to its end, or to its time-out with everything it started. Throws Fault where it can't be started. */
export async function runCommand(command: ShellCommand): Promise<CommandResult> {
  const startedAt = performance.now();
  mkdirSync(command.dir, { recursive: true, mode: 0o700 });
  const last = lastStart(command.dir);
  let dir = join(command.dir, String(Math.max(last, 1)));
  let state = readShim(dir);
  if (state.claimed && state.exit === undefined && !isRunning(state)) {
    dir = join(command.dir, String(last + 1));
    state = readShim(dir);
  }
  if (!state.claimed)
    state = await startShim({
      dir,
      argv: ["/bin/sh", "-c", command.command],
      cwd: command.cwd,
      env: { ...command.env, MUSTER_GATE: command.tag },
      stdin: "none",
    });
  const exit = await awaitExit(dir, state, command.timeoutMs);
  await sweep(`MUSTER_GATE=${command.tag}`, state.id?.shim);
  const log = join(dir, "out.jsonl");
  return {
    exit,
    durationMs: Math.round(performance.now() - startedAt),
    log,
    logSha: await hashFile(log),
    tail: readTail(log),
  };
}

/** The highest start in a key's folder; 0 where there is none. */
function lastStart(dir: string): number {
  return readdirSync(dir).reduce((highest, name) => Math.max(highest, Number(name) || 0), 0);
}

/** The exit code; null after a time-out; 137 where it died without a record. */
async function awaitExit(dir: string, state: ShimState, timeoutMs: number): Promise<number | null> {
  const end = await awaitEnd(dir, state, timeoutMs);
  if (end === "lost") return 137;
  if (end === "recorded") return readShim(dir).exit ?? null;
  if (state.id !== undefined) await endProcess(state.id.child, graceMs);
  return null;
}

async function hashFile(path: string): Promise<string> {
  const hash = createHash("sha256");
  for await (const chunk of createReadStream(path)) hash.update(chunk as Buffer);
  return hash.digest("hex");
}

function readTail(path: string): string {
  const fd = openSync(path, "r");
  try {
    const { size } = fstatSync(fd);
    const buffer = Buffer.alloc(Math.min(size, tailBytes));
    readSync(fd, buffer, 0, buffer.length, size - buffer.length);
    const text = buffer.toString("utf8");
    return size > tailBytes ? text.slice(text.indexOf("\n") + 1) : text;
  } finally {
    closeSync(fd);
  }
}
