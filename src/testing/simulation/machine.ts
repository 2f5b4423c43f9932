/** The daemon of a simulation: what it is told, and what may befall it and the machine that it runs on. */
import { fold } from "../../core/evolve/evolve.ts";
import type { Command, Observation } from "../../core/inputs.ts";
import { emptyState } from "../../core/state.ts";
import { difference } from "./equal.ts";
import { crash, host } from "./host.ts";
import { type Machine, note, record } from "./record.ts";
import { commanded, follow, observed, started, take } from "./turns.ts";

type Parts = Pick<Machine, "r" | "truth" | "time" | "capacity" | "trace">;

export function machine(parts: Parts): Machine {
  const { truth, time } = parts;
  const m: Machine = {
    ...parts,
    host: host({
      truth,
      time,
      state: () => m.state,
      deliver: (seen) => observe(m, seen),
      die: () => restart(m),
    }),
    wall: { skewMs: 1_700_000_000_000, behindMs: 0, sleptMs: 0 },
    untoldMs: 0,
    state: emptyState,
    wakeAt: null,
    turns: [],
    waits: false,
    appending: null,
    events: [],
    settled: new Map(),
    observed: new Map(),
    refused: 0,
    keys: new Map(),
    reported: new Map(),
    bills: new Set(),
    work: new Map(),
  };
  truth.accepted = (project) => m.state.projects.get(project)?.gate ?? null;
  truth.wall = () => time.now + m.wall.skewMs;
  return m;
}

/** Moves the wall clock. What it is set forward by after it was set back is that much less of a jump. */
export function jump({ wall }: Machine, ms: number): void {
  wall.skewMs += ms;
  const caughtUp = ms < 0 ? ms : Math.min(wall.behindMs, ms);
  wall.behindMs -= caughtUp;
  wall.sleptMs += Math.max(0, ms - caughtUp);
}

export function wake(m: Machine): void {
  note(m, "wakes");
  m.wakeAt = null;
  take(m, follow(m));
}

/** Gives a command; a refusal is counted. */
export function command(m: Machine, asked: Command): void {
  note(m, `asks ${JSON.stringify(asked.type === "run.start" ? asked.run : asked).slice(0, 200)}`);
  if (m.waits) m.refused++;
  else take(m, commanded(m, { is: "command", command: asked, seed: m.r.uuid() }));
}

/** Ends the daemon and starts it again: everything is derived from the events alone. */
export function restart(m: Machine): void {
  note(m, "crashes");
  // What was being written is there whole, or not at all.
  if (m.appending !== null && m.r.chance(0.5)) record(m, m.appending);
  crash(m.host);
  m.turns.length = 0;
  m.appending = null;
  m.waits = false;
  m.wakeAt = null;
  const again = fold(emptyState, m.events);
  const found = difference(m.state, again);
  if (found !== null) throw new Error(`the fold of all events differs at ${found}`);
  m.state = again;
  m.keys = new Map();
  m.untoldMs += m.wall.sleptMs;
  m.wall.sleptMs = 0;
  m.wall.behindMs = Math.max(0, m.state.now - m.truth.wall());
  take(m, started(m));
}

function observe(m: Machine, observation: Observation): void {
  const { saw, key } = observation;
  note(
    m,
    `sees ${saw} [${key}] ${"failure" in observation ? JSON.stringify(observation.failure) : ""}`,
  );
  m.observed.set(saw, (m.observed.get(saw) ?? 0) + 1);
  take(m, observed(m, { is: "observation", observation, seed: m.r.uuid() }));
}
