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
  let turn: Promise<unknown> = Promise.resolve();
  let stopped = false;

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
      const events = await take({ is: "tick", capacity: options.capacity(), seed: randomUUID() });
      if (events.length === 0) break;
    }
    if (state.seq - saved >= snapshotEvery) {
      saved = state.seq;
      await ledger.saveSnapshot(state.seq, toText({ v: snapshotVersion, state }));
    }
    if (stopped) return;
    const { effects, wakeAt } = due(state, now());
    options.perform(effects);
    clearTimeout(timer);
    if (wakeAt !== null)
      timer = setTimeout(wake, Math.min(Math.max(wakeAt - now(), 0), maxTimerMs));
  };

  const inTurn = <T>(act: () => Promise<T>): Promise<T> => {
    const next = turn.then(act, act);
    turn = next.catch((error: unknown) => {
      if (!(error instanceof Fault))
        log("error", "The engine failed", { error: String(error), stack: (error as Error).stack });
    });
    return next;
  };

  const observed = async (observation: Observation): Promise<void> => {
    await take({ is: "observation", observation, seed: randomUUID() });
    await settle();
  };

  /** What can't be written now is tried again until it can. */
  const patiently = async (act: () => Promise<void>): Promise<void> => {
    for (;;) {
      try {
        await act();
        return;
      } catch (error) {
        if (!(error instanceof Fault) || error.code !== "no_space" || stopped) throw error;
        log("warn", "The ledger can't be written, trying again", { error: error.message });
        await new Promise((resolve) => setTimeout(resolve, retryMs));
      }
    }
  };
  const wake = (): void => {
    inTurn(() => patiently(settle)).catch(() => {}); // Logged by the turn.
  };

  return {
    get state() {
      return state;
    },
    command: (command) =>
      inTurn(async () => {
        const events = await take({ is: "command", command, seed: randomUUID() });
        await settle();
        return events;
      }),
    observe: (observation) => inTurn(() => patiently(() => observed(observation))).catch(() => {}),
    start: () =>
      inTurn(async () => {
        state = await readState(ledger);
        saved = state.seq;
        await settle();
      }),
    async stop() {
      stopped = true;
      clearTimeout(timer);
      await turn;
    },
  };
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
