/** The composition root: ledger + core + host + service of one MUSTER_HOME, put together and taken apart. */
import { appendFileSync, mkdirSync, rmSync } from "node:fs";
import { availableParallelism } from "node:os";
import { join } from "node:path";
import type { Service } from "../api/service.ts";
import { packageVersion } from "../config/version.ts";
import { dropSiblings } from "../config/write.ts";
import type { Event } from "../core/events.ts";
import { type Capacity, defaultHostParallel } from "../core/inputs.ts";
import { isLastOf } from "../core/queries.ts";
import { type Boundary, noBoundary } from "../host/boundary.ts";
import type { Host } from "../host/context.ts";
import { recoverFollows } from "../host/landing.ts";
import { notificationOf, notify } from "../host/notify.ts";
import { performer } from "../host/perform.ts";
import type { Sessions } from "../host/session.ts";
import { defaultStall } from "../host/stall.ts";
import { deleteTrash, sortTrash } from "../git/trash.ts";
import { sweepPrefix } from "../process/end.ts";
import { type Binary, findBinary } from "../runner/binary.ts";
import { claudeCli } from "../runner/claude-cli.ts";
import { claudeSdk } from "../runner/claude-sdk.ts";
import { type KnownCaller, ownCaller } from "./callers/caller.ts";
import { type Callers, openCallers } from "./callers/callers.ts";
import { openSound, recoverLost } from "./damage/damage.ts";
import { type Engine, engine } from "./engine.ts";
import { readNotes } from "./keeping/restored.ts";
import type { Log } from "./log.ts";
import { type MemoryWatch, watchMemory, wasLastKilled } from "./memory/watch.ts";
import { startEngine } from "./reboot.ts";
import { service } from "./service.ts";

export interface House {
  readonly engine: Engine;
  readonly service: Service;
  /** Ends what does not outlive us, or with `sessions` every session, and closes the ledger. */
  close(options: { readonly sessions: boolean }): Promise<void>;
}

export interface HouseOptions {
  readonly home: string;
  readonly socket: string;
  readonly log: Log;
  /** Called when someone asks the daemon to end. */
  readonly stop: (options: { readonly sessions: boolean }) => void;
  readonly boundary?: Boundary | undefined;
  /** Default: what this machine is taken to carry. */
  readonly capacity?: () => Capacity;
  /** Called where only a new start helps. */
  readonly fail: (error: unknown) => void;
}

/** Opens everything and recovers: what a crash left half done in a checkout first, then the engine. */
export async function openHouse({
  home,
  socket,
  log,
  stop,
  boundary = noBoundary,
  capacity = ownCapacity,
  fail,
}: HouseOptions): Promise<House> {
  const scratch = openScratch(home);
  const held = await endLeftovers(home, log);
  const ledger = openSound({ home, log, fail });
  const callers = await openCallers({ home, env: process.env, own: await ownCaller(log), log });
  const binary = async (): Promise<Binary> =>
    callers.newest()?.binary ?? findBinary(null, baseEnvironment(home));
  const memory: MemoryWatch = watchOf(home, log, capacity(), () => ({ core, sessions }));
  const host: Host = {
    home,
    runners: { "claude-cli": claudeCli(binary), "claude-sdk": claudeSdk(binary) },
    stall: defaultStall,
    environment: (run) => callers.get(run)?.environment,
    report: (att, key, observed) => void core.observe({ att, key, ...observed }),
    log,
    now: Date.now,
    isLastOf: (project, att) => isLastOf(core.state, project, att),
    killedSince: memory.killedSince,
    isRestored: (path) => readNotes(home).some(({ worktree }) => worktree === path),
  };
  const { sessions, ...effects } = performer(host, boundary);
  const core = engine({
    ledger,
    capacity: memory.capacity,
    ...effects,
    now: Date.now,
    boundary,
    log,
    fail,
  });
  const recovered = await recoverFollows(host, baseEnvironment(home));
  if (recovered > 0)
    log("warn", "Completed what a crash had left half done in a checkout", { count: recovered });
  await recoverLost(host, ledger);
  ledger.subscribe((events) => {
    for (const event of events) hear(event, callers, log);
  });
  await startEngine(core, home, callers, log);
  // A large one takes longer than a start may.
  void throwOut(held, log);
  // From a crash right behind the end of a run, or in the middle of its beginning.
  callers.settleAllBut(new Set(core.state.runs.keys()));
  return {
    engine: core,
    service: service({
      engine: core,
      ledger,
      host,
      sessions,
      callers,
      version: packageVersion(),
      socket,
      scratch,
      heldBack: memory.heldBack,
      stop,
    }),
    async close(options) {
      await core.stop();
      await letGo(sessions, options);
      memory.close();
      await ledger.close();
    },
  };
}

/** An empty folder for what does not outlive this daemon. */
function openScratch(home: string): string {
  const scratch = join(home, "tmp");
  rmSync(scratch, { recursive: true, force: true });
  mkdirSync(scratch, { recursive: true, mode: 0o700 });
  return scratch;
}

async function letGo(from: Sessions, options: { readonly sessions: boolean }): Promise<void> {
  if (options.sessions) await Promise.all([...from.live.keys()].map((att) => from.stop(att)));
  else await from.release();
}

/** Folders whose files are replaced, of a home. */
const written = ["", "runs", "follow", "restored"];

/**
 * Gates of an earlier daemon can't be taken over (their places are not held any more). What lies in the trash is held by refs, or goes
 * back to where it was: whoever took it away does so again.
 */
async function endLeftovers(home: string, log: Log): Promise<readonly string[]> {
  await sweepPrefix(`MUSTER_GATE=${join(home, "gates")}/`);
  const { back, left, held } = await sortTrash(join(home, "trash"));
  for (const path of back)
    log("warn", "Brought a worktree back that was half taken away", { path });
  for (const path of left) log("warn", "A folder stays in the trash: no ref holds it", { path });
  for (const folder of written) dropSiblings(join(home, folder));
  return held;
}

async function throwOut(paths: readonly string[], log: Log): Promise<void> {
  for (const path of paths)
    await deleteTrash(path).catch((error: unknown) =>
      log("warn", "A folder stays in the trash: it can't be deleted", {
        path,
        error: String(error),
      }),
    );
}

function hear(event: Event, callers: Callers, log: Log): void {
  // What is about a credential is about no run: whoever came last is told.
  void tell(event, "run" in event ? callers.get(event.run) : callers.newest(), log);
  if (event.type === "run.settled") callers.settle(event.run);
}

async function tell(event: Event, caller: KnownCaller | undefined, log: Log): Promise<void> {
  const notification =
    caller === undefined || caller.config.notify.length === 0 ? undefined : notificationOf(event);
  if (caller === undefined || notification === undefined) return;
  const failed = await notify(caller.config.notify, notification, caller.environment.gate);
  if (failed !== undefined) log("warn", "The notify command failed", { why: failed });
}

type Watched = { readonly core: Engine; readonly sessions: Sessions };

function watchOf(home: string, log: Log, whole: Capacity, watched: () => Watched): MemoryWatch {
  tellOfKill(home, log);
  return watchMemory({
    home,
    whole,
    log,
    inFlight: () => [...watched().core.state.attempts.values()].filter(({ slot }) => slot).length,
    pids: () => [...watched().sessions.live.values()].map(({ pid }) => pid),
    onRoom: () => void watched().core.tick(),
  });
}

/** For the log, and for whoever comes next. */
function tellOfKill(home: string, log: Log): void {
  if (!wasLastKilled(home)) return;
  const why =
    "the daemon ended without a word while the kernel killed for want of memory, and was started again";
  log("warn", "The daemon before this one may have been killed for want of memory");
  try {
    appendFileSync(join(home, "daemon.note"), `${why}\n`, { mode: 0o600 });
  } catch (error) {
    // A full disk must not keep the daemon from its start for the sake of a note.
    log("warn", "The note was not written", { error: String(error) });
  }
}

/** Gates: one per two cores, at least one, until measured (design §6). */
function ownCapacity(): Capacity {
  const gates = Math.max(1, Math.floor(availableParallelism() / 2));
  return { parallel: defaultHostParallel, resident: 2 * defaultHostParallel, gates };
}

function baseEnvironment(home: string): Record<string, string> {
  const { PATH = "/usr/bin:/bin", HOME = home } = process.env;
  return { PATH, HOME };
}
