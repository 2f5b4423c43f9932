/**
 * The turns of a simulated daemon, as `daemon/engine.ts` and `daemon/turns.ts` take them: one input at a time, decided, appended,
 * folded, then ticks until nothing more follows, then what is due is performed. A turn yields the virtual ms that it waits for: a
 * slow append, or a full disk.
 */
import { decide } from "../../core/decide/decide.ts";
import { due as dueAt } from "../../core/due.ts";
import type { EventBody } from "../../core/events.ts";
import { Fault } from "../../core/fault.ts";
import type { Input } from "../../core/inputs.ts";
import { checkBounds, checkKeys, checkSleep } from "./check.ts";
import { difference } from "./equal.ts";
import { forget, perform } from "./host.ts";
import { type Machine, bill, checkSpend, clock, record } from "./record.ts";

const noSpace = new Fault("no_space", "the disk of the ledger is full");

export type Turn = Generator<number, void>;

/** As long as the daemon's: what waits for space is tried again this often, and a shorter sleep is told to nobody. */
const retryMs = 5_000;
const sleepMs = 60_000;
const maxTicks = 200;

/** Takes a turn when those before it are over. */
export function take(m: Machine, turn: Turn): void {
  m.turns.push(turn);
  if (m.turns.length === 1) go(m);
}

function go(m: Machine): void {
  for (let turn = m.turns[0]; turn !== undefined; turn = m.turns[0]) {
    const { done, value } = turn.next();
    if (done !== true) {
      m.time.after(value, "daemon", () => go(m));
      return;
    }
    m.turns.shift();
  }
}

/** Nobody waits behind a full disk to be told that it is full; a refusal changes nothing. */
export function* commanded(m: Machine, input: Input): Turn {
  try {
    yield* passSleep(m);
    yield* decided(m, input);
  } catch (error) {
    if (!(error instanceof Fault)) throw error;
    m.refused++;
    return;
  }
  yield* follow(m);
}

/** What can't be recorded now is tried again until it can, and what comes later waits. */
export function* observed(m: Machine, input: Input): Turn {
  yield* patiently(m, function* () {
    yield* passSleep(m);
    yield* decided(m, input);
  });
  yield* follow(m);
}

/** A daemon that can't record what follows from its start comes up all the same, and records it later. */
export function* started(m: Machine): Turn {
  yield* follow(m);
}

/** A sleep passes before what is told after it. */
function* passSleep(m: Machine): Turn {
  if (m.wall.sleptMs > sleepMs) yield* ticked(m);
}

/** Ticks, and tells of a sleep with it; what could not be recorded is told again, and what is slept meanwhile the next time. */
function* ticked(m: Machine): Generator<number, number> {
  const { sleptMs } = m.wall;
  const toldMs = sleptMs > sleepMs ? sleptMs : 0;
  const before = m.events.length;
  m.untoldMs += sleptMs - toldMs;
  m.wall.sleptMs = toldMs;
  const { r, capacity } = m;
  const count = yield* decided(m, { is: "tick", capacity, seed: r.uuid(), sleptMs: toldMs });
  m.wall.sleptMs -= toldMs;
  if (toldMs > 0) checkSleep(m.events.slice(before));
  return count;
}

function* patiently(m: Machine, act: () => Generator<number, unknown>): Turn {
  for (;;) {
    try {
      yield* act();
      m.waits = false;
      return;
    } catch (error) {
      if (!isPassing(error)) throw error;
      m.waits = true;
      yield retryMs;
    }
  }
}

/** What follows from an input that is recorded, and from time; where the disk is full it follows later. */
export function* follow(m: Machine): Turn {
  try {
    yield* settle(m);
  } catch (error) {
    if (!isPassing(error)) throw error;
    m.wakeAt = m.time.now + retryMs;
  }
}

function isPassing(error: unknown): boolean {
  return error instanceof Fault && error.code === "no_space";
}

function* settle(m: Machine): Turn {
  for (let ticks = 0; ; ticks++) {
    // What is over is forgotten even where a tick makes it due again.
    forget(m.host, dueAt(m.state, Math.max(clock(m), m.state.now)).effects);
    if ((yield* ticked(m)) === 0) break;
    if (ticks > maxTicks) throw new Error("the tick never rests");
  }
  const now = Math.max(clock(m), m.state.now);
  const due = dueAt(m.state, now);
  if (due.wakeAt !== null && due.wakeAt <= now)
    throw new Error(`to be woken ${now - due.wakeAt} ms ago`);
  m.wakeAt = due.wakeAt === null ? null : m.time.now + due.wakeAt - now;
  checkBounds(m.state, m.capacity, due);
  m.keys = checkKeys(m.keys, m.state, due);
  checkSpend(m);
  if (m.state.seq !== m.events.length) throw new Error("what is performed is not appended");
  perform(m.host, due.effects);
}

/** Decides an input and appends what follows whole, or throws and changes nothing. Returns how many events that are. */
function* decided(m: Machine, input: Input): Generator<number, number> {
  const at = Math.max(clock(m), m.state.now);
  const bodies = decide(m.state, input, at);
  if (bodies.length === 0) {
    bill(m, input);
    return 0;
  }
  m.r.as("twice", () => checkTwice(m, input, at, bodies));
  const { truth, time } = m;
  if (time.now < truth.disk.ledgerFullUntil) throw noSpace;
  const batch = { input, bodies, at, awakeAt: time.now };
  if (time.now < truth.disk.slowUntil) {
    m.appending = batch;
    yield m.r.as("slow append", () => m.r.int(60_000));
    m.appending = null;
  }
  record(m, batch);
  return bodies.length;
}

function checkTwice(m: Machine, input: Input, at: number, bodies: readonly EventBody[]): void {
  if (!m.r.chance(0.02)) return;
  const again = difference(bodies, decide(m.state, input, at));
  if (again !== null) throw new Error(`the same input decides otherwise at ${again}`);
}
