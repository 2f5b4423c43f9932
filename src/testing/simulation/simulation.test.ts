/** A thousand simulated fleets: see `simulate.ts` for what is checked after every step. `npm run simulate` runs other seeds. */
import { describe, expect, it } from "vitest";
import type { EventType } from "../../core/events.ts";
import type { Observed } from "../../core/inputs.ts";
import type { EffectName } from "../../core/effects.ts";
import { simulate } from "./simulate.ts";

const seeds = 1_000;

const everyEvent: Record<EventType, true> = {
  "run.started": true,
  "run.paused": true,
  "run.resumed": true,
  "run.attended": true,
  "run.unattended": true,
  "run.budget_raised": true,
  "run.reopened": true,
  "run.settled": true,
  "answer.remembered": true,
  "run.credential_changed": true,
  "breaker.opened": true,
  "breaker.probed": true,
  "breaker.closed": true,
  "task.added": true,
  "task.paused": true,
  "task.resumed": true,
  "task.deferred": true,
  "task.landed": true,
  "task.done": true,
  "task.failed": true,
  "task.canceled": true,
  "task.reopened": true,
  "attempt.admitted": true,
  "attempt.provisioned": true,
  "attempt.provision_failed": true,
  "attempt.cancel_requested": true,
  "attempt.parked": true,
  "attempt.unparked": true,
  "attempt.ending": true,
  "attempt.ended": true,
  "attempt.retired": true,
  "attempt.kept": true,
  "attempt.used": true,
  "message.queued": true,
  "message.taken": true,
  "round.admitted": true,
  "round.ended": true,
  "session.handed_over": true,
  "session.planned": true,
  "session.started": true,
  "session.end_requested": true,
  "session.exited": true,
  "ask.opened": true,
  "ask.answered": true,
  "ask.closed": true,
  "ask.detached": true,
  "config.trusted": true,
  "merge.unsigned": true,
  "ask.withdrawn": true,
  "snapshot.taken": true,
  "snapshot.missed": true,
  "head.read": true,
  "commit.made": true,
  "gate.admitted": true,
  "gate.passed": true,
  "gate.failed": true,
  "gate.broken": true,
  "attempt.verified": true,
  "attempt.approved": true,
  "attempt.reverify": true,
  "queue.entered": true,
  "attempt.returned": true,
  "landing.started": true,
  "merge.made": true,
  "merge.conflicted": true,
  "merge.verified": true,
  "target.moved": true,
  "gate.accepted": true,
};
const everyObservation: Record<Observed["saw"], true> = {
  provisioned: true,
  provision_failed: true,
  provision_conflicts: true,
  session_started: true,
  session_failed_to_start: true,
  message_taken: true,
  asked: true,
  ask_withdrawn: true,
  answer_taken: true,
  used: true,
  round_ended: true,
  stalled: true,
  session_exited: true,
  snapshot: true,
  snapshot_failed: true,
  inspected: true,
  inspect_failed: true,
  committed: true,
  gated: true,
  gate_broken: true,
  merged: true,
  merge_conflicts: true,
  target_missing: true,
  signing_failed: true,
  untrusted: true,
  landed: true,
  target_moved: true,
  checkout_in_the_way: true,
  needs_credentials: true,
  retired: true,
  kept: true,
};
const everyEffect: Record<EffectName, true> = {
  provision: true,
  session: true,
  send: true,
  answer: true,
  end_session: true,
  snapshot: true,
  inspect: true,
  commit: true,
  gate: true,
  merge: true,
  land: true,
  retire: true,
};

describe("simulated fleets", () => {
  it(`keep the invariants over ${seeds} seeds and look at everything`, { timeout: 120_000 }, () => {
    const seen = {
      events: new Set<string>(),
      effects: new Set<string>(),
      looks: new Set<string>(),
    };
    const sum = { steps: 0, events: 0, landings: 0, crashes: 0, refused: 0 };
    for (let seed = 1; seed <= seeds; seed++) {
      const one = simulate(seed);
      sum.steps += one.steps;
      sum.events += one.events.length;
      sum.landings += one.landings;
      sum.crashes += one.crashes;
      sum.refused += one.refused;
      for (const { type } of one.events) seen.events.add(type);
      for (const name of one.performed.keys()) seen.effects.add(name);
      for (const saw of one.observed.keys()) seen.looks.add(saw);
    }
    process.stdout.write(
      `${seeds} seeds: ${sum.steps} steps, ${sum.events} events, ${sum.landings} landings, ` +
        `${sum.crashes} crashes, ${sum.refused} refused commands\n`,
    );
    expect(Object.keys(everyEvent).filter((type) => !seen.events.has(type))).toEqual([]);
    expect(Object.keys(everyEffect).filter((name) => !seen.effects.has(name))).toEqual([]);
    expect(Object.keys(everyObservation).filter((saw) => !seen.looks.has(saw))).toEqual([]);
    expect(sum.landings).toBeGreaterThan(2 * seeds);
    expect(sum.crashes).toBeGreaterThan(seeds);
    expect(sum.refused).toBeGreaterThan(seeds);
  });

  it("give the same history for the same seed", () => {
    expect(simulate(7).events).toEqual(simulate(7).events);
  });

  it("name the seed and the last inputs where something breaks", () => {
    expect(() => simulate(5, { maxSteps: 30 })).toThrow(
      /^seed 5: [\s\S]*not settled after 30 steps[\s\S]*last inputs:\n[\s\S]*sees provisioned/,
    );
  });
});
