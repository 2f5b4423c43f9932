/**
 * A simulation: random fleets run through the real `decide`, `evolve` and `due` against a fake world, step by step in virtual
 * time, with crashes, duplicates, delays, clock jumps and a person who interferes. Everything follows from one seed.
 */
import { decide, stamp } from "../../core/decide/decide.ts";
import { due as dueAt } from "../../core/due.ts";
import type { Due } from "../../core/effects.ts";
import type { Event, EventBody } from "../../core/events.ts";
import { evolve, fold } from "../../core/evolve/evolve.ts";
import { Fault } from "../../core/fault.ts";
import type { RunId } from "../../core/ids.ts";
import type { Command, Input, Observation } from "../../core/inputs.ts";
import { spent } from "../../core/queries.ts";
import { type Run, type State, emptyState } from "../../core/state.ts";
import { runStateName, runView } from "../../core/view.ts";
import { type KeysOf, checkBounds, checkEvent, checkKeys } from "./check.ts";
import { difference } from "./equal.ts";
import { randomCapacity, randomProjects, randomStart } from "./fleet.ts";
import { host } from "./host.ts";
import { helpfulCommand, randomCommand } from "./person.ts";
import { random } from "./random.ts";
import { timeline } from "./timeline.ts";
import { truth } from "./truth.ts";

export interface SimulateOptions {
  /** How much may go wrong before everything goes well. */
  readonly faults: number;
  /** A run that has not settled after so many steps never will. */
  readonly maxSteps: number;
  /** Gets every input and every event, as it happens. */
  readonly trace: ((line: string) => void) | null;
}

export interface Simulated {
  readonly seed: number;
  readonly steps: number;
  readonly events: readonly Event[];
  readonly landings: number;
  readonly crashes: number;
  readonly refused: number;
  readonly virtualMs: number;
  readonly performed: ReadonlyMap<string, number>;
  readonly observed: ReadonlyMap<string, number>;
}

export const defaultOptions: SimulateOptions = { faults: 40, maxSteps: 20_000, trace: null };

/** Runs one seed to its end. Throws an error that names the seed, what broke, and the last 20 inputs. */
export function simulate(seed: number, options: Partial<SimulateOptions> = {}): Simulated {
  const recent: string[] = [];
  try {
    return run(seed, { ...defaultOptions, ...options }, recent);
  } catch (error) {
    const what = error instanceof Error ? (error.stack ?? error.message) : String(error);
    throw new Error(`seed ${seed}: ${what}\nlast inputs:\n${recent.slice(-20).join("\n")}`, {
      cause: error,
    });
  }
}

function run(
  seed: number,
  { faults, maxSteps, trace }: SimulateOptions,
  recent: string[],
): Simulated {
  const r = random(seed);
  const world = truth(r, r.int(faults + 1));
  const time = timeline();
  const capacity = randomCapacity(r);
  const projects = randomProjects(r);
  const settled = new Map<RunId, Run>();
  const events: Event[] = [];
  const observed = new Map<string, number>();
  const shown = new Set<string>();
  const told = new Map<RunId, number>();
  let state: State = emptyState;
  let due: Due = { effects: [], wakeAt: null };
  let keys: ReadonlyMap<string, KeysOf> = new Map();
  let skew = 1_700_000_000_000;
  let steps = 0;
  let refused = 0;
  let crashes = 0;
  let started = 0;
  let asking = false;
  let kept: { readonly state: State; readonly count: number } | undefined;
  const wanted = r.between(1, 3);

  const clock = (): number => time.now + skew;
  world.accepted = (project) => state.projects.get(project)?.gate ?? null;
  const fleet = host({ truth: world, time, state: () => state, deliver: observe });

  function record(bodies: readonly EventBody[]): void {
    for (const event of stamp(bodies, state.seq, Math.max(clock(), state.now))) {
      const before = state;
      state = evolve(state, event);
      events.push(event);
      trace?.(`    #${event.seq} ${JSON.stringify(event)}`);
      checkEvent(before, state, event);
      if (event.type === "attempt.approved" && asking)
        world.approvals.set(`${event.run}/${event.task} ${event.commit}`, event.gateless);
      if (event.type === "run.settled") settle(before, event.run);
      if (event.type === "run.reopened") settled.delete(event.run);
    }
  }
  function settle(before: State, id: RunId): void {
    const of = before.runs.get(id) as Run;
    const sum = spent(before, of);
    const charged = world.charged.get(id) ?? 0;
    if (sum !== charged) throw new Error(`${id} shows ${sum} USD and was charged ${charged}`);
    for (const att of of.past.keys())
      if (fleet.live(att) > 0) throw new Error(`${id} is settled and ${att} still lives`);
    settled.set(id, of);
  }
  /** Decides an input, then ticks until nothing more follows, as the daemon's loop does. */
  function apply(input: Input): void {
    const bodies = decide(state, input, clock());
    if (r.chance(0.02)) {
      const again = difference(bodies, decide(state, input, clock()));
      if (again !== null) throw new Error(`the same input decides otherwise at ${again}`);
    }
    asking = input.is === "command";
    record(bodies);
    asking = false;
    for (let i = 0; ; i++) {
      const more = decide(state, { is: "tick", capacity, seed: r.uuid() }, clock());
      if (more.length === 0) break;
      if (i > 200) throw new Error(`the tick never rests: ${more.map(({ type }) => type).join()}`);
      record(more);
    }
    const now = Math.max(clock(), state.now);
    due = dueAt(state, now);
    if (due.wakeAt !== null && due.wakeAt <= now)
      throw new Error(`to be woken ${now - due.wakeAt} ms ago`);
    checkBounds(state, capacity, due);
    keys = checkKeys(keys, state, due);
    checkSpend();
    fleet.perform(due.effects);
  }
  function checkSpend(): void {
    for (const of of state.runs.values()) {
      const sum = spent(state, of);
      const known = told.get(of.id) ?? 0;
      if (sum !== known) throw new Error(`${of.id} shows ${sum} USD of ${known} reported`);
    }
  }
  function observe(observation: Observation): void {
    note(`sees ${observation.saw} [${observation.key}] ${brief(observation)}`);
    observed.set(observation.saw, (observed.get(observation.saw) ?? 0) + 1);
    if ("usd" in observation && observation.usd > 0) {
      const id = `${observation.key} ${observation.offset}`;
      const owner = `run_${observation.att.split("_")[1]}`;
      if (!shown.has(id)) told.set(owner, (told.get(owner) ?? 0) + observation.usd);
      shown.add(id);
    }
    apply({ is: "observation", observation, seed: r.uuid() });
  }
  function command(asked: Command): void {
    note(`asks ${JSON.stringify(asked.type === "run.start" ? asked.run : asked).slice(0, 200)}`);
    try {
      apply({ is: "command", command: asked, seed: r.uuid() });
    } catch (error) {
      if (!(error instanceof Fault)) throw error;
      refused++;
    }
  }
  function note(what: string): void {
    const line = `${(time.now / 1000).toFixed(1)} s #${state.seq} ${what}`;
    recent.push(line);
    trace?.(line);
    if (recent.length > 200) recent.splice(0, 150);
  }
  /** A restart forgets what was being done and derives everything again from the events alone. */
  function crash(): void {
    note("crashes");
    crashes++;
    fleet.crash();
    const again = fold(emptyState, events);
    const found = difference(state, again);
    if (found !== null) throw new Error(`the fold of all events differs at ${found}`);
    state = again;
    keys = new Map();
    apply({ is: "tick", capacity, seed: r.uuid() });
  }
  function interfere(): boolean {
    if (started < wanted && (started === 0 || r.chance(0.01))) {
      command(randomStart(r, `run_${"abc"[started++] ?? "d"}`, projects));
      return true;
    }
    if (world.fault(0.02)) crash();
    else if (world.fault(0.01)) skew += r.pick([-3_600_000, -1_000, 90_000, 28_800_000]);
    else if (world.fault(0.04)) {
      const asked = randomCommand(r, state, settled);
      if (asked !== undefined) command(asked);
    } else return false;
    return true;
  }
  function help(): boolean {
    const asked = helpfulCommand(state, clock());
    if (asked === undefined) return false;
    command(asked);
    return true;
  }
  /** Nothing is under way and no time is waited for: whatever is open must say that it needs a person. */
  function rest(): void {
    for (const of of state.runs.values())
      if (runStateName(state, of) === "running")
        throw new Error(`${of.id} rests and says running: ${describe(state, of, clock())}`);
    if (!help())
      throw new Error(
        `nothing helps: ${[...state.runs.values()].map((of) => describe(state, of, clock())).join(" ")}`,
      );
  }

  for (;;) {
    if (steps++ > maxSteps)
      throw new Error(
        `not settled after ${maxSteps} steps: ${[...state.runs.values()].map((of) => describe(state, of, clock())).join(" ")}`,
      );
    if (kept === undefined && r.chance(0.01)) kept = { state, count: events.length };
    if (interfere()) continue;
    if (r.chance(0.02) && help()) continue;
    const next = time.next();
    const wakeAt = due.wakeAt === null ? null : Math.max(time.now, due.wakeAt - skew);
    if (next === null && wakeAt === null) {
      if (state.runs.size === 0 && started === wanted) break;
      if (state.runs.size === 0) continue;
      rest();
    } else if (next === null || (wakeAt !== null && wakeAt < next)) {
      time.moveTo(wakeAt ?? time.now);
      note("wakes");
      apply({ is: "tick", capacity, seed: r.uuid() });
    } else time.step();
  }
  finish();

  function finish(): void {
    const found = difference(state, fold(emptyState, events));
    if (found !== null) throw new Error(`the fold of all events differs at ${found}`);
    if (kept !== undefined) {
      const old = difference(kept.state, fold(emptyState, events.slice(0, kept.count)));
      if (old !== null) throw new Error(`an old state was written to at ${old}`);
    }
    for (const landing of world.landings) {
      const task = settled.get(landing.run)?.tasks.get(landing.task)?.state;
      if (task?.is !== "landed" || task.commit !== landing.merge)
        throw new Error(`${landing.run}/${landing.task} landed but is ${task?.is}`);
    }
    let landed = 0;
    for (const of of settled.values())
      for (const { state: end } of of.tasks.values()) if (end.is === "landed") landed++;
    if (landed !== world.landings.length)
      throw new Error(`${landed} tasks say landed, ${world.landings.length} are`);
    for (const att of world.worktrees.keys()) {
      const of = [...settled.values()].find(({ past }) => past.has(att));
      if (of?.past.get(att)?.kept == null) throw new Error(`the worktree of ${att} is left behind`);
    }
  }
  return {
    seed,
    steps,
    events,
    landings: world.landings.length,
    crashes,
    refused,
    virtualMs: time.now,
    performed: fleet.performed,
    observed,
  };
}

function describe(state: State, of: Run, now: number): string {
  const { tasks } = runView(state, of, now);
  const parts = tasks.map(
    ({ id, state: name, reason }) => `${id}=${name}${reason === null ? "" : `(${reason})`}`,
  );
  const phases = [...state.attempts.values()]
    .filter(({ run: owner }) => owner === of.id)
    .map(({ id, phase, process, slot, park, mail, asks }) =>
      JSON.stringify({ id, phase, process, slot, park, mail: mail.length, asks: asks.length }),
    );
  return `${of.id} [${parts.join(" ")}] ${phases.join(" ")}`;
}

function brief(observation: Observation): string {
  switch (observation.saw) {
    case "round_ended":
      return JSON.stringify(observation.failure);
    case "gated":
      return String(observation.passed);
    case "session_exited":
      return observation.why;
    default:
      return "";
  }
}
