/** Whatever sessions meet, and whenever: what a breaker holds up waits, one round goes first, and in the end all is done. */
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { type Drive, drive, startOf, taskSpec } from "../../testing/core.ts";
import { asked, evidence, head, inspected, worktree } from "../../testing/walk.ts";
import { due } from "../due.ts";
import type { Effect } from "../effects.ts";
import type { Event } from "../events.ts";
import { evolve } from "../evolve/evolve.ts";
import { Fault } from "../fault.ts";
import type { AttemptId, RunId } from "../ids.ts";
import type { Command, Observed, RoundFailure } from "../inputs.ts";
import type { Attempt } from "../attempt.ts";
import { type State, emptyState } from "../state.ts";

const runs: readonly RunId[] = ["run_a", "run_b", "run_c"];
const keys = ["a", "b", "c"] as const;

type End = "good" | "down" | "limited" | "refused" | "gives up" | "void" | "interrupted";
type Action =
  | { readonly do: "perform"; readonly which: number; readonly well: boolean }
  | { readonly do: "work" | "ask" | "exit"; readonly which: number }
  | { readonly do: "end"; readonly which: number; readonly how: End }
  | { readonly do: "wait"; readonly ms: number }
  | { readonly do: "say"; readonly command: Command };

const which = fc.nat(20);
const run = fc.constantFrom(...runs);
const task = fc.constantFrom(null, ...keys);
const command: fc.Arbitrary<Command> = fc.oneof(
  fc.record({
    type: fc.constant("resume"),
    run,
    task,
    usd: fc.constant(null),
    credential: fc.constantFrom("key", "key-2"),
  }),
  fc.record({ type: fc.constant("stop"), run, task: fc.constantFrom(...keys) }),
  fc.record({ type: fc.constant("pause"), run, task, interrupt: fc.boolean() }),
);

function actions(ends: readonly End[], commands: boolean): fc.Arbitrary<Action[]> {
  const perform = fc.record({ do: fc.constant("perform"), which, well: fc.boolean() });
  const end = fc.record({ do: fc.constant("end"), which, how: fc.constantFrom(...ends) });
  const some = fc.oneof(
    { arbitrary: perform, weight: 12 },
    { arbitrary: end, weight: 4 },
    { arbitrary: fc.record({ do: fc.constantFrom("work", "ask", "exit"), which }), weight: 2 },
    {
      arbitrary: fc.record({
        do: fc.constant("wait"),
        ms: fc.constantFrom(0, 900, 2_500, 60_000),
      }),
      weight: 3,
    },
    ...(commands ? [{ arbitrary: fc.record({ do: fc.constant("say"), command }), weight: 1 }] : []),
  ) as fc.Arbitrary<Action>;
  return fc.array(some, { minLength: 30, maxLength: 250, size: "max" });
}

function failureOf(how: End, now: number): RoundFailure | "void" | null {
  const unavailable = { is: "unavailable", status: null, detail: how } as const;
  switch (how) {
    case "good":
      return null;
    case "void":
      return "void";
    case "interrupted":
      return { is: "interrupted" };
    case "gives up":
      return { is: "agent", detail: how };
    case "down":
      return { ...unavailable, reason: "outage", retryAt: null };
    case "limited":
      return { ...unavailable, reason: "rate_limit", retryAt: now + 30_000 };
    case "refused":
      return { is: "credentials", detail: how };
  }
}

/** What a world says that does what it is told; sessions that start and gates can go wrong. */
function answerTo(effect: Effect, well: boolean): Observed | undefined {
  const { attempt } = effect;
  const name = attempt.id;
  switch (effect.do) {
    case "provision":
      return { saw: "provisioned", worktree: worktree(attempt.task) };
    case "session": {
      const { n } = effect;
      if (attempt.process.is !== "starting") return undefined;
      return well
        ? { saw: "session_started", n, pid: 100, version: null }
        : { saw: "session_failed_to_start", n, why: "no such file", credentials: false };
    }
    case "end_session":
      return { saw: "session_exited", n: effect.n, code: 0, signal: null, why: "ended" };
    case "send":
      return { saw: "message_taken", uuid: effect.message.uuid, offset: attempt.offset + 1 };
    case "answer":
      return { saw: "answer_taken", ask: effect.ask };
    case "snapshot":
      return { saw: "snapshot", ref: effect.ref, commit: "commit-snapshot", left: 0 };
    case "inspect":
      return inspected(name);
    case "commit":
      return { saw: "committed", head: head(name) };
    case "gate": {
      const ran = evidence(effect.head, { exit: well ? 0 : 1, on: effect.on });
      return { saw: "gated", head: effect.head, evidence: [ran], passed: well };
    }
    case "merge":
      return { saw: "merged", merge: { target: "commit-base", ...head(`m-${name}`) } };
    case "land":
      return { saw: "landed", commit: effect.merge.commit, followed: null };
    case "retire":
      return { saw: "retired", ref: null };
  }
}

const isInFlight = (attempt: Attempt | undefined): boolean =>
  attempt?.phase.at === "working" && attempt.slot;

/** Follows the events one by one, and throws where one of them breaks the rule. */
function watch(): (events: readonly Event[]) => State {
  let state: State = emptyState;
  const probing = new Map<string, AttemptId>();
  const before = (event: Event): void => {
    if (event.type === "breaker.opened")
      expect(state.breakers.get(event.key)?.until, "opened while it waits for a person").not.toBe(
        null,
      );
    if (event.type === "breaker.closed") probing.delete(event.key);
    if (event.type === "breaker.probed") {
      const other = probing.get(event.key);
      expect(isInFlight(other && state.attempts.get(other)), "two probes").toBe(false);
      probing.set(event.key, event.att);
    }
    if (event.type === "round.admitted") checkFree(state.attempts.get(event.att), event.at);
  };
  /** A round begins behind no breaker but as its probe; one that goes on after an answer may. */
  const checkFree = (attempt: Attempt | undefined, at: number): void => {
    if (attempt === undefined || attempt.phase.at === "working") return;
    const of = state.runs.get(attempt.run);
    const model = of?.tasks.get(attempt.task)?.spec.model;
    for (const breaker of state.breakers.values()) {
      const { key, until, probe } = breaker;
      if (key !== `${of?.credential} *` && key !== `${of?.credential} ${model}`) continue;
      expect([key, until !== null && until <= at, probe]).toEqual([key, true, attempt.id]);
    }
  };
  const after = ({ type }: Event): void => {
    if (type === "breaker.probed") return; // Its round is admitted with the next event.
    for (const [key, att] of probing) if (!isInFlight(state.attempts.get(att))) probing.delete(key);
  };
  return (events) => {
    for (const event of events.slice(state.seq)) {
      before(event);
      state = evolve(state, event);
      after(event);
    }
    return state;
  };
}

function begin(): Drive {
  const d = drive();
  for (const [i, id] of runs.entries()) {
    const tasks = keys.map((key) => taskSpec(key, { model: key === "c" ? "opus" : "sonnet" }));
    d.command(startOf(tasks, { run: id, usd: 1e9, credential: i < 2 ? "key" : "key-2" }));
  }
  return d;
}

function perform(d: Drive, effect: Effect | undefined, well: boolean): void {
  const seen = effect && answerTo(effect, well);
  if (effect !== undefined && seen !== undefined)
    d.see(effect.attempt.task, seen, effect.key, effect.attempt.run);
}

/** A session says something of a round that is in flight and has been heard. */
function speak(d: Drive, at: number, seen: (attempt: Attempt) => Observed): void {
  const talking = [...d.state.attempts.values()].filter(
    ({ phase, slot, process, mail }) =>
      phase.at === "working" && slot && process.is === "live" && mail.every(({ taken }) => taken),
  );
  const attempt = talking[at % Math.max(1, talking.length)];
  if (attempt !== undefined)
    d.see(attempt.task, seen(attempt), `session:${attempt.id}:${attempt.starts}`, attempt.run);
}

function play(d: Drive, action: Action): void {
  switch (action.do) {
    case "perform": {
      const effects = d.due();
      perform(d, effects[action.which % Math.max(1, effects.length)], action.well);
      return;
    }
    case "work":
      speak(d, action.which, ({ offset: o }) => ({ saw: "used", turns: 1, usd: 0, offset: o + 1 }));
      return;
    case "ask":
      speak(d, action.which, ({ offset }) => asked({ offset: offset + 1, ask: `q${offset}` }));
      return;
    case "exit":
      speak(d, action.which, ({ starts: n }) => ({
        saw: "session_exited",
        n,
        code: null,
        signal: "SIGKILL",
        why: "killed",
      }));
      return;
    case "end":
      endRound(d, action.which, action.how);
      return;
    case "wait":
      d.tick(action.ms);
      return;
    case "say":
      try {
        d.command(action.command);
      } catch (error) {
        if (!(error instanceof Fault)) throw error;
      }
  }
}

function endRound(d: Drive, at: number, how: End): void {
  speak(d, at, ({ offset }) => ({
    saw: "round_ended",
    failure: failureOf(how, d.now),
    text: "",
    turns: how === "good" ? 1 : 0,
    usd: 0,
    offset: offset + 1,
  }));
}

/** From here on all goes well. Returns once nothing is left to do but by a person. */
function goWell(d: Drive): void {
  for (let i = 0; i < 3_000; i++) {
    const before = d.events.length;
    for (const effect of d.due()) perform(d, effect, true);
    endRound(d, 0, "good");
    if (d.events.length > before) continue;
    const { wakeAt } = due(d.state, d.now);
    if (wakeAt === null) return;
    d.tick(wakeAt - d.now);
  }
  throw new Error("it never comes to rest");
}

const all: readonly End[] = [
  "good",
  "down",
  "limited",
  "refused",
  "gives up",
  "void",
  "interrupted",
];

describe("any order of failures", () => {
  it("never has two probes of one breaker in flight, and begins no round behind one (F18, F20, F46)", () => {
    const seen = new Map<string, number>();
    fc.assert(
      fc.property(actions(all, true), (given) => {
        const d = begin();
        const look = watch();
        for (const action of given) {
          play(d, action);
          look(d.events);
        }
        for (const { type } of d.events) seen.set(type, (seen.get(type) ?? 0) + 1);
      }),
      { numRuns: 300 },
    );
    for (const type of ["breaker.opened", "breaker.probed", "breaker.closed", "task.landed"])
      expect(seen.get(type) ?? 0, type).toBeGreaterThan(0);
  }, 60_000);

  it("holds nothing up for ever without a person where no key is refused (F18, F20, F21)", () => {
    fc.assert(
      fc.property(
        actions(
          all.filter((end) => end !== "refused"),
          false,
        ),
        (given) => {
          const d = begin();
          for (const action of given) play(d, action);
          goWell(d);
          expect([...d.state.runs.keys()]).toEqual([]);
        },
      ),
      { numRuns: 100 },
    );
  }, 60_000);

  it("leaves nothing held up by a refused key after one resume of each run (F46)", () => {
    fc.assert(
      fc.property(actions(all, true), (given) => {
        const d = begin();
        for (const action of given) play(d, action);
        for (const id of runs)
          if (d.state.runs.has(id))
            d.command({ type: "resume", run: id, task: null, usd: null, credential: "key-3" });
        goWell(d);
        expect([...d.state.runs.keys()]).toEqual([]);
      }),
      { numRuns: 100 },
    );
  }, 60_000);
});
