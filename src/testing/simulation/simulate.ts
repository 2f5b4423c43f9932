/**
 * A simulation: random fleets run through the real `decide`, `evolve` and `due` against a fake world, step by step in virtual
 * time, with crashes, duplicates, delays, clock jumps and a person who interferes. Everything follows from one seed.
 */
import type { Event } from "../../core/events.ts";
import { fold } from "../../core/evolve/evolve.ts";
import { type Run, type State, emptyState } from "../../core/state.ts";
import { runStateName, runView } from "../../core/view.ts";
import { difference } from "./equal.ts";
import { randomCapacity, randomProjects, randomStart } from "./fleet.ts";
import { type Machine, clock, command, machine, note, restart, tick } from "./machine.ts";
import { helpfulCommand, randomCommand } from "./person.ts";
import { random } from "./random.ts";
import { timeline } from "./timeline.ts";
import { truth } from "./truth.ts";

export interface SimulateOptions {
  /** How much may go wrong at most before everything goes well. */
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
  /** How often each effect was started, and each observation made. */
  readonly performed: ReadonlyMap<string, number>;
  readonly observed: ReadonlyMap<string, number>;
}

export const defaultOptions: SimulateOptions = { faults: 40, maxSteps: 20_000, trace: null };

/** Runs one seed to its end. Throws an error that names the seed, what broke, and the last 20 inputs. */
export function simulate(seed: number, options: Partial<SimulateOptions> = {}): Simulated {
  const { faults, maxSteps, trace } = { ...defaultOptions, ...options };
  const recent: string[] = [];
  const r = random(seed);
  const note = (line: string): void => {
    if (!line.startsWith(" ")) recent.push(line);
    if (recent.length > 200) recent.splice(0, 150);
    trace?.(line);
  };
  const parts = { r, truth: truth(r, r.int(faults + 1)), time: timeline(), trace: note };
  try {
    const m = machine({ ...parts, capacity: randomCapacity(r) });
    const steps = live(m, maxSteps);
    finish(m);
    const { events, crashes, refused, observed } = m;
    const landings = m.truth.landings.length;
    const virtualMs = m.time.now;
    const { performed } = m.host;
    return { seed, steps, events, landings, crashes, refused, virtualMs, performed, observed };
  } catch (error) {
    const what = error instanceof Error ? (error.stack ?? error.message) : String(error);
    throw new Error(`seed ${seed}: ${what}\nlast inputs:\n${recent.slice(-20).join("\n")}`, {
      cause: error,
    });
  }
}

/** Steps until every run is settled; returns how many steps that took. */
function live(m: Machine, maxSteps: number): number {
  const { r, time } = m;
  const projects = randomProjects(r);
  const wanted = r.between(1, 3);
  let started = 0;
  let kept: { readonly state: State; readonly count: number } | undefined;
  for (let steps = 1; ; steps++) {
    if (steps > maxSteps) throw new Error(`not settled after ${maxSteps} steps: ${describe(m)}`);
    if (kept === undefined && r.chance(0.01)) kept = { state: m.state, count: m.events.length };
    if (started < wanted && (started === 0 || r.chance(0.01))) {
      command(m, randomStart(r, `run_${"abc"[started++] ?? "d"}`, projects));
      continue;
    }
    if (interfere(m) || (r.chance(0.02) && help(m))) continue;
    const next = time.next();
    const wakeAt = m.due.wakeAt === null ? null : Math.max(time.now, m.due.wakeAt - m.skew);
    if (next === null && wakeAt === null) {
      if (m.state.runs.size > 0) rest(m);
      else if (started === wanted) {
        if (kept !== undefined) checkOld(m, kept.state, kept.count);
        return steps;
      }
    } else if (next === null || (wakeAt !== null && wakeAt < next)) {
      time.moveTo(wakeAt ?? time.now);
      note(m, "wakes");
      tick(m);
    } else time.step();
  }
}

/** A crash, a jump of the clock, or a person's whim, as long as faults are left. */
function interfere(m: Machine): boolean {
  const { r, truth: world } = m;
  if (world.fault(0.02)) restart(m);
  else if (world.fault(0.01)) m.skew += r.pick([-3_600_000, -1_000, 90_000, 28_800_000]);
  else if (world.fault(0.04)) {
    const asked = randomCommand(r, m.state, m.settled);
    if (asked !== undefined) command(m, asked);
  } else return false;
  return true;
}

function help(m: Machine): boolean {
  const asked = helpfulCommand(m.state, clock(m));
  if (asked === undefined) return false;
  command(m, asked);
  return true;
}

/** Nothing is under way and no time is waited for: whatever is open must say that it needs a person, and what for. */
function rest(m: Machine): void {
  for (const run of m.state.runs.values())
    if (runStateName(m.state, run) === "running")
      throw new Error(`${run.id} rests and says running: ${describe(m)}`);
  if (!help(m)) throw new Error(`nothing helps: ${describe(m)}`);
}

/** An old state is still what it was: nothing was written to it. */
function checkOld(m: Machine, state: State, count: number): void {
  const found = difference(state, fold(emptyState, m.events.slice(0, count)));
  if (found !== null) throw new Error(`an old state was written to at ${found}`);
}

/** At the end the record and the world agree: what landed, what is left. */
function finish({ state, events, settled, truth: world }: Machine): void {
  const found = difference(state, fold(emptyState, events));
  if (found !== null) throw new Error(`the fold of all events differs at ${found}`);
  for (const { run, task, merge } of world.landings) {
    const end = settled.get(run)?.tasks.get(task)?.state;
    if (end?.is !== "landed" || end.commit !== merge)
      throw new Error(`${run}/${task} landed but is ${end?.is}`);
  }
  const ends = [...settled.values()].flatMap((run) => [...run.tasks.values()]);
  const landed = ends.filter((task) => task.state.is === "landed").length;
  if (landed !== world.landings.length)
    throw new Error(`${landed} tasks say landed, ${world.landings.length} are`);
  for (const att of world.worktrees.keys()) {
    const of = [...settled.values()].find(({ past }) => past.has(att));
    const why = of?.past.get(att)?.kept ?? null;
    if (why === null) throw new Error(`the worktree of ${att} is left behind`);
  }
}

function describe(m: Machine): string {
  return [...m.state.runs.values()].map((run) => describeRun(m, run)).join(" ");
}

function describeRun(m: Machine, run: Run): string {
  const tasks = runView(m.state, run, clock(m)).tasks.map(({ id, state, reason }) =>
    reason === null ? `${id}=${state}` : `${id}=${state}(${reason})`,
  );
  const attempts = [...m.state.attempts.values()]
    .filter((attempt) => attempt.run === run.id)
    .map(({ id, phase, process, slot, park, mail, asks }) =>
      JSON.stringify({ id, phase, process, slot, park, mail: mail.length, asks: asks.length }),
    );
  return `${run.id} [${tasks.join(" ")}] ${attempts.join(" ")}`;
}
