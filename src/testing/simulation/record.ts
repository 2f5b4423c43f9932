/** What a simulated daemon has recorded, and what must hold of every event of it. */
import { stamp } from "../../core/decide/decide.ts";
import type { Event, EventBody } from "../../core/events.ts";
import { evolve } from "../../core/evolve/evolve.ts";
import type { AttemptId, RunId } from "../../core/ids.ts";
import type { Capacity, Input } from "../../core/inputs.ts";
import { spent } from "../../core/queries.ts";
import type { Run, State } from "../../core/state.ts";
import { type KeysOf, checkEvent, checkSpace } from "./check.ts";
import { type Host, checkSaved, live } from "./host.ts";
import type { Random } from "./random.ts";
import type { Timeline } from "./timeline.ts";
import type { Truth } from "./truth.ts";
import { type Work, checkTimeOut, work } from "./work.ts";

/** What one input leads to, on its way into the ledger. */
export interface Batch {
  readonly input: Input;
  readonly bodies: readonly EventBody[];
  /** When it was decided, on the daemon's clock and in virtual time. */
  readonly at: number;
  readonly awakeAt: number;
}

export interface Machine {
  readonly r: Random;
  readonly truth: Truth;
  readonly time: Timeline;
  readonly capacity: Capacity;
  readonly host: Host;
  /**
   * The wall clock is `skewMs` ahead of virtual time; the daemon's is `behindMs` ahead of that, since it never goes back; it has
   * `sleptMs` of sleep to tell of (`daemon/clock.ts`).
   */
  readonly wall: { skewMs: number; behindMs: number; sleptMs: number };
  /** Jumps too short to be told, and sleep that was lost with a daemon: they count as work. */
  untoldMs: number;
  state: State;
  /** When the daemon wakes by itself, in virtual time; a sleep of the machine delays it. */
  wakeAt: number | null;
  /** Inputs that are being taken and that wait for it. */
  readonly turns: Generator<number, void>[];
  /** True while the one under way waits for space. */
  waits: boolean;
  /** On its way to a slow disk. */
  appending: Batch | null;
  readonly events: Event[];
  /** Runs that are settled, as they were then. */
  readonly settled: Map<RunId, Run>;
  /** How often each observation was made. */
  readonly observed: Map<string, number>;
  refused: number;
  readonly trace: (line: string) => void;
  keys: ReadonlyMap<string, KeysOf>;
  /** Money that was reported, by run, and where each sum came from. */
  readonly reported: Map<RunId, number>;
  readonly bills: Set<string>;
  readonly work: Map<AttemptId, Work>;
}

/** What the daemon's clock shows. */
export function clock({ time, wall }: Machine): number {
  return time.now + wall.skewMs + wall.behindMs;
}

export function note(m: Machine, what: string): void {
  m.trace(`${(m.time.now / 1000).toFixed(1)} s #${m.state.seq} ${what}`);
}

/** Counts the money that an observation tells of, once. */
export function bill({ state, bills, reported }: Machine, input: Input): void {
  if (input.is !== "observation") return;
  const { observation } = input;
  if (!("usd" in observation) || observation.usd === 0) return;
  const name = `${observation.key} ${observation.offset}`;
  const run = state.attempts.get(observation.att)?.run;
  if (run !== undefined && !bills.has(name))
    reported.set(run, (reported.get(run) ?? 0) + observation.usd);
  bills.add(name);
}

/** Appends and folds what was decided, and checks every event of it. */
export function record(m: Machine, { input, bodies, at, awakeAt }: Batch): void {
  bill(m, input);
  for (const event of stamp(bodies, m.state.seq, at)) {
    const before = m.state;
    m.state = evolve(before, event);
    m.events.push(event);
    m.trace(`    #${event.seq} ${JSON.stringify(event)}`);
    checkEvent(before, m.state, event);
    checkSpace(event);
    if ("att" in event) {
      work(m.work, awakeAt, before.attempts.get(event.att), m.state.attempts.get(event.att));
      checkTimeOut(m, before, event);
    }
    if (event.type === "round.admitted" && saysSomething(before, event.att))
      checkSaved(m.host, event.att);
    if (event.type === "attempt.approved" && input.is === "command")
      m.truth.approvals.set(`${event.run}/${event.task} ${event.commit}`, event.gateless);
    if (event.type === "run.settled") settle(m, before, event.run);
    if (event.type === "run.reopened") m.settled.delete(event.run);
  }
}

/** True where the round begins with a message, not with one that the session has had for a while. */
function saysSomething(state: State, att: AttemptId): boolean {
  const attempt = state.attempts.get(att);
  return attempt?.phase.at === "idle" && attempt.mail.every(({ taken }) => !taken);
}

/** A run that is settled shows what it was charged, and nothing of it lives. */
function settle(m: Machine, before: State, id: RunId): void {
  const run = before.runs.get(id);
  if (run === undefined) throw new Error(`${id} is settled and was not open`);
  const sum = spent(before, run);
  const charged = m.truth.charged.get(id) ?? 0;
  if (sum !== charged) throw new Error(`${id} shows ${sum} USD and was charged ${charged}`);
  for (const att of run.past.keys())
    if (live(m.host, att) > 0) throw new Error(`${id} is settled and ${att} still lives`);
  m.settled.set(id, run);
}

export function checkSpend({ state, reported }: Machine): void {
  for (const run of state.runs.values()) {
    const sum = spent(state, run);
    const known = reported.get(run.id) ?? 0;
    if (sum !== known) throw new Error(`${run.id} shows ${sum} USD of ${known} reported`);
  }
}
