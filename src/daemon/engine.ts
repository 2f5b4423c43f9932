/**
 * The engine: ledger + core + host. Inputs are taken one at a time: decide, append, fold; then ticks until nothing more is
 * decided; then what is due is performed. Start equals recover: open the ledger, fold it, tick.
 */
import { randomUUID } from "node:crypto";
import { decide } from "../core/decide/decide.ts";
import { due } from "../core/due.ts";
import type { Effect } from "../core/effects.ts";
import type { Event } from "../core/events.ts";
import { fold } from "../core/evolve/evolve.ts";
import { Fault, assert } from "../core/fault.ts";
import type { Capacity, Command, Input, Observation } from "../core/inputs.ts";
import type { Ledger } from "../core/ports.ts";
import { fromText, toText } from "../core/serial.ts";
import { type State, emptyState } from "../core/state.ts";

export interface EngineOptions {
  readonly ledger: Ledger;
  readonly capacity: () => Capacity;
  readonly perform: (effects: readonly Effect[]) => void;
  readonly now: () => number;
  readonly log: (
    level: "info" | "warn" | "error",
    message: string,
    fields?: Readonly<Record<string, unknown>>,
  ) => void;
}

export interface Engine {
  readonly state: State;
  /** Throws the Fault of a command that is refused; resolves once its events are durable. */
  command(command: Command): Promise<readonly Event[]>;
  /** Never rejects: what can't be recorded now is tried again until it can. */
  observe(observation: Observation): Promise<void>;
  /** Folds the ledger and performs what is due. Called once, before anything else. */
  start(): Promise<void>;
  stop(): Promise<void>;
}

/** A tick that goes on deciding this often has lost its way. */
const maxTicks = 1_000;
/** Events between two snapshots of the state: a start reads at most this many besides the snapshot. */
const snapshotEvery = 2_000;
const snapshotVersion = 1;
/** A full disk is looked at again this often. */
const retryMs = 5_000;
/** setTimeout takes no more (2^31 - 1 ms); a longer wait is looked at again. */
const maxTimerMs = 24 * 60 * 60_000;

export function engine(options: EngineOptions): Engine {
  const { ledger, log, now } = options;
  let state: State = emptyState;
  let saved = 0;
  let timer: NodeJS.Timeout | undefined;
  let stopped = false;
  const turns = oneAtATime(log);
  const sleep = sleepWatch(now);
  const isStopped = (): boolean => stopped;

  const take = async (input: Input): Promise<readonly Event[]> => {
    const at = Math.max(now(), state.now);
    const bodies = decide(state, input, at);
    if (bodies.length === 0) return [];
    const events = await ledger.append(state.seq, bodies, at);
    state = fold(state, events);
    return events;
  };

  const settle = async (): Promise<void> => {
    for (let ticks = 0; ; ticks++) {
      assert(ticks < maxTicks, "ticks come to rest");
      const sleptMs = ticks === 0 ? sleep() : 0;
      const events = await take({
        is: "tick",
        capacity: options.capacity(),
        seed: randomUUID(),
        sleptMs,
      });
      if (events.length === 0) break;
    }
    if (state.seq - saved >= snapshotEvery) saved = await saveState(ledger, state);
    if (stopped) return;
    const { effects, wakeAt } = due(state, now());
    options.perform(effects);
    clearTimeout(timer);
    if (wakeAt !== null)
      timer = setTimeout(wake, Math.min(Math.max(wakeAt - now(), 0), maxTimerMs));
  };

  const wake = (): void => {
    turns.take(() => patiently(settle, isStopped, log)).catch(() => {}); // Logged by the turn.
  };

  return {
    get state() {
      return state;
    },
    command: (command) =>
      turns.take(async () => {
        const events = await take({ is: "command", command, seed: randomUUID() });
        await settle();
        return events;
      }),
    observe(observation) {
      const act = async (): Promise<void> => {
        await take({ is: "observation", observation, seed: randomUUID() });
        await settle();
      };
      return turns.take(() => patiently(act, isStopped, log)).catch(() => {});
    },
    start: () =>
      turns.take(async () => {
        state = await readState(ledger);
        saved = state.seq;
        await settle();
      }),
    async stop() {
      stopped = true;
      clearTimeout(timer);
      await turns.rest();
    },
  };
}

/** How long the machine slept since the last call: what the wall clock counts and the monotonic one does not. */
function sleepWatch(now: () => number): () => number {
  let wall = now();
  let awake = performance.now();
  return () => {
    const slept = now() - wall - (performance.now() - awake);
    wall = now();
    awake = performance.now();
    return Math.max(0, Math.round(slept));
  };
}

interface Turns {
  /** Runs `act` when everything before it is over; fails where it fails, and the next goes on all the same. */
  take<T>(act: () => Promise<T>): Promise<T>;
  /** Resolves once everything so far is over. */
  rest(): Promise<unknown>;
}

function oneAtATime(log: EngineOptions["log"]): Turns {
  let last: Promise<unknown> = Promise.resolve();
  return {
    take(act) {
      const next = last.then(act, act);
      last = next.catch((error: unknown) => {
        if (error instanceof Fault) return;
        log("error", "The engine failed", {
          error: String(error),
          stack: error instanceof Error ? error.stack : undefined,
        });
      });
      return next;
    },
    rest: () => last,
  };
}

/** What can't be written now (a full disk) is tried again until it can, or until the engine stops. */
async function patiently(
  act: () => Promise<void>,
  isStopped: () => boolean,
  log: EngineOptions["log"],
): Promise<void> {
  for (;;) {
    try {
      await act();
      return;
    } catch (error) {
      if (!(error instanceof Fault) || error.code !== "no_space" || isStopped()) throw error;
      log("warn", "The ledger can't be written, trying again", { error: error.message });
      await new Promise((resolve) => setTimeout(resolve, retryMs));
    }
  }
}

async function saveState(ledger: Ledger, state: State): Promise<number> {
  await ledger.saveSnapshot(state.seq, toText({ v: snapshotVersion, state }));
  return state.seq;
}

async function readState(ledger: Ledger): Promise<State> {
  const snapshot = await ledger.readSnapshot();
  const cached =
    snapshot === undefined ? undefined : (fromText(snapshot.state) as { v: number; state: State });
  let state = cached?.v === snapshotVersion ? cached.state : emptyState;
  const page: Event[] = [];
  for await (const event of ledger.read(state.seq)) {
    page.push(event);
    if (page.length < 1_000) continue;
    state = fold(state, page);
    page.length = 0;
  }
  return fold(state, page);
}
