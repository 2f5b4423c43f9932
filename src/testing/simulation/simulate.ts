/**
 * A simulation: random fleets run through the real `decide`, `evolve` and `due` against a fake world, step by step in virtual
 * time, with the troubles of `faults.ts` and a person who interferes. Everything follows from one seed, or from a script.
 */
import type { Event } from "../../core/events.ts";
import { fold } from "../../core/evolve/evolve.ts";
import { type Run, type State, emptyState } from "../../core/state.ts";
import { runStateName, runView } from "../../core/view.ts";
import { difference } from "./equal.ts";
import { randomCapacity, randomProjects, randomStart } from "./fleet.ts";
import type { FaultKind } from "./faults.ts";
import { command, jump, machine, restart, wake } from "./machine.ts";
import { helpfulCommand, randomCommand } from "./person.ts";
import { type Script, random } from "./random.ts";
import { type Machine, clock, note } from "./record.ts";
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
  readonly steps: number;
  readonly events: readonly Event[];
  readonly landings: number;
  readonly refused: number;
  readonly virtualMs: number;
  /** How often each kind of trouble was made. */
  readonly faults: ReadonlyMap<FaultKind, number>;
  /** How often each effect was started, and each observation made. */
  readonly performed: ReadonlyMap<string, number>;
  readonly observed: ReadonlyMap<string, number>;
}

/** A run in which something did not hold. */
export interface Broken {
  /** What did not hold, and where. */
  readonly what: string;
  readonly stack: string;
  /** The last 20 inputs. */
  readonly inputs: readonly string[];
  /** The choices that led there. */
  readonly script: Script;
  readonly events: number;
  readonly cause: unknown;
}

export const defaultOptions: SimulateOptions = { faults: 40, maxSteps: 20_000, trace: null };

/** Runs one seed, or one script, to its end. Throws an error that names the seed, what broke, and the last 20 inputs. */
export function simulate(from: number | Script, options: Partial<SimulateOptions> = {}): Simulated {
  const end = tryOut(from, options);
  if (!("what" in end)) return end;
  const [name, shorter] =
    typeof from === "number"
      ? [
          `seed ${from}`,
          `\nTo make a short script of it, run npm run simulate -- --seeds 1 --from ${from}`,
        ]
      : ["script", ""];
  throw new Error(`${name}: ${end.stack}\nlast inputs:\n${end.inputs.join("\n")}${shorter}`, {
    cause: end.cause,
  });
}

/** As `simulate`, but what breaks is returned. */
export function tryOut(
  from: number | Script,
  options: Partial<SimulateOptions> = {},
): Simulated | Broken {
  const { faults, maxSteps, trace } = { ...defaultOptions, ...options };
  const recent: string[] = [];
  const r = random(from);
  const note = (line: string): void => {
    if (!line.startsWith(" ")) recent.push(line);
    if (recent.length > 200) recent.splice(0, 150);
    trace?.(line);
  };
  const time = timeline(r);
  const m = r.as("fleet", () => {
    const world = truth({ r, time, faults: r.int(faults + 1) });
    return machine({ r, truth: world, time, trace: note, capacity: randomCapacity(r) });
  });
  try {
    const steps = live(m, maxSteps);
    finish(m);
    return {
      steps,
      events: m.events,
      landings: m.truth.landings.length,
      refused: m.refused,
      virtualMs: time.now,
      faults: m.truth.made,
      performed: m.host.performed,
      observed: m.observed,
    };
  } catch (cause) {
    const error = cause instanceof Error ? cause : new Error(String(cause));
    return {
      what: error.message,
      stack: error.stack ?? error.message,
      inputs: recent.slice(-20),
      script: r.script(),
      events: m.events.length,
      cause,
    };
  }
}

/** Steps until every run is settled; returns how many steps that took. */
function live(m: Machine, maxSteps: number): number {
  const { r, time } = m;
  const [projects, wanted] = r.as("fleet", () => [randomProjects(r), r.between(1, 3)] as const);
  let started = 0;
  let kept: { readonly state: State; readonly count: number } | undefined;
  for (let steps = 1; ; steps++) {
    if (steps > maxSteps) throw new Error(`not settled after ${maxSteps} steps: ${describe(m)}`);
    if (kept === undefined && sometimes(m, "look back", 0.01))
      kept = { state: m.state, count: m.events.length };
    const isIdle = m.state.runs.size === 0 && time.next() === null && m.wakeAt === null;
    if (started < wanted && (isIdle || sometimes(m, "start", 0.01))) {
      const run = `run_${"abc"[started++] ?? "d"}` as const;
      command(
        m,
        r.as(run, () => randomStart(r, run, projects)),
      );
      continue;
    }
    if (trouble(m) || person(m)) continue;
    const next = time.next();
    const wakeAt = m.wakeAt === null ? null : Math.max(time.now, time.heldUntil, m.wakeAt);
    if (next === null && wakeAt === null) {
      if (m.state.runs.size > 0) rest(m);
      else if (started === wanted) {
        if (kept !== undefined) checkOld(m, kept.state, kept.count);
        return steps;
      }
    } else if (next === null || (wakeAt !== null && wakeAt < next)) {
      time.moveTo(wakeAt ?? time.now);
      wake(m);
    } else time.step();
  }
}

function sometimes({ r }: Machine, what: string, probability: number): boolean {
  return r.as(what, () => r.chance(probability));
}

const minute = 60_000;

/** What may befall the machine, each kind by its own choices, as long as faults are left. */
const troubles: readonly (readonly [FaultKind, number, (m: Machine) => void])[] = [
  ["crash", 0.015, restart],
  ["clock jump", 0.008, (m) => jump(m, m.r.pick([30_000, 90_000, -3_600_000]))],
  ["sleep", 0.006, (m) => jump(m, m.r.pick([10, 120, 480]) * minute)],
  ["halt", 0.006, ({ time, r }) => time.hold(r.pick([1, 10, 120]) * minute)],
  ["full disk", 0.004, fill],
  [
    "slow disk",
    0.004,
    ({ truth: { disk }, time, r }) => (disk.slowUntil = time.now + r.pick([1, 10, 60]) * minute),
  ],
];

/** The disk of the worktrees, or that of the ledger, or both on one. */
function fill({ truth: { disk }, time, r }: Machine): void {
  const until = time.now + r.pick([0.2, 5, 60]) * minute;
  const which = r.int(3);
  if (which !== 1) disk.ledgerFullUntil = until;
  if (which !== 2) disk.fullUntil = until;
}

function trouble(m: Machine): boolean {
  return troubles.some(([kind, probability, make]) =>
    m.r.as(kind, () => {
      if (!m.truth.fault(probability, kind)) return false;
      note(m, `meets ${kind}`);
      make(m);
      return true;
    }),
  );
}

/** A person's whim, or help; neither reaches a daemon that stands still. */
function person(m: Machine): boolean {
  const { r, truth: world, time } = m;
  if (time.heldUntil > time.now) return false;
  return r.as("person", () => {
    if (!world.fault(0.04)) return r.chance(0.02) && help(m);
    const asked = randomCommand(r, m.state, m.settled);
    if (asked !== undefined) command(m, asked);
    return true;
  });
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
  // Where there is no space, whoever is to help makes some first.
  const { fullUntil, ledgerFullUntil } = m.truth.disk;
  m.time.moveTo(Math.max(fullUntil, ledgerFullUntil));
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
