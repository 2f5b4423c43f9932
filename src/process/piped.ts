/**
 * A child on pipes, for a library that wants to talk to it itself: same folder, same records as under the shim (`claim id exit
 * out.jsonl err`), but it does not outlive us. Every byte of its stdout is in `out.jsonl` before anyone else sees it.
 */
import { type ChildProcess, spawn } from "node:child_process";
import {
  appendFileSync,
  closeSync,
  mkdirSync,
  openSync,
  renameSync,
  writeFileSync,
  writeSync,
} from "node:fs";
import { constants } from "node:os";
import { join } from "node:path";
import { PassThrough, type Readable, type Writable } from "node:stream";
import { Fault } from "../core/fault.ts";
import { bootId, readIdentity } from "./identity.ts";
import { preferAsVictim } from "./memory.ts";
import { withChildUmask } from "./umask.ts";
import { claimStart, ownIdentity, shimProtocol } from "./shim.ts";

/** What a child whose stream can't be kept gets between TERM and KILL. */
const graceMs = 2_000;

export interface PipedCommand {
  readonly dir: string;
  readonly argv: readonly [string, ...string[]];
  readonly cwd: string;
  readonly env: Readonly<Record<string, string>>;
  readonly secret?: string;
}

type ExitListener = (code: number | null, signal: NodeJS.Signals | null) => void;
type ErrorListener = (error: Error) => void;

export interface Piped {
  readonly pid: number;
  readonly stdin: Writable;
  readonly stdout: Readable;
  readonly killed: boolean;
  readonly exitCode: number | null;
  readonly signalCode: NodeJS.Signals | null;
  kill(signal: NodeJS.Signals): boolean;
  on(event: "exit", listener: ExitListener): void;
  on(event: "error", listener: ErrorListener): void;
  once(event: "exit", listener: ExitListener): void;
  once(event: "error", listener: ErrorListener): void;
  off(event: "exit", listener: ExitListener): void;
  off(event: "error", listener: ErrorListener): void;
}

/** Behind its end a command's last words lie in the pipe: 64 KiB, read at once. Shorter than `awaitEnd` waits for a record. */
const drainMs = 1_000;

/**
 * Starts the command. Throws Fault `refused` where this start was made before, `not_found` where it can't be started. A stream that
 * can't be kept whole (the disk is full) ends it: nobody sees more of it than `out.jsonl` has, and `exit` may be missing, as
 * under the shim.
 */
export function startPiped({ dir, argv, cwd, env, secret }: PipedCommand): Piped {
  mkdirSync(dir, { recursive: true, mode: 0o700 });
  if (!claimStart(dir)) throw new Fault("refused", `start ${dir} was made before`);
  const out = openSync(join(dir, "out.jsonl"), "a", 0o600);
  const err = openSync(join(dir, "err"), "a", 0o600);
  const [file, ...args] = argv;
  const child = withChildUmask(() =>
    spawn(file, args, { cwd, env, detached: true, stdio: ["pipe", "pipe", err, "pipe"] }),
  );
  closeSync(err);
  const { stdin, stdout, pid } = child;
  if (pid === undefined || stdin === null || stdout === null) {
    child.once("error", () => {});
    throw new Fault("not_found", `cannot run ${file} in ${cwd}`);
  }
  const secretPipe = child.stdio[3] as Writable;
  secretPipe.on("error", () => {}); // The command ended without reading it; its exit says why.
  secretPipe.end(secret ?? "");
  preferAsVictim(pid);
  stdin.on("error", () => {}); // EPIPE: its exit says why.
  try {
    recordId(dir, pid);
  } catch (error) {
    child.kill("SIGKILL");
    closeSync(out);
    throw error;
  }
  const copy = keep(child, stdout, out, dir);
  // What it left behind may hold its pipes open, and what that says is not its own any more.
  child.once("exit", () =>
    setTimeout(() => {
      for (const pipe of child.stdio) pipe?.destroy();
    }, drainMs).unref(),
  );
  child.once("close", (code, signal) => {
    const exit = `${code ?? 128 + (constants.signals[signal ?? "SIGKILL"] ?? 9)}\n`;
    // Without it the end is seen by the identity; to throw in a listener would end the daemon.
    attempt(() => replace(dir, "exit", exit));
  });
  return Object.assign(child, { pid, stdin, stdout: copy });
}

/** Writes what comes to `out`, and gives what is written; what can't be written ends the child. Closes `out`. */
function keep(child: ChildProcess, stdout: Readable, out: number, dir: string): Readable {
  const copy = new PassThrough();
  let killing: NodeJS.Timeout | undefined;
  stdout.on("data", (chunk: Buffer) => {
    if (killing !== undefined) return;
    try {
      writeAll(out, chunk);
      copy.write(chunk);
    } catch (error) {
      copy.end();
      attempt(() => appendFileSync(join(dir, "err"), `muster: out.jsonl: ${String(error)}\n`));
      child.kill("SIGTERM");
      killing = setTimeout(() => child.kill("SIGKILL"), graceMs);
    }
  });
  child.once("close", () => {
    clearTimeout(killing);
    copy.end();
    closeSync(out);
  });
  return copy;
}

/** One write may take less than it is given: it does where the disk is about to be full. */
function writeAll(fd: number, bytes: Buffer): void {
  for (let from = 0; from < bytes.length;) from += writeSync(fd, bytes, from);
}

function attempt(act: () => void): void {
  try {
    act();
  } catch {
    // The disk takes nothing: whoever looks at the folder sees what is missing.
  }
}

function recordId(dir: string, pid: number): void {
  const shim = ownIdentity();
  const child = readIdentity(pid);
  if (child === undefined) return; // Gone already: `exit` follows.
  replace(
    dir,
    "id",
    [shimProtocol, bootId(), shim.pid, shim.startedAt, child.pid, child.startedAt, ""].join("\n"),
  );
}

function replace(dir: string, name: string, text: string): void {
  writeFileSync(join(dir, `${name}.new`), text, { mode: 0o600 });
  renameSync(join(dir, `${name}.new`), join(dir, name));
}
