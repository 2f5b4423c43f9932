/** The daemon of a simulation: takes inputs one at a time, folds what they lead to, ticks to rest, performs what is due. */
import { decide, stamp } from "../../core/decide/decide.ts";
import { due as dueAt } from "../../core/due.ts";
import type { Due } from "../../core/effects.ts";
import type { Event, EventBody } from "../../core/events.ts";
import { evolve, fold } from "../../core/evolve/evolve.ts";
import { Fault } from "../../core/fault.ts";
import type { AttemptId, RunId } from "../../core/ids.ts";
import type { Capacity, Command, Input, Observation } from "../../core/inputs.ts";
import { spent } from "../../core/queries.ts";
import { type Run, type State, emptyState } from "../../core/state.ts";
import { type KeysOf, checkBounds, checkEvent, checkKeys } from "./check.ts";
import { difference } from "./equal.ts";
import { type Host, checkSaved, crash, host, live, perform } from "./host.ts";
import type { Random } from "./random.ts";
import type { Timeline } from "./timeline.ts";
import type { Truth } from "./truth.ts";

export interface Machine {
  readonly r: Random;
  readonly truth: Truth;
  readonly time: Timeline;
  readonly capacity: Capacity;
  readonly host: Host;
  /** Wall clock minus virtual time; it jumps. */
  skew: number;
  state: State;
  due: Due;
  readonly events: Event[];
  /** Runs that are settled, as they were then. */
  readonly settled: Map<RunId, Run>;
  /** How often each observation was made. */
  readonly observed: Map<string, number>;
  refused: number;
  crashes: number;
  readonly trace: (line: string) => void;
  keys: ReadonlyMap<string, KeysOf>;
  /** Money that was reported, by run, and where each sum came from. */
  readonly reported: Map<RunId, number>;
  readonly bills: Set<string>;
}

type Parts = Pick<Machine, "r" | "truth" | "time" | "capacity" | "trace">;

export function machine(parts: Parts): Machine {
  const { truth, time } = parts;
  const m: Machine = {
    ...parts,
    host: host({ truth, time, state: () => m.state, deliver: (seen) => observe(m, seen) }),
    skew: 1_700_000_000_000,
    state: emptyState,
    due: { effects: [], wakeAt: null },
    events: [],
    settled: new Map(),
    observed: new Map(),
    refused: 0,
    crashes: 0,
    keys: new Map(),
    reported: new Map(),
    bills: new Set(),
  };
  truth.accepted = (project) => m.state.projects.get(project)?.gate ?? null;
  return m;
}

/** What the wall clock shows. */
export function clock({ time, skew }: Machine): number {
  return time.now + skew;
}

export function tick(m: Machine): void {
  apply(m, { is: "tick", capacity: m.capacity, seed: m.r.uuid() });
}

/** Gives a command; a refusal is counted. */
export function command(m: Machine, asked: Command): void {
  note(m, `asks ${JSON.stringify(asked.type === "run.start" ? asked.run : asked).slice(0, 200)}`);
  try {
    apply(m, { is: "command", command: asked, seed: m.r.uuid() });
  } catch (error) {
    if (!(error instanceof Fault)) throw error;
    m.refused++;
  }
}

/** Ends the daemon and starts it again: everything is derived from the events alone. */
export function restart(m: Machine): void {
  note(m, "crashes");
  m.crashes++;
  crash(m.host);
  const again = fold(emptyState, m.events);
  const found = difference(m.state, again);
  if (found !== null) throw new Error(`the fold of all events differs at ${found}`);
  m.state = again;
  m.keys = new Map();
  tick(m);
}

export function note(m: Machine, what: string): void {
  m.trace(`${(m.time.now / 1000).toFixed(1)} s #${m.state.seq} ${what}`);
}

function observe(m: Machine, observation: Observation): void {
  const { saw, key } = observation;
  note(
    m,
    `sees ${saw} [${key}] ${"failure" in observation ? JSON.stringify(observation.failure) : ""}`,
  );
  m.observed.set(saw, (m.observed.get(saw) ?? 0) + 1);
  if ("usd" in observation && observation.usd > 0) {
    const bill = `${key} ${observation.offset}`;
    const run = m.state.attempts.get(observation.att)?.run;
    if (run !== undefined && !m.bills.has(bill))
      m.reported.set(run, (m.reported.get(run) ?? 0) + observation.usd);
    m.bills.add(bill);
  }
  apply(m, { is: "observation", observation, seed: m.r.uuid() });
}

/** Decides an input, then ticks until nothing more follows, as the daemon's loop does, and checks what came of it. */
function apply(m: Machine, input: Input): void {
  const bodies = decide(m.state, input, clock(m));
  if (m.r.chance(0.02)) {
    const again = difference(bodies, decide(m.state, input, clock(m)));
    if (again !== null) throw new Error(`the same input decides otherwise at ${again}`);
  }
  record(m, bodies, input.is === "command");
  for (let i = 0; ; i++) {
    const seed = m.r.uuid();
    const more = decide(m.state, { is: "tick", capacity: m.capacity, seed }, clock(m));
    if (more.length === 0) break;
    if (i > 200) throw new Error(`the tick never rests: ${more.map(({ type }) => type).join()}`);
    record(m, more, false);
  }
  const now = Math.max(clock(m), m.state.now);
  m.due = dueAt(m.state, now);
  if (m.due.wakeAt !== null && m.due.wakeAt <= now)
    throw new Error(`to be woken ${now - m.due.wakeAt} ms ago`);
  checkBounds(m.state, m.capacity, m.due);
  m.keys = checkKeys(m.keys, m.state, m.due);
  checkSpend(m);
  perform(m.host, m.due.effects);
}

function record(m: Machine, bodies: readonly EventBody[], byPerson: boolean): void {
  for (const event of stamp(bodies, m.state.seq, Math.max(clock(m), m.state.now))) {
    const before = m.state;
    m.state = evolve(before, event);
    m.events.push(event);
    m.trace(`    #${event.seq} ${JSON.stringify(event)}`);
    checkEvent(before, m.state, event);
    if (event.type === "round.admitted" && saysSomething(before, event.att))
      checkSaved(m.host, event.att);
    if (event.type === "attempt.approved" && byPerson)
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

function checkSpend({ state, reported }: Machine): void {
  for (const run of state.runs.values()) {
    const sum = spent(state, run);
    const known = reported.get(run.id) ?? 0;
    if (sum !== known) throw new Error(`${run.id} shows ${sum} USD of ${known} reported`);
  }
}
