/**
 * The daemon: one per MUSTER_HOME. It starts with the allow-listed environment only, holds the lock for as long as it lives, and
 * exits by itself when no run was open for ten minutes.
 */
import { writeSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as wait } from "node:timers/promises";
import { listen } from "../api/server.ts";
import { ensureHome, ensureSocketFolder, musterHome, socketPath } from "../config/paths.ts";
import { packageVersion } from "../config/version.ts";
import { Fault, exitCodes } from "../core/fault.ts";
import type { Capacity } from "../core/inputs.ts";
import type { Boundary } from "../host/boundary.ts";
import { takeLock } from "../ledger/lock.ts";
import { isFull, noSpace } from "../process/full.ts";
import { noSpaceCode } from "../process/respawn.ts";
import { setChildUmask } from "../process/umask.ts";
import { openHouse } from "./compose.ts";
import { openLog } from "./log.ts";
import { retryMs } from "./turns.ts";

const idleExitMs = 10 * 60_000;
const idleLookMs = 30_000;

/** What tests give to a daemon; the product's has neither. */
export interface DaemonOptions {
  readonly boundary?: Boundary;
  readonly capacity?: () => Capacity;
}

/** The lock, once it is taken. Whoever waits keeps it: one that nothing refers to is closed with the garbage. */
interface Lock {
  release: () => void;
}

/** Runs the daemon of this MUSTER_HOME until it is asked to end. Throws Fault `locked` where another one lives. */
async function runDaemon(options: DaemonOptions, lock: Lock): Promise<void> {
  setChildUmask(process.umask(0o077));
  const home = ensureHome(musterHome(process.env));
  const socket = socketPath(home, process.env);
  ensureSocketFolder(socket);
  lock.release = takeLock(join(home, "lock.db"));
  const log = openLog(home);
  const end = ending();
  const house = await openHouse({
    home,
    socket,
    log,
    stop: ({ sessions }) => end.ask("asked to", sessions),
    ...options,
    fail: exitWith,
  });
  const server = await listen(house.service, socket);
  log("info", "Daemon started", { home, version: packageVersion(), node: process.version });
  const idle = watchIdle(
    () => house.engine.state.runs.size === 0,
    () => end.ask("idle", false),
  );
  const { why, sessions } = await end.asked;
  clearInterval(idle);
  log("info", "Daemon stopping", { why });
  await server.close();
  await house.close({ sessions });
  lock.release();
  log("info", "Daemon ended", { why });
}

interface Ending {
  readonly asked: Promise<{ readonly why: string; readonly sessions: boolean }>;
  /** The first one counts; the answer that is under way still goes out. */
  ask(why: string, sessions: boolean): void;
}

function ending(): Ending {
  const { promise, resolve } = Promise.withResolvers<{ why: string; sessions: boolean }>();
  const ask = (why: string, sessions: boolean): void =>
    void setImmediate(() => resolve({ why, sessions }));
  for (const name of ["SIGTERM", "SIGINT"] as const) process.once(name, () => ask(name, false));
  return { asked: promise, ask };
}

/** Calls `onIdle` once nothing was open for `idleExitMs`. */
function watchIdle(isIdle: () => boolean, onIdle: () => void): NodeJS.Timeout {
  let idleSince = performance.now();
  const timer = setInterval(() => {
    if (!isIdle()) idleSince = performance.now();
    else if (performance.now() - idleSince >= idleExitMs) onIdle();
  }, idleLookMs);
  timer.unref();
  return timer;
}

/** The whole life of the process: exits with 0 after an end that was asked for, else with the Fault's code and the Fault on stderr. */
export async function daemonMain(options: DaemonOptions = {}): Promise<never> {
  const lock: Lock = { release: () => {} };
  try {
    await runDaemon(options, lock);
    process.exit(0);
  } catch (error) {
    const fault = faultOf(error);
    say(fault, error);
    if (fault.code === "no_space") await awaitSpace(musterHome(process.env));
    lock.release();
    return exit(fault);
  }
}

/** A start that found no space waits with the lock in its hand, so that nothing else piles up behind it. */
async function awaitSpace(home: string): Promise<void> {
  for (const name of ["SIGTERM", "SIGINT"] as const) process.once(name, () => process.exit(0));
  do await wait(retryMs);
  while (isFull(home));
}

function exitWith(error: unknown): never {
  const fault = faultOf(error);
  say(fault, error);
  return exit(fault);
}

/** What can't be made or written on a full disk is that disk's fault, whoever says it. */
function faultOf(error: unknown): Fault {
  const fault =
    error instanceof Fault ? error : new Fault("internal", String(error), { cause: error });
  if (fault.code !== "internal" && fault.code !== "unwritable") return fault;
  const home = musterHome(process.env);
  const isForSpace = (error as NodeJS.ErrnoException).code === "ENOSPC" || isFull(home);
  return isForSpace ? noSpace(home, error) : fault;
}

function say(fault: Fault, error: unknown): void {
  const stack = fault.code === "internal" && error instanceof Error ? `${error.stack}\n` : "";
  try {
    writeSync(process.stderr.fd, `${JSON.stringify(fault.toJSON())}\n${stack}`);
  } catch {
    // It goes to a file on the disk that is full.
  }
}

/** 75 tells the respawning shell that another daemon lives; a damaged ledger is worth another try. */
function exit({ code }: Fault): never {
  const own = { no_space: noSpaceCode, damaged: 1 } as const;
  process.exit(code === "no_space" || code === "damaged" ? own[code] : exitCodes[code]);
}

if (process.argv[1] === import.meta.filename) await daemonMain();
