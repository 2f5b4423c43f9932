import { describe, expect, it } from "vitest";
import { type Drive, drive, startOf, taskSpec } from "../../testing/core.ts";
import { type Walk, evidence, head, inspected, walk } from "../../testing/walk.ts";
import type { TaskSpec } from "../plan.ts";

/** A task `a` whose round is over and whose snapshot is taken: an inspection is due. */
function ended(over: Partial<TaskSpec> = {}): { d: Drive; w: Walk } {
  const d = drive();
  const w = walk(d);
  d.command(startOf([taskSpec("a", over)]));
  w.work("a");
  w.endRound("a");
  w.snapshot("a");
  return { d, w };
}
/** The same, with clean commit `a` read: its gate is due. */
function proving(over: Partial<TaskSpec> = {}): { d: Drive; w: Walk } {
  const { d, w } = ended(over);
  d.see("a", inspected("a"));
  return { d, w };
}
const outcome = (d: Drive) => d.attempt("a").phase;

describe("what a round left", () => {
  it("clean and committed is verified", () => {
    const { d } = proving();
    expect(d.attempt("a").head).toEqual(head("a"));
    expect(d.effect("a", "gate")).toMatchObject({
      key: "gate:att_a_1:commit-a:1",
      head: head("a"),
      on: "head",
      commands: ["test"],
    });
  });

  it("uncommitted is said once, then committed by muster", () => {
    const { d, w } = ended();
    expect(d.see("a", inspected("a", { dirty: true }))).toContain("message.queued");
    expect(d.effect("a", "send")?.message.kind).toBe("commit");
    w.take("a");
    w.endRound("a");
    w.snapshot("a");
    d.see("a", inspected("a", { dirty: true }));
    expect(d.effect("a", "commit")?.key).toBe("commit:att_a_1:2");
    d.see("a", { saw: "committed", head: head("b") });
    expect(d.effect("a", "inspect")?.key).toBe("inspect:att_a_1:2:commit-b");
    d.see("a", inspected("b", { dirty: true }));
    expect(d.effect("a", "gate")?.head).toEqual(head("b"));
  });

  it("uncommitted at the limit is committed without another word", () => {
    const { d } = ended({ limits: { turns: 1, minutes: 45, usd: 2, fixes: 2 } });
    d.see("a", inspected("a", { dirty: true }));
    expect(d.effect("a", "commit")).toBeDefined();
  });

  it.each([
    [
      { onTarget: true },
      "the worktree has main itself checked out or moved it; those commits were not verified",
    ],
    [{ related: false }, "HEAD shares no history with its base"],
  ])("on the wrong branch asks a person: %j", (over, why) => {
    const { d } = ended();
    d.see("a", inspected("a", over));
    expect(d.attempt("a").asks[0]).toMatchObject({ kind: "conflict", text: why, deadlineAt: null });
    expect(d.attempt("a")).toMatchObject({ phase: { at: "idle" }, slot: false });
    expect(d.keys().filter((key) => !key.startsWith("session"))).toEqual([]);
  });

  it("outside of `paths` is a red gate", () => {
    const { d } = ended({ paths: ["src/**"] });
    d.see("a", inspected("a", { outside: ["docs/x.md"] }));
    expect(d.attempt("a").gates[0]).toMatchObject({
      command: "paths",
      exit: 1,
      commit: "commit-a",
    });
    expect(d.attempt("a").mail[0]?.text).toContain("docs/x.md");
  });

  it("without a promised file is a red gate", () => {
    const { d } = ended({ artifacts: ["docs/a.md"] });
    d.see("a", inspected("a", { missing: ["docs/a.md"] }));
    expect(d.attempt("a").gates[0]).toMatchObject({ command: "artifacts", exit: 1 });
  });

  it("that can't be looked at is looked at again, and then fails the task", () => {
    const { d } = ended();
    for (let tries = 1; tries <= 3; tries++) {
      d.see("a", { saw: "inspect_failed", why: "a lock" });
      expect(d.attempt("a").park).toMatchObject({ reason: "backoff", detail: "a lock" });
      d.tick(60_000);
    }
    d.see("a", { saw: "inspect_failed", why: "not a repository" });
    expect(outcome(d)).toMatchObject({
      outcome: { reason: "agent_error", detail: "not a repository" },
    });
  });

  it("that can't be looked at for want of space waits for it, however often", () => {
    const { d } = ended();
    for (let tries = 1; tries <= 5; tries++) {
      d.see("a", { saw: "inspect_failed", why: "no space", disk: true });
      expect(d.attempt("a").park).toMatchObject({ reason: "disk", detail: "no space" });
      d.tick(60_000);
      expect(d.effect("a", "inspect")).toBeDefined();
    }
    expect(d.attempt("a").recoveries).toBe(0);
  });

  it("that can't be looked at before a message is tried again, and then fails the task", () => {
    const { d, w } = proving();
    const red = evidence(head("a"), { exit: 1 });
    d.see("a", { saw: "gated", head: head("a"), evidence: [red], passed: false });
    for (let tries = 1; tries <= 3; tries++) {
      expect(d.attempt("a").phase).toEqual({ at: "idle", saved: false });
      expect(d.see("a", { saw: "inspect_failed", why: "a lock" })).toEqual(["attempt.parked"]);
      expect(d.attempt("a").park).toMatchObject({ reason: "backoff", detail: "a lock" });
      d.tick(60_000);
      expect(d.effect("a", "snapshot")).toBeDefined();
    }
    d.see("a", { saw: "inspect_failed", why: "not a repository" });
    expect(outcome(d)).toMatchObject({
      at: "ending",
      outcome: { reason: "agent_error", detail: "not a repository" },
    });
    w.exit("a");
  });

  it("that can't be looked at does not take a person's question away, nor end a park sooner", () => {
    const { d } = ended();
    d.see("a", inspected("a", { related: false }));
    d.command({ type: "pause", run: "run_a", task: "a", interrupt: false });
    d.command({ type: "resume", run: "run_a", task: "a", usd: null });
    for (let tries = 1; tries <= 5; tries++) {
      expect(d.see("a", { saw: "inspect_failed", why: "a lock" })).toEqual(["attempt.parked"]);
      d.tick(60_000);
    }
    expect(d.attempt("a").asks).toHaveLength(1);
    const limited = proving();
    const retryAt = limited.d.now + 3_600_000;
    limited.d.command({ type: "tell", run: "run_a", task: "a", text: "wait" });
    limited.w.snapshot("a");
    limited.d.see("a", {
      saw: "round_ended",
      failure: { is: "unavailable", reason: "rate_limit", status: 429, retryAt, detail: "limit" },
      text: "",
      turns: 1,
      usd: 0,
      offset: 9_000,
    });
    limited.d.see("a", { saw: "inspect_failed", why: "a lock" });
    expect(limited.d.attempt("a").park?.until).toBeGreaterThanOrEqual(retryAt);
  });

  it("that can be looked at again before a message goes on with it", () => {
    const { d, w } = proving();
    d.command({ type: "tell", run: "run_a", task: "a", text: "wait" });
    d.see("a", { saw: "inspect_failed", why: "a lock" });
    d.tick(60_000);
    expect(w.snapshot("a")).toEqual(["snapshot.taken", "round.admitted"]);
    expect(
      d.see("a", { saw: "inspect_failed", why: "a lock" }, "snapshot:att_a_1:2:1:1:live"),
    ).toEqual([]);
  });

  it("is looked at once: the same news again is no news", () => {
    const { d } = ended();
    const key = d.effect("a", "inspect")?.key;
    d.see("a", inspected("a"));
    expect(d.see("a", inspected("a"), key)).toEqual([]);
    expect(d.see("a", { saw: "committed", head: head("x") }, "commit:att_a_1:1")).toEqual([]);
  });
});

describe("a gate on the head", () => {
  it("green proves the commit, and the session is let go", () => {
    const { d, w } = proving();
    expect(w.gate("a").slice(0, 4)).toEqual([
      "gate.passed",
      "attempt.verified",
      "session.end_requested",
      "attempt.approved",
    ]);
    expect(d.attempt("a").gates).toHaveLength(1);
  });

  it("red goes back to the session with the end of the log, as often as the plan allows", () => {
    const { d, w } = proving({ limits: { turns: 60, minutes: 45, usd: 9, fixes: 1 } });
    w.gate("a", false);
    expect(d.effect("a", "send")?.message.kind).toBe("fix");
    expect(d.effect("a", "send")?.message.text).toContain("the end of the log");
    w.take("a");
    w.commit("a", "b");
    w.gate("a", false);
    expect(outcome(d)).toMatchObject({
      outcome: { reason: "gate_failed", detail: "`test` exited 1 on commit-b" },
    });
  });

  it("red by time-out at the limit of money fails the task", () => {
    const { d } = proving({ limits: { turns: 60, minutes: 45, usd: 0.5, fixes: 1 } });
    const red = evidence(head("a"), { exit: null });
    d.see("a", { saw: "gated", head: head("a"), evidence: [red], passed: false });
    expect(outcome(d)).toMatchObject({
      outcome: { detail: "`test` exited by time-out on commit-a" },
    });
  });

  it("that can't be run is tried three times", () => {
    const { d } = proving();
    for (let i = 0; i < 2; i++) {
      d.see("a", { saw: "gate_broken", commit: "commit-a", why: "setup failed" });
      expect(d.attempt("a").park).toMatchObject({ reason: "backoff", detail: "setup failed" });
      expect(d.effect("a", "gate")).toBeUndefined();
      d.tick(60_000);
      expect(d.effect("a", "gate")).toBeDefined();
    }
    d.see("a", { saw: "gate_broken", commit: "commit-a", why: "setup failed" });
    expect(outcome(d)).toMatchObject({
      outcome: { reason: "provision_failed", detail: "setup failed" },
    });
  });

  it("broken once too often starts its count anew after one that ran", () => {
    const { d, w } = proving();
    for (let i = 0; i < 2; i++) {
      d.see("a", { saw: "gate_broken", commit: "commit-a", why: "setup failed" });
      d.tick(60_000);
    }
    w.gate("a", false);
    expect(d.attempt("a").brokenGates).toBe(0);
  });

  it("that ended for a commit left behind is a fact, and no more", () => {
    const { d } = proving();
    const key = d.effect("a", "gate")?.key;
    d.command({ type: "tell", run: "run_a", task: "a", text: "wait" });
    const seen = {
      saw: "gated",
      head: head("a"),
      evidence: [evidence(head("a"))],
      passed: true,
    } as const;
    expect(d.see("a", seen, key)).toEqual(["gate.passed"]);
    expect(d.attempt("a").gates).toHaveLength(1);
    expect(d.attempt("a").phase).toEqual({ at: "idle", saved: false });
    expect(d.see("a", { saw: "gate_broken", commit: "commit-a", why: "x" }, key)).toEqual([]);
  });

  it("during which the kernel killed for want of memory is run again, at most three times (F28)", () => {
    const { d } = proving();
    const broken = {
      saw: "gate_broken",
      commit: "commit-a",
      why: "no memory",
      memory: true,
    } as const;
    for (let i = 0; i < 2; i++) {
      expect(d.see("a", broken)).toContain("gate.broken");
      expect(d.attempt("a").park).toMatchObject({ reason: "memory", detail: "no memory" });
      expect(d.attempt("a").gates).toEqual([]);
      d.tick(60_000);
      expect(d.effect("a", "gate")).toBeDefined();
    }
    d.see("a", broken);
    expect(d.attempt("a").phase).toMatchObject({ outcome: { detail: "no memory" } });
  });

  it("that did not run every command proves nothing", () => {
    const { d } = proving({ gate: ["test", "lint"] });
    d.see("a", { saw: "gated", head: head("a"), evidence: [evidence(head("a"))], passed: true });
    expect(d.attempt("a").park).toMatchObject({ reason: "backoff", detail: "`lint` was not run" });
    d.tick(60_000);
    d.see("a", { saw: "gated", head: head("a"), evidence: [], passed: true });
    expect(d.attempt("a").phase.at).toBe("verifying");
  });

  it("is not asked for where the plan says none on purpose", () => {
    const { d } = proving({ gate: [] });
    expect(d.attempt("a").phase.at).toBe("queued");
  });
});

describe("a proved commit", () => {
  it("without changes is done", () => {
    const d = drive();
    const w = walk(d);
    d.command(startOf([taskSpec("a", { approval: true })]));
    w.provision("a", { baseTree: head("a").tree });
    w.start("a");
    w.take("a");
    w.commit("a");
    w.gate("a");
    expect(outcome(d)).toMatchObject({
      at: "ending",
      outcome: { is: "done", reason: "no_changes" },
    });
    w.exit("a");
    expect(w.snapshot("a")).toContain("task.done");
    expect(d.task("a").state).toMatchObject({ is: "done", reason: "no_changes", head: "commit-a" });
  });

  it("of a task that lands nothing is done", () => {
    const { d, w } = proving({ land: "none" });
    w.gate("a");
    expect(outcome(d)).toMatchObject({ outcome: { is: "done", reason: "not_landed" } });
  });

  it("asks where a person must say yes", () => {
    const { d, w } = proving({ approval: true });
    w.gate("a");
    expect(d.attempt("a").asks[0]).toMatchObject({ text: "land commit-a?", commit: "commit-a" });
    expect(d.attempt("a").phase).toMatchObject({ at: "verified", approved: false });
  });

  it("asks where no gate is configured or accepted", () => {
    const { d } = proving({ gate: [], gateFrom: "proposed" });
    expect(d.attempt("a").asks[0]?.text).toBe("no gate is configured; land commit-a without one?");
    const proposed = proving({ gate: ["make", "make test"], gateFrom: "proposed" });
    expect(proposed.d.attempt("a").asks[0]?.text).toContain("proposed: make && make test");
  });
});
