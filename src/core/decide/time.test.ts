import { describe, expect, it } from "vitest";
import { decide } from "./decide.ts";
import { drive, need, runId, startOf, taskSpec } from "../../testing/core.ts";
import { asked, walk } from "../../testing/walk.ts";

describe("a permission with a deadline", () => {
  it("is denied when it passes, and the run counts as unattended from then on", () => {
    const d = drive();
    const w = walk(d);
    d.command(startOf([taskSpec("a")], { waitMs: 60_000 }));
    w.work("a");
    d.see("a", asked());
    expect(d.tick(59_999)).toEqual([]);
    expect(d.tick(1)).toEqual(["ask.answered", "run.unattended", "round.admitted"]);
    expect(d.run().attended).toBe(false);
    expect(d.effect("a", "answer")?.answer).toMatchObject({ is: "deny" });
    d.see("a", { saw: "answer_taken", ask: "q" }, d.effect("a", "answer")?.key);
    d.see("a", asked({ ask: "q2", offset: 6_000 }));
    expect(d.effect("a", "answer")?.ask).toBe("q2");
  });

  it("denies several at once and says unattended once", () => {
    const d = drive();
    const w = walk(d);
    d.command(startOf([taskSpec("a")], { waitMs: 60_000 }));
    w.work("a");
    d.see("a", asked());
    d.see("a", asked({ ask: "q2", offset: 5_100 }));
    expect(d.tick(60_000).filter((type) => type === "run.unattended")).toHaveLength(1);
    expect(d.attempt("a").asks.every(({ answer }) => answer?.is === "deny")).toBe(true);
  });
});

describe("a question that no deadline ends", () => {
  it("is one of muster's own, or of a task that waits for ever", () => {
    const d = drive();
    const w = walk(d);
    const permissions = { allow: [], ask: [], deny: [], waitMs: null };
    d.command(startOf([taskSpec("a", { permissions }), taskSpec("b", { approval: true })]));
    w.work("a");
    d.see("a", asked());
    w.prove("b");
    w.exit("b");
    d.see("a", { saw: "session_exited", n: 1, code: 0, signal: null, why: "killed" });
    w.save("a");
    d.tick(60_000);
    expect(d.tick(24 * 60 * 60_000)).toEqual([]);
    expect(d.attempt("a").asks).toMatchObject([{ detached: true, answer: null }]);
  });
});

describe("a park", () => {
  it("ends by itself at its time", () => {
    const d = drive();
    d.command(startOf([taskSpec("a")]));
    d.see("a", { saw: "provision_failed", why: "disk", retry: true });
    const { park } = d.attempt("a");
    expect(park?.reason).toBe("backoff");
    expect(d.effect("a", "provision")).toBeUndefined();
    expect(d.tick((park?.until ?? 0) - d.now)).toEqual(["attempt.unparked"]);
    expect(d.effect("a", "provision")?.key).toBe("provision:att_a_1:2");
  });
});

describe("a machine that slept", () => {
  it("has not worked meanwhile: rounds in flight count anew, and nothing times out (F8)", () => {
    const d = drive();
    const w = walk(d);
    d.command(startOf([taskSpec("a")]));
    w.work("a");
    const asleepMs = 8 * 60 * 60_000;
    const at = d.now + asleepMs;
    const seed = "0000ffff-0000-4000-a000-000000000000";
    const tick = { is: "tick", capacity: d.capacity, seed } as const;
    const types = (sleptMs: number) =>
      decide(d.state, { ...tick, sleptMs }, at).map(({ type }) => type);
    expect(types(asleepMs)).toEqual(["round.admitted"]);
    expect(types(0)).toContain("attempt.ending");
  });
});

describe("an attempt's minutes", () => {
  it("run while a round is in flight and end it when they are used up", () => {
    const d = drive();
    const w = walk(d);
    d.command(startOf([taskSpec("a", { limits: { turns: 9, minutes: 10, usd: 9, fixes: 1 } })]));
    w.work("a");
    d.now += 4 * 60_000;
    w.commit("a");
    expect(d.attempt("a").workedMs).toBe(4 * 60_000);
    d.now += 60 * 60_000;
    w.gate("a", false);
    expect(d.attempt("a").phase.at).toBe("working");
    expect(d.tick(6 * 60_000 - 1)).toEqual([]);
    expect(d.tick(1)).toEqual(["attempt.ending", "session.end_requested"]);
    expect(d.attempt("a").phase).toMatchObject({
      at: "ending",
      outcome: { is: "failed", reason: "timed_out" },
    });
  });

  it("stand still while a person is asked", () => {
    const d = drive();
    const w = walk(d);
    d.command(
      startOf([taskSpec("a", { limits: { turns: 9, minutes: 10, usd: 9, fixes: 1 } })], {
        waitMs: null,
      }),
    );
    w.work("a");
    d.see("a", asked());
    expect(d.tick(24 * 60 * 60_000)).toEqual([]);
  });
});

describe("the end of an attempt", () => {
  it("is final once its process is gone and a snapshot is taken", () => {
    const d = drive();
    const w = walk(d);
    d.command(startOf([taskSpec("a")]));
    w.work("a");
    d.command({ type: "stop", run: runId, task: "a" });
    expect(d.effect("a", "snapshot")).toBeUndefined();
    expect(d.effect("a", "end_session")?.interrupt).toBe(true);
    w.exit("a", "asked to end");
    expect(d.effect("a", "snapshot")?.key).toBe("snapshot:att_a_1:1:last");
    expect(w.snapshot("a")).toEqual(["snapshot.taken", "attempt.ended", "task.canceled"]);
  });

  it("settles the run when every attempt has nothing left to do", () => {
    const d = drive();
    const w = walk(d);
    d.command(startOf([taskSpec("a")]));
    w.prove("a");
    w.exit("a");
    w.merge("a", "a");
    expect(w.land("a")).toEqual(["attempt.ended", "task.landed"]);
    expect(w.retire("a")).toEqual(["attempt.retired", "run.settled"]);
    expect(d.state.runs.size).toBe(0);
    expect(d.events.at(-1)).toMatchObject({ type: "run.settled", state: "succeeded" });
  });

  it("settles a run beside another one that goes on", () => {
    const d = drive();
    const w = walk(d);
    d.command(startOf([taskSpec("a")], { run: "run_b" }));
    d.command(startOf([taskSpec("a")]));
    w.finish("a");
    expect([...d.state.runs.keys()]).toEqual(["run_b"]);
    expect([...d.state.attempts.keys()]).toEqual(["att_b_1"]);
  });

  it.each([
    ["failed", ["a"], ["b"]],
    ["canceled", [], ["b"]],
  ])("settles the run as %s where that is the worst of it", (state, fails, stops) => {
    const d = drive();
    const w = walk(d);
    d.command(startOf([taskSpec("a"), taskSpec("b")]));
    for (const task of stops) w.cancel(task);
    w.retire("b");
    for (const task of fails)
      d.see(task, { saw: "provision_failed", why: "no such branch", retry: false });
    if (fails.length === 0) w.finish("a");
    else w.retire("a");
    expect(d.events.at(-1)).toMatchObject({ type: "run.settled", state });
  });
});

describe("a need that breaks", () => {
  it("fails what waits for it, one after another", () => {
    const d = drive();
    d.command(
      startOf([
        taskSpec("a"),
        taskSpec("b", { needs: [need("a")] }),
        taskSpec("c", { needs: [need("b")] }),
      ]),
    );
    walk(d).cancel("a");
    for (const key of ["b", "c"])
      expect(d.task(key).state).toMatchObject({ is: "failed", reason: "needs_failed" });
    expect(d.task("b").state).toMatchObject({ detail: "a ended canceled" });
  });

  it("ends what stands on its commits, also where that is proved already", () => {
    const d = drive();
    const w = walk(d);
    d.command(startOf([taskSpec("a"), taskSpec("b", { needs: [need("a")] })]));
    w.prove("a");
    w.prove("b");
    d.command({ type: "stop", run: runId, task: "a" });
    w.exit("a");
    w.snapshot("a");
    expect(d.attempt("b").phase).toMatchObject({
      at: "ending",
      outcome: { is: "failed", reason: "needs_failed", detail: "a ended canceled" },
    });
  });

  it("waits for what comes of a worktree that may be being made", () => {
    const d = drive();
    const w = walk(d);
    d.command(startOf([taskSpec("a"), taskSpec("b", { needs: [need("a")] })]));
    w.prove("a");
    d.command({ type: "stop", run: runId, task: "a" });
    w.exit("a");
    w.snapshot("a");
    expect(d.attempt("b").phase.at).toBe("provisioning");
    w.provision("b");
    expect(d.attempt("b").phase).toMatchObject({
      at: "ending",
      outcome: { reason: "needs_failed" },
    });
  });

  it("is not forgotten where it was begun anew meanwhile", () => {
    const d = drive();
    const w = walk(d);
    d.command(startOf([taskSpec("a"), taskSpec("b", { needs: [need("a")] })]));
    w.prove("a");
    d.command({ type: "stop", run: runId, task: "a" });
    w.exit("a");
    w.snapshot("a");
    d.command({ type: "retry", run: runId, task: "a", settled: null });
    expect(d.attempt("a").id).toBe("att_a_3");
    w.provision("b");
    expect(d.attempt("b").phase).toMatchObject({
      outcome: { reason: "needs_failed", detail: "a was begun anew" },
    });
  });

  it("leaves alone what only waited for its order and has begun", () => {
    const d = drive();
    const w = walk(d);
    d.command(startOf([taskSpec("a"), taskSpec("b", { needs: [need("a", { merge: false })] })]));
    w.prove("a");
    w.work("b");
    d.command({ type: "stop", run: runId, task: "a" });
    w.exit("a");
    w.snapshot("a");
    expect(d.task("a").state.is).toBe("canceled");
    expect(d.attempt("b").phase.at).toBe("working");
  });
});
