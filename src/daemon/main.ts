/**
 * The daemon: one per MUSTER_HOME, the composition root. It starts with the allow-listed environment only, holds the lock for as
 * long as it lives, and exits by itself when no run is open for ten minutes.
 */
import { availableParallelism } from "node:os";
import { join } from "node:path";
import { mkdirSync, rmSync } from "node:fs";
import { listen } from "../api/server.ts";
import { ensureHome, ensureSocketFolder, musterHome, socketPath } from "../config/paths.ts";
import { Fault, exitCodes } from "../core/fault.ts";
import type { RunId } from "../core/ids.ts";
import { defaultHostParallel } from "../core/inputs.ts";
import { isLastOf } from "../core/queries.ts";
import type { Host } from "../host/context.ts";
import { recoverFollows } from "../host/landing.ts";
import { performer } from "../host/perform.ts";
import { defaultStall } from "../host/stall.ts";
import { takeLock } from "../ledger/lock.ts";
import { openLedger } from "../ledger/sqlite.ts";
import { type Binary, findBinary } from "../runner/binary.ts";
import { claudeCli } from "../runner/claude-cli.ts";
import { claudeSdk } from "../runner/claude-sdk.ts";
import { packageVersion } from "../config/version.ts";
import type { KnownCaller } from "./caller.ts";
import { engine } from "./engine.ts";
import { openLog } from "./log.ts";
import { service } from "./service.ts";

const idleExitMs = 10 * 60_000;
const idleLookMs = 30_000;

/** Runs the daemon of this MUSTER_HOME until it is asked to end. Throws Fault `locked` where another one lives. */
export async function runDaemon(): Promise<void> {
  process.umask(0o077);
  const home = ensureHome(musterHome(process.env));
  const socket = socketPath(home, process.env);
  ensureSocketFolder(socket);
  const release = takeLock(join(home, "lock.db"));
  const log = openLog(home);
  const ledger = openLedger(join(home, "ledger.db"));
  const scratch = join(home, "tmp");
  rmSync(scratch, { recursive: true, force: true });
  mkdirSync(scratch, { recursive: true, mode: 0o700 });
  const callers = new Map<RunId, KnownCaller>();
  const binary = (): Promise<Binary> => {
    const [known] = [...callers.values()].slice(-1);
    return known === undefined
      ? findBinary(null, baseEnvironment(home))
      : Promise.resolve(known.binary);
  };
  const host: Host = {
    home,
    runners: { "claude-cli": claudeCli(binary), "claude-sdk": claudeSdk(binary) },
    stall: defaultStall,
    environment: (run) => callers.get(run)?.environment,
    report: (att, key, observed) => void core.observe({ att, key, ...observed }),
    log,
    now: Date.now,
    isLastOf: (project, att) => isLastOf(core.state, project, att),
  };
  const effects = performer(host);
  const cores = availableParallelism();
  const core = engine({
    ledger,
    capacity: () => ({
      parallel: defaultHostParallel,
      resident: 2 * defaultHostParallel,
      gates: Math.max(1, Math.floor(cores / 2)),
    }),
    perform: (due) => effects.perform(due),
    now: Date.now,
    log,
  });
  let ask: (why: string) => void = () => {};
  let endSessions = false;
  const asked = new Promise<string>((resolve) => (ask = resolve));
  const recovered = await recoverFollows(host, baseEnvironment(home));
  if (recovered > 0)
    log("warn", "Completed what a crash had left half done in a checkout", { count: recovered });
  await core.start();
  const server = await listen(
    service({
      engine: core,
      ledger,
      host,
      sessions: effects.sessions,
      callers,
      version: packageVersion(),
      socket,
      scratch,
      stop({ sessions }) {
        endSessions = sessions;
        setImmediate(() => ask("asked to"));
      },
    }),
    socket,
  );
  for (const name of ["SIGTERM", "SIGINT"] as const) process.once(name, () => ask(name));
  log("info", "Daemon started", { home, version: packageVersion(), node: process.version });
  const idle = watchIdle(
    () => core.state.runs.size === 0,
    () => ask("idle"),
  );
  const why = await asked;
  clearInterval(idle);
  log("info", "Daemon stopping", { why });
  await server.close();
  await core.stop();
  if (endSessions)
    await Promise.all([...effects.sessions.live.keys()].map((att) => effects.sessions.stop(att)));
  else await effects.sessions.release();
  await ledger.close();
  release();
  log("info", "Daemon ended", { why });
}

function baseEnvironment(home: string): Record<string, string> {
  const { PATH = "/usr/bin:/bin", HOME = home } = process.env;
  return { PATH, HOME };
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

if (process.argv[1] === import.meta.filename) {
  try {
    await runDaemon();
    process.exit(0);
  } catch (error) {
    const fault =
      error instanceof Fault ? error : new Fault("internal", String(error), { cause: error });
    process.stderr.write(
      `${JSON.stringify(fault.toJSON())}\n${fault.code === "internal" ? String((error as Error).stack) : ""}\n`,
    );
    process.exit(exitCodes[fault.code]);
  }
}
