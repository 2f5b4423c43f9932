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
import { type Fault, assert } from "../core/fault.ts";
import type { Capacity, Command, Input, Observation } from "../core/inputs.ts";
import type { Ledger } from "../core/ports.ts";
import { type State, emptyState } from "../core/state.ts";
import type { Boundary } from "../host/boundary.ts";
import { type Clock, openClock } from "./clock.ts";
import type { Log } from "./log.ts";
import { readState, saveState } from "./state-cache.ts";
import { type Turns, isPassing, oneAtATime, retryMs } from "./turns.ts";

export interface EngineOptions {
  readonly ledger: Ledger;
  readonly capacity: () => Capacity;
  readonly perform: (effects: readonly Effect[]) => void;
  /** Told what is due before every tick: what is over has ended even where that tick makes it due again. */
  readonly forget: (effects: readonly Effect[]) => void;
  readonly now: () => number;
  readonly boundary: Boundary;
  readonly log: Log;
  /** Called where the ledger takes nothing any more and no waiting helps: only a new start can. */
  readonly fail: (error: unknown) => void;
}

export interface Engine {
  readonly state: State;
  /** Why nothing can be recorded now; null where what was tried last could be. It is tried again until it can. */
  readonly heldBy: Fault | null;
  /** Throws the Fault of a command that is refused; resolves once its events are durable. */
  command(command: Command): Promise<readonly Event[]>;
  /** Never rejects: what can't be recorded now is tried again until it can, in order. */
  observe(observation: Observation): Promise<void>;
  /** Decides anew: what the host takes has changed. Never rejects. */
  tick(): Promise<void>;
  /**
   * Folds the ledger, records what `first` wants of it, and performs what is due. Called once, before anything else. Resolves once
   * that is done, or waits for the ledger to take it.
   */
  start(first?: (state: State) => readonly Command[]): Promise<Started>;
  stop(): Promise<void>;
}

export interface Started {
  /** Resolves once what `first` wanted is durable; rejects where the engine is stopped before. */
  readonly recorded: Promise<void>;
  /** True where that waits for the ledger. */
  readonly waits: boolean;
}

/** A tick that goes on deciding this often has lost its way. */
const maxTicks = 1_000;
/** Events between two snapshots of the state: a start reads at most this many besides the snapshot. */
const snapshotEvery = 2_000;
/** A machine that slept for longer is told of it before anything else (design §2). */
const sleepMs = 60_000;
/** A timer stands still while the machine sleeps: a longer wait is looked at again this often, and is over this late at most. */
const maxTimerMs = 60_000;

export function engine(options: EngineOptions): Engine {
  const { log } = options;
  const turns = oneAtATime(log);
  const record = openRecord(options);
  const sleeps = openSleeps(record);
  let timer: NodeJS.Timeout | undefined;
  let stopped = false;
  let untold: Fault | null = null; // Why the last tick is to come again.

  const settle = async (): Promise<void> => {
    for (let ticks = 0; ; ticks++) {
      assert(ticks <= maxTicks, "ticks come to rest");
      options.forget(due(record.state, record.now()).effects);
      if ((await sleeps.tick()).length === 0) break;
    }
    await record.keep();
    if (stopped) return;
    const { effects, wakeAt } = due(record.state, record.now());
    options.perform(effects);
    wakeIn(wakeAt === null ? null : wakeAt - record.now());
  };

  /** What follows from an input that is recorded; where the ledger is full it follows later. */
  const follow = async (): Promise<void> => {
    try {
      await settle();
      untold = null;
    } catch (error) {
      if (!isPassing(error)) throw error;
      untold = error;
      log("warn", "The ledger can't be written, ticking again later", { error: error.message });
      wakeIn(retryMs);
    }
  };

  const wake = (): Promise<void> => turns.take(follow).catch(broken);
  const wakeIn = (ms: number | null): void => {
    clearTimeout(timer);
    if (ms === null || stopped) return;
    timer = setTimeout(() => void wake(), Math.min(Math.max(ms, 0), maxTimerMs));
  };

  /** One input that we are wrong about must not end what is going on everywhere else. */
  const broken = (error: unknown): void => void (stopped || logFailure(log, error));

  return {
    get state() {
      return record.state;
    },
    get heldBy() {
      return turns.waitsFor ?? untold;
    },
    async command(command) {
      // Nobody waits behind a full disk to be told that it is full.
      if (turns.waitsFor !== null) throw turns.waitsFor;
      return turns.take(async () => {
        await sleeps.pass();
        const events = await record.take({ is: "command", command, seed: randomUUID() });
        await follow().catch(broken);
        return events;
      });
    },
    observe(observation) {
      const input: Input = { is: "observation", observation, seed: randomUUID() };
      const act = (): Promise<unknown> => sleeps.pass().then(() => record.take(input));
      return turns.take(() => turns.patiently(act).then(follow)).catch(broken);
    },
    tick: wake,
    start: (first = () => []) =>
      begin({ turns, record, follow, fail: (error) => !stopped && options.fail(error) }, first),
    async stop() {
      stopped = true;
      clearTimeout(timer);
      await turns.stop();
    },
  };
}

function logFailure(log: Log, error: unknown): void {
  const stack = error instanceof Error ? error.stack : undefined;
  log("error", "The engine failed", { error: String(error), stack });
}

interface Beginning {
  readonly turns: Turns;
  readonly record: Recorded;
  follow(): Promise<void>;
  /** Called for what goes wrong after a wait. */
  fail(error: unknown): void;
}

/** Loads the state, and takes the turn that records the first of it. */
async function begin(
  { turns, record, follow, fail }: Beginning,
  first: (state: State) => readonly Command[],
): Promise<Started> {
  await turns.take(record.load);
  const held = Promise.withResolvers<boolean>();
  const recorded = turns.take(async () => {
    await turns.patiently(
      () => record.begin(first),
      () => held.resolve(true),
    );
    await follow();
  });
  const waits = await Promise.race([recorded.then(() => false), held.promise]);
  if (waits) recorded.catch(fail);
  return { recorded, waits };
}

/** Ticks that tell of a sleep: also of one in the middle of a turn, or of a wait for the ledger. */
function openSleeps(record: Recorded) {
  /** Time that nobody worked in, of which no tick has been told. */
  let untoldMs = 0;
  const tick = async (): Promise<readonly Event[]> => {
    untoldMs += record.slept();
    const events = await record.tick(untoldMs > sleepMs ? untoldMs : 0);
    untoldMs = 0; // Not before it is recorded: a ledger that takes nothing now is told later.
    return events;
  };
  return {
    tick,
    /** What is told after a sleep comes after it. */
    async pass(): Promise<void> {
      untoldMs += record.slept();
      if (untoldMs > sleepMs) await tick();
    },
  };
}

/** The state with its ledger: what is decided is durable before it is folded in. */
interface Recorded {
  readonly state: State;
  load(): Promise<void>;
  /** Records what `first` wants of the state as it is. */
  begin(first: (state: State) => readonly Command[]): Promise<void>;
  take(input: Input): Promise<readonly Event[]>;
  tick(sleptMs: number): Promise<readonly Event[]>;
  /** Keeps the folded state once enough has happened. */
  keep(): Promise<void>;
  now(): number;
  slept(): number;
}

function openRecord({ ledger, boundary, capacity, now, log, fail }: EngineOptions): Recorded {
  let state: State = emptyState;
  let clock: Clock = openClock(now, 0);
  let saved = 0;
  const refused = (error: unknown): never => {
    if (!isPassing(error)) fail(error);
    throw error;
  };
  const take = async (input: Input): Promise<readonly Event[]> => {
    const at = Math.max(clock.now(), state.now);
    const bodies = decide(state, input, at);
    if (bodies.length === 0) return [];
    boundary({ is: "before_append", input, events: bodies });
    const events = await ledger.append(state.seq, bodies, at).catch(refused);
    boundary({ is: "after_append", input, events });
    state = fold(state, events);
    return events;
  };
  return {
    get state() {
      return state;
    },
    async load() {
      state = await readState(ledger);
      clock = openClock(now, state.now);
      saved = state.seq;
    },
    async begin(first) {
      for (const command of first(state))
        await take({ is: "command", command, seed: randomUUID() });
    },
    take,
    tick: (sleptMs) => take({ is: "tick", capacity: capacity(), seed: randomUUID(), sleptMs }),
    async keep() {
      if (state.seq - saved < snapshotEvery) return;
      saved = state.seq;
      // A cache that can't be written costs time at the next start, nothing else.
      await saveState(ledger, state).catch((error: unknown) =>
        log("warn", "The state was not kept", { error: String(error) }),
      );
    },
    now: () => clock.now(),
    slept: () => clock.slept(),
  };
}
