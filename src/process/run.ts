/**
 * The one door for short commands: argv array, no shell, an environment that is given whole, a limit on time and on output,
 * and an end that takes the process group with it. Long-lived children go through the shim (`shim.ts`).
 */
import { spawn } from "node:child_process";
import { Fault } from "../core/fault.ts";
import { withChildUmask } from "./umask.ts";

export interface Command {
  readonly argv: readonly [string, ...string[]];
  readonly cwd: string;
  /** The whole environment: nothing is inherited. */
  readonly env: Readonly<Record<string, string>>;
  readonly timeoutMs: number;
  readonly input?: string | Uint8Array;
  /** Output beyond this many bytes (stdout, stderr each) ends the command as `too_large`. Default 256 MiB. */
  readonly maxBytes?: number;
  readonly signal?: AbortSignal;
}

export interface Finished {
  readonly code: number | null;
  readonly signal: NodeJS.Signals | null;
  readonly stdout: Buffer;
  readonly stderr: Buffer;
  /** Why we ended it, where we did. */
  readonly ended: "timed_out" | "too_large" | "aborted" | null;
  readonly ms: number;
}

const defaultMaxBytes = 256 * 1024 * 1024;
/** Between TERM and KILL: enough for git to remove its lock files. */
const graceMs = 2_000;

/**
 * Runs a command to its end. Never throws for an exit code, a signal or a time-out: read them from the result.
 * Throws Fault `not_found` where the program or the directory does not exist.
 */
export async function run(command: Command): Promise<Finished> {
  const startedAt = performance.now();
  const [file, ...args] = command.argv;
  const child = withChildUmask(() =>
    spawn(file, args, {
      cwd: command.cwd,
      env: command.env,
      detached: true,
      stdio: ["pipe", "pipe", "pipe"],
    }),
  );
  const limit = command.maxBytes ?? defaultMaxBytes;
  let ended: Finished["ended"] = null;
  let killTimer: NodeJS.Timeout | undefined;
  const end = (why: NonNullable<Finished["ended"]>): void => {
    if (ended !== null) return;
    ended = why;
    killGroup(child.pid, "SIGTERM");
    killTimer = setTimeout(() => killGroup(child.pid, "SIGKILL"), graceMs);
  };
  const timer = setTimeout(() => end("timed_out"), command.timeoutMs);
  const onAbort = (): void => end("aborted");
  command.signal?.addEventListener("abort", onAbort, { once: true });
  const stdout = collect(child.stdout, limit, () => end("too_large"));
  const stderr = collect(child.stderr, limit, () => end("too_large"));
  child.stdin.on("error", () => {}); // EPIPE: the command did not read its input; its exit code says the rest.
  child.stdin.end(command.input ?? "");
  try {
    const [code, signal] = await exited(child, command);
    return {
      code,
      signal,
      stdout: Buffer.concat(stdout),
      stderr: Buffer.concat(stderr),
      ended,
      ms: performance.now() - startedAt,
    };
  } finally {
    clearTimeout(timer);
    clearTimeout(killTimer);
    command.signal?.removeEventListener("abort", onAbort);
  }
}

function exited(
  child: ReturnType<typeof spawn>,
  command: Command,
): Promise<[number | null, NodeJS.Signals | null]> {
  return new Promise((resolve, reject) => {
    child.once("error", (cause: NodeJS.ErrnoException) => {
      const what =
        cause.code === "ENOENT" ? `cannot run ${command.argv[0]} in ${command.cwd}` : cause.message;
      reject(new Fault("not_found", what, { cause }));
    });
    child.once("close", (code, signal) => resolve([code, signal]));
  });
}

function collect(stream: NodeJS.ReadableStream, limit: number, onOver: () => void): Buffer[] {
  const chunks: Buffer[] = [];
  let size = 0;
  stream.on("data", (chunk: Buffer) => {
    size += chunk.length;
    if (size > limit) onOver();
    else chunks.push(chunk);
  });
  return chunks;
}

/** The group is ours: `detached` made the child its leader, and it is not reaped before `close`. */
function killGroup(pid: number | undefined, name: NodeJS.Signals): void {
  if (pid === undefined) return;
  try {
    process.kill(-pid, name);
  } catch {
    // Gone already.
  }
}
