/**
 * The shim: a detached few-line `sh` (under 2 MB) that outlives the daemon. Its first act is `mkdir claim`, so a start runs at
 * most once. It runs the command in its foreground (a background child of sh would ignore SIGINT), with stdin from a FIFO that
 * it holds open read-write and stdout to a file, so nothing breaks when the daemon goes away. `id` is written by the child about
 * itself before it becomes the command, `exit` by the shim; both by rename. Design §7; reliability.md §1.
 *
 *   <dir>/claim/  in  out.jsonl  err  id  exit
 */
import { type SpawnOptions, spawn } from "node:child_process";
import {
  closeSync,
  constants,
  existsSync,
  mkdirSync,
  openSync,
  readFileSync,
  writeSync,
} from "node:fs";
import { join } from "node:path";
import { setTimeout as wait } from "node:timers/promises";
import { Fault } from "../core/fault.ts";
import { awaitFile } from "./files.ts";
import { rather } from "./memory.ts";
import { withChildUmask } from "./umask.ts";
import { type Identity, bootId, isAlive, readIdentity } from "./identity.ts";

/** Version of the folder's layout and of what may be written into `in`. */
export const shimProtocol = 1;

/**
 * What runs in the child before it becomes the command: it offers itself to the kernel for when memory runs out (the shim stays, to
 * record the end), and writes its own identity. $1 = dir, $2 = boot id, $3 = shim's pid.
 */
const childScript = `
d=$1 b=$2 s=$3; shift 3
( o=/proc/$$/oom_score_adj; [ -w $o ] && read -r a < $o && echo $((a > ${1000 - rather} ? 1000 : a + ${rather})) > $o ) 2>/dev/null
t() { if [ -r "/proc/$1/stat" ]; then read -r l < "/proc/$1/stat"; l=\${l##*) }; set -- $l; shift 19; echo "$1"; else ps -o lstart= -p "$1"; fi; }
printf '%s\\n%s\\n%s\\n%s\\n%s\\n%s\\n' "${shimProtocol}" "$b" "$s" "$(t "$s")" "$$" "$(t $$)" > "$d/id.new" && mv "$d/id.new" "$d/id" && exec "$@"
exit 91
`;

/** $1 = dir, $2 = stdin (fifo | none), $3 = boot id, $4 = the child's script; the command follows. */
const shimScript = `
d=$1 i=$2 b=$3 c=$4; shift 4
mkdir "$d/claim" || exit 90
trap : TERM INT HUP
if [ "$i" = fifo ]; then
  mkfifo "$d/in" && sh -c "$c" muster-session "$d" "$b" $$ "$@" <> "$d/in" >> "$d/out.jsonl" 2>> "$d/err"
else
  sh -c "$c" muster-session "$d" "$b" $$ "$@" < /dev/null >> "$d/out.jsonl" 2>&1
fi
e=$?
printf '%s\\n' "$e" > "$d/exit.new" && mv "$d/exit.new" "$d/exit"
`;

/** A child that has not said who it is after this long never will (a cold binary takes under a second). */
const idTimeoutMs = 20_000;

export interface ShimCommand {
  /** Made here; one start, never reused. */
  readonly dir: string;
  readonly argv: readonly [string, ...string[]];
  readonly cwd: string;
  readonly env: Readonly<Record<string, string>>;
  readonly stdin: "fifo" | "none";
  /** Comes in on fd 3 and nowhere else. */
  readonly secret?: string;
}

export interface ShimId {
  readonly shim: Identity;
  readonly child: Identity;
}

/** What a start's folder says about it. */
export interface ShimState {
  readonly claimed: boolean;
  readonly id: ShimId | undefined;
  /** As the shell saw it: 128 + n for signal n. */
  readonly exit: number | undefined;
}

/**
 * Starts a command under the shim and returns once it has said who it is (or has ended already).
 * Throws Fault `refused` where the start was claimed before, `timed_out` where it never came up.
 */
export async function startShim(command: ShimCommand): Promise<ShimState> {
  const { dir } = command;
  mkdirSync(dir, { recursive: true, mode: 0o700 });
  if (existsSync(join(dir, "claim"))) throw new Fault("refused", `start ${dir} was made before`);
  const options: SpawnOptions = {
    cwd: command.cwd,
    env: command.env,
    detached: true,
    stdio: command.secret === undefined ? "ignore" : ["ignore", "ignore", "ignore", "pipe"],
  };
  const argv = [
    "-c",
    shimScript,
    "muster-shim",
    dir,
    command.stdin,
    bootId(),
    childScript,
    ...command.argv,
  ];
  const child = withChildUmask(() => spawn("/bin/sh", argv, options));
  const failed = new Promise<never>((_resolve, reject) => {
    child.once("error", (cause) =>
      reject(new Fault("not_found", `cannot start a session in ${command.cwd}`, { cause })),
    );
  });
  const secretPipe = (child.stdio as readonly unknown[] | null)?.[3] as
    | NodeJS.WritableStream
    | undefined;
  secretPipe?.on("error", () => {}); // The command ended without reading it; its exit says why.
  if (command.secret !== undefined) secretPipe?.end(command.secret);
  child.unref();
  const up = awaitFile(dir, ["id", "exit"], idTimeoutMs);
  const seen = await Promise.race([up, failed]);
  if (seen === undefined)
    throw new Fault(
      "timed_out",
      `the session in ${dir} did not come up within ${idTimeoutMs / 1000} s`,
    );
  return readShim(dir);
}

/** Reads a start's folder; never throws for one that is not there. */
export function readShim(dir: string): ShimState {
  const exit = readText(join(dir, "exit"));
  return {
    claimed: existsSync(join(dir, "claim")),
    id: parseId(readText(join(dir, "id"))),
    exit: exit === undefined ? undefined : Number(exit),
  };
}

function parseId(text: string | undefined): ShimId | undefined {
  const [protocol, boot, shimPid, shimStart, pid, start] = (text ?? "").split("\n");
  if (protocol === undefined || boot === undefined || start === undefined) return undefined;
  return {
    shim: { pid: Number(shimPid), startedAt: shimStart ?? "", boot },
    child: { pid: Number(pid), startedAt: start, boot },
  };
}

function readText(path: string): string | undefined {
  try {
    return readFileSync(path, "utf8").trimEnd();
  } catch {
    return undefined;
  }
}

/** How often a command is looked at while it lives, and how soon again once it was missed. */
const lookMs = 2_000;
const againMs = 250;
/** A shim that lives has its record written long before (some 20 ms at a load of 8): one that takes this long was stopped. */
const recordMs = 5_000;

/** `lost`: no record will come. */
export type End = "recorded" | "lost" | "timed_out" | "released";

/**
 * Waits for the end of the start in `dir`. Lost is what two looks in a row found gone together with its shim, which could still
 * record the end; or what is gone while its shim lives on and records nothing for 5 s. Silence is not death: the identity is.
 */
export async function awaitEnd(
  dir: string,
  state: ShimState,
  timeoutMs: number,
  released: AbortSignal = new AbortController().signal,
): Promise<End> {
  const lost = new AbortController();
  let missedAt: number | undefined;
  let timer: NodeJS.Timeout | undefined;
  const look = (): void => {
    if (isRunning(state)) missedAt = undefined;
    else if (missedAt === undefined) missedAt = performance.now();
    else {
      const isKept = state.id !== undefined && isAlive(state.id.shim);
      if (!isKept || performance.now() - missedAt >= recordMs) return lost.abort();
    }
    timer = setTimeout(look, missedAt === undefined ? lookMs : againMs);
  };
  look();
  const either = AbortSignal.any([released, lost.signal]);
  const found = await awaitFile(dir, ["exit"], timeoutMs, either);
  clearTimeout(timer);
  if (found !== undefined || readShim(dir).exit !== undefined) return "recorded";
  if (released.aborted) return "released";
  return lost.signal.aborted ? "lost" : "timed_out";
}

/** Makes the claim for a start that never ran: true means that it never ran and never can. */
export function claimStart(dir: string): boolean {
  mkdirSync(dir, { recursive: true, mode: 0o700 });
  try {
    mkdirSync(join(dir, "claim"));
    return true;
  } catch {
    return false;
  }
}

/** The longest line that goes into the FIFO: it fits an empty pipe (64 KiB), so it is one write(2). */
export const maxLineBytes = 48 * 1024;
const writeTimeoutMs = 15_000;

/**
 * Writes one line to the session's FIFO. One writer: callers serialize. Throws Fault `refused` for a line that is too long,
 * `not_found` where no session reads, `timed_out` where it does not read for 15 s.
 */
export async function writeLine(dir: string, line: string): Promise<void> {
  const bytes = Buffer.from(`${line}\n`);
  if (bytes.length > maxLineBytes)
    throw new Fault("refused", `a line of ${bytes.length} bytes is too long for the session`);
  let fd: number;
  try {
    fd = openSync(join(dir, "in"), constants.O_WRONLY | constants.O_NONBLOCK);
  } catch (cause) {
    throw new Fault("not_found", `no session reads ${dir}/in`, { cause });
  }
  try {
    await writeAll(fd, bytes);
  } finally {
    closeSync(fd);
  }
}

async function writeAll(fd: number, bytes: Buffer): Promise<void> {
  const until = performance.now() + writeTimeoutMs;
  for (let from = 0; from < bytes.length;) {
    try {
      from += writeSync(fd, bytes, from);
    } catch (cause) {
      if ((cause as NodeJS.ErrnoException).code !== "EAGAIN") throw cause;
      if (performance.now() > until)
        throw new Fault("timed_out", "the session does not read its input", { cause });
      await wait(10); // The pipe is full: there is no event for a FIFO that drains.
    }
  }
}

/** This process as an identity, for records that name their writer. */
export function ownIdentity(): Identity {
  const own = readIdentity(process.pid);
  if (own === undefined) throw new Error("this process has an identity");
  return own;
}

/** True while the command itself lives. */
export function isRunning(state: ShimState): boolean {
  return state.exit === undefined && state.id !== undefined && isAlive(state.id.child);
}
