/** A thousand simulated fleets: see `simulate.ts` for what is checked after every step. `npm run simulate` runs other seeds. */
import { mkdtempSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, expect, it, onTestFinished } from "vitest";
import type { EventType } from "../../core/events.ts";
import type { Observed } from "../../core/inputs.ts";
import type { EffectName } from "../../core/effects.ts";
import type { Script } from "./random.ts";
import { choicesIn, readScript, scriptText } from "./script.ts";
import { ruleOf, shrink } from "./shrink.ts";
import { type Broken, simulate, tryOut } from "./simulate.ts";
import { count, tally, tallyText } from "./tally.ts";

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

const scripts = join(import.meta.dirname, "scripts");

describe("simulated fleets", () => {
  it(`keep the invariants over ${seeds} seeds and look at everything`, { timeout: 240_000 }, () => {
    const seen = {
      events: new Set<string>(),
      effects: new Set<string>(),
      looks: new Set<string>(),
    };
    const sum = tally();
    for (let seed = 1; seed <= seeds; seed++) {
      const one = simulate(seed);
      count(sum, one);
      for (const { type } of one.events) seen.events.add(type);
      for (const name of one.performed.keys()) seen.effects.add(name);
      for (const saw of one.observed.keys()) seen.looks.add(saw);
    }
    process.stdout.write(`${seeds} seeds: ${tallyText(sum)}\n`);
    expect(Object.keys(everyEvent).filter((type) => !seen.events.has(type))).toEqual([]);
    expect(Object.keys(everyEffect).filter((name) => !seen.effects.has(name))).toEqual([]);
    expect(Object.keys(everyObservation).filter((saw) => !seen.looks.has(saw))).toEqual([]);
    expect(sum.landings).toBeGreaterThan(2 * seeds);
    expect(sum.refused).toBeGreaterThan(seeds);
    expect([...sum.faults].filter(([, made]) => made < seeds / 10)).toEqual([]);
  });

  it("give the same history for the same seed", () => {
    expect(simulate(7).events).toEqual(simulate(7).events);
  });

  it("name the seed and the last inputs where something breaks", () => {
    expect(() => simulate(5, { maxSteps: 30 })).toThrow(
      /^seed 5: [\s\S]*not settled after 30 steps[\s\S]*last inputs:\n[\s\S]*sees provisioned/,
    );
  });

  it("hold up against everything that a script once caught", () => {
    const files = readdirSync(scripts).toSorted();
    process.stdout.write(`${files.length} scripts\n`);
    expect(files.length).toBeGreaterThan(3);
    for (const file of files) simulate(readScript(join(scripts, file)).choices);
  });
});

describe("a script", () => {
  it("is a quiet run where it says nothing", () => {
    const { landings, faults, refused } = simulate({});
    expect({ landings, faults: faults.size, refused }).toEqual({
      landings: 1,
      faults: 0,
      refused: 0,
    });
  });

  it("of a seed that broke breaks the same way, and in few choices once it is shrunk", () => {
    const maxSteps = simulate(5).steps >> 1;
    const broken = (script: number | Script): Broken | null => {
      const end = tryOut(script, { maxSteps });
      return "what" in end ? end : null;
    };
    const { script, what } = broken(5) ?? { script: {}, what: "" };
    expect(broken(script)).toMatchObject({ what, script });
    const fails = (small: Script): Script | null => broken(small)?.script ?? null;
    const small = shrink(script, fails, () => false);
    expect(broken(small)?.what).toContain(`not settled after ${maxSteps} steps`);
    expect(choicesIn(script)).toBeGreaterThan(50);
    expect(choicesIn(small)).toBeLessThan(10);
  });

  it("reads as it was written, by hand or not", () => {
    const choices = { crash: [0, 0, 0, 1, 0, 2], fleet: [3] };
    const text = scriptText("it broke", choices);
    expect(text).toContain('"crash": [-3, 1, 0, 2]');
    const folder = mkdtempSync(join(tmpdir(), "muster-script-"));
    onTestFinished(() => rmSync(folder, { recursive: true }));
    writeFileSync(join(folder, "a.json"), text);
    expect(readScript(join(folder, "a.json"))).toEqual({ caught: "it broke", choices });
  });
});

describe("shrinking", () => {
  const all = { a: [5, 0, 9, 0, 0, 7], b: [1, 1], c: [4] };

  it("leaves the lowest and fewest choices that still fail", () => {
    const fails = (script: Script): Script | null =>
      (script["a"] ?? []).some((choice) => choice >= 6) && (script["c"] ?? []).length > 0
        ? script
        : null;
    expect(shrink(all, fails, () => false)).toEqual({ a: [6], b: [], c: [0] });
  });

  it("leaves what does not fail in any smaller way, and what there is no time for", () => {
    const whole = JSON.stringify(all);
    const fails = (script: Script): Script | null =>
      JSON.stringify(script) === whole ? script : null;
    expect(shrink(all, fails, () => false)).toEqual(all);
    expect(
      shrink(
        all,
        (script) => script,
        () => true,
      ),
    ).toEqual(all);
  });

  it("knows two failures of one rule by what they say", () => {
    expect(ruleOf("run_a/t0 lands twice")).toBe(ruleOf("run_b/c.t11 lands twice"));
    expect(ruleOf("att_a_1 is timed out after 3 of 9 ms")).not.toBe(ruleOf("att_a_1 lands twice"));
    expect(ruleOf("run_a rests and says running: run_a [t0]")).toBe("… rests and says running");
  });
});
