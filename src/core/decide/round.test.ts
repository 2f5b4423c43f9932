import { describe, expect, it } from "vitest";
import { type Drive, drive, runId, startOf, taskSpec } from "../../testing/core.ts";
import { type Walk, asked, inspected, walk } from "../../testing/walk.ts";
import type { RoundFailure } from "../inputs.ts";
import type { TaskSpec } from "../plan.ts";
import type { Start } from "../../testing/core.ts";

function working(over: Partial<TaskSpec> = {}, start: Partial<Start> = {}): { d: Drive; w: Walk } {
  const d = drive();
  const w = walk(d);
  d.command(startOf([taskSpec("a", over)], start));
  w.work("a");
  return { d, w };
}

describe("a round that ends", () => {
  it("well is looked at", () => {
    const { d, w } = working();
    w.endRound("a");
    expect(d.effect("a", "snapshot")).toMatchObject({
      key: "snapshot:att_a_1:1:1",
      ref: "refs/muster/attempts/att_a_1/1",
    });
    expect(d.attempt("a")).toMatchObject({ mail: [], usage: { turns: 1, usd: 0.5 }, slot: false });
  });

  it.each<[RoundFailure, string]>([
    [{ is: "max_turns" }, "max_turns"],
    [{ is: "max_budget" }, "max_budget"],
  ])("at the binary's own limit ends the task: %j", (failure, detail) => {
    const { d, w } = working();
    w.endRound("a", failure);
    expect(d.attempt("a").phase).toMatchObject({
      at: "ending",
      outcome: { is: "failed", reason: "budget_exhausted", detail },
    });
  });

  it("because the world is busy is parked until it says, and goes on from there (F19)", () => {
    const { d, w } = working();
    const retryAt = d.now + 3_600_000;
    w.endRound("a", {
      is: "unavailable",
      reason: "rate_limit",
      status: 429,
      retryAt,
      detail: "limit",
    });
    const { park, mail, slot } = d.attempt("a");
    expect(park?.reason).toBe("rate_limit");
    expect(park?.until).toBeGreaterThanOrEqual(retryAt);
    expect(park?.until).toBeLessThanOrEqual(d.now + 3_600_000 * 1.25);
    expect(mail.map(({ kind }) => kind)).toEqual(["continue"]);
    expect(slot).toBe(false);
    d.tick((park?.until ?? 0) - d.now);
    w.save("a");
    expect(d.effect("a", "send")?.message.kind).toBe("continue");
  });

  it("without a time to come back backs off, longer each time, for a quarter of an hour at most (F20, F21)", () => {
    const { d, w } = working();
    const waits: number[] = [];
    for (let i = 0; i < 12; i++) {
      w.endRound("a", {
        is: "unavailable",
        reason: "outage",
        status: 529,
        retryAt: null,
        detail: "529",
      });
      const wait = (d.attempt("a").park?.until ?? 0) - d.now;
      waits.push(wait);
      d.tick(wait);
      w.take("a");
    }
    expect(waits[0]).toBeGreaterThanOrEqual(2_000);
    expect(waits[0]).toBeLessThanOrEqual(2_500);
    expect(waits[1]).toBeGreaterThanOrEqual(4_000);
    expect(Math.max(...waits)).toBeLessThanOrEqual(900_000 * 1.25);
    expect(waits.at(-1)).toBeGreaterThanOrEqual(900_000);
  });

  it("because the credentials were refused waits for a person without a process", () => {
    const { d, w } = working();
    w.endRound("a", { is: "credentials", detail: "401" });
    expect(d.attempt("a").park).toEqual({ reason: "credentials", detail: "401", until: null });
    expect(d.attempt("a").process).toMatchObject({ is: "ending", why: "credentials" });
    w.exit("a");
    expect(d.keys()).toEqual([]);
  });

  it("because the agent gave up is tried three times more, then fails", () => {
    const { d, w } = working();
    for (let i = 0; i < 3; i++) {
      w.endRound("a", { is: "agent", detail: "it gave up" });
      expect(d.attempt("a").park?.reason).toBe("backoff");
      d.tick(60_000);
      w.take("a");
    }
    w.endRound("a", { is: "agent", detail: "it gave up" });
    expect(d.attempt("a").phase).toMatchObject({
      outcome: { is: "failed", reason: "agent_error", detail: "it gave up" },
    });
  });

  it("well once starts the count anew", () => {
    const { d, w } = working();
    w.endRound("a", { is: "agent", detail: "it gave up" });
    d.tick(60_000);
    w.take("a");
    expect(d.attempt("a").recoveries).toBe(1);
    w.commit("a");
    expect(d.attempt("a").recoveries).toBe(0);
  });

  it("with nothing done is followed by the ground truth", () => {
    const { d, w } = working();
    w.endRound("a", "void");
    expect(d.attempt("a").mail[0]).toMatchObject({ kind: "continue" });
    expect(d.attempt("a").phase.at).toBe("working");
  });

  it("with a person's word still unsent goes on with that", () => {
    const { d, w } = working();
    d.command({ type: "tell", run: runId, task: "a", text: "wait" });
    w.endRound("a", { is: "agent", detail: "it gave up" });
    expect(d.attempt("a").mail.map(({ kind }) => kind)).toEqual(["tell"]);
    d.tick(60_000);
    w.snapshot("a");
    expect(d.attempt("a").phase.at).toBe("working");
  });
});

describe("a message that is sent as its round ends", () => {
  it("makes a round of its own, which is looked at when it is over", () => {
    const { d, w } = working();
    d.command({ type: "tell", run: runId, task: "a", text: "one more thing" });
    w.endRound("a");
    w.take("a");
    const snapshot = d.effect("a", "snapshot");
    w.endRound("a");
    expect(d.attempt("a").phase).toMatchObject({ at: "settling", step: "snapshot" });
    expect(d.effect("a", "snapshot")?.key).not.toBe(snapshot?.key);
    d.see("a", { saw: "snapshot", ref: snapshot?.ref ?? "", commit: "x", left: 0 }, snapshot?.key);
    expect(d.attempt("a").phase).toMatchObject({ at: "settling", step: "snapshot" });
    expect(d.effect("a", "snapshot")?.ref).toBe("refs/muster/attempts/att_a_1/3");
    w.snapshot("a");
    expect(d.attempt("a").phase).toMatchObject({ at: "settling", step: "inspect" });
  });

  it("is not forgotten where its round ends before a slot is free", () => {
    const { d, w } = working();
    d.command({ type: "tell", run: runId, task: "a", text: "one more thing" });
    d.command({ type: "pause", run: runId, task: "a", interrupt: false });
    w.endRound("a");
    w.take("a");
    w.snapshot("a");
    expect(d.attempt("a").phase.at).toBe("idle");
    w.endRound("a");
    expect(d.attempt("a").phase).toMatchObject({ at: "settling", step: "snapshot" });
    w.snapshot("a");
    d.see("a", inspected("a"));
    expect(d.attempt("a").phase.at).toBe("verifying");
  });
});

describe("a session's exit", () => {
  it("in the middle of a round is a crash: it is resumed with what it had not finished", () => {
    const { d, w } = working();
    w.exit("a", "killed by the kernel");
    expect(d.attempt("a")).toMatchObject({ process: { is: "none" }, phase: { at: "idle" } });
    expect(d.attempt("a").park).toMatchObject({
      reason: "backoff",
      detail: "killed by the kernel",
    });
    d.tick(60_000);
    w.start("a");
    expect(d.effect("a", "send")?.message).toMatchObject({ kind: "prompt", taken: false });
    expect(d.effect("a", "session")).toMatchObject({ n: 2, key: "session:att_a_1:2" });
  });

  it("in the middle of a round is told once to the session that goes on, until the model has heard of it", () => {
    const { d, w } = working();
    const why = "exited 137, in the middle of npm run migrate";
    w.exit("a", why);
    expect(d.attempt("a").cutOff).toBe(why);
    d.tick(60_000);
    w.save("a");
    d.see("a", { saw: "session_failed_to_start", n: 2, why: "no fork", credentials: false });
    d.tick(60_000);
    w.start("a");
    w.take("a");
    w.endRound("a", "void");
    expect(d.attempt("a").mail).toMatchObject([
      { kind: "continue", text: expect.stringContaining(`interrupted (${why}) and goes on`) },
    ]);
    expect(d.attempt("a").cutOff).toBeNull();
    w.take("a");
    w.endRound("a", "void");
    expect(d.attempt("a").mail[0]?.text).toContain("its last message was already known");
  });

  it("is told beside what else ended the round, and no more after a turn of the model", () => {
    const { d, w } = working();
    const crash = (): void => {
      w.exit("a", "exited 137");
      d.tick(60_000);
      w.start("a");
      w.take("a");
    };
    crash();
    d.see("a", { saw: "used", turns: 0, usd: 0, offset: 3_000 });
    w.endRound("a", { is: "interrupted" });
    expect(d.attempt("a").mail[0]?.text).toContain("(exited 137, then it was interrupted)");
    w.take("a");
    crash();
    d.see("a", { saw: "used", turns: 1, usd: 0, offset: 6_000 });
    w.endRound("a", { is: "interrupted" });
    expect(d.attempt("a").mail[0]?.text).toContain("(it was interrupted)");
  });

  it("for silence is told as that", () => {
    const { d, w } = working();
    d.see("a", { saw: "stalled", silentMs: 100_000, during: "tool", tool: "make" });
    w.exit("a", "exited 143, in the middle of make");
    expect(d.attempt("a").cutOff).toBe("silent for 100 s during tool, in make");
  });

  it("four times in a row fails the task", () => {
    const { d, w } = working();
    for (let i = 0; i < 3; i++) {
      w.exit("a", "segfault");
      d.tick(60_000);
      w.start("a");
    }
    w.exit("a", "segfault");
    expect(d.attempt("a").phase).toMatchObject({
      outcome: { reason: "crashed", detail: "segfault" },
    });
  });

  it("between rounds means nothing", () => {
    const { d, w } = working();
    w.commit("a");
    expect(w.exit("a")).toEqual(["session.exited"]);
    expect(d.attempt("a").phase.at).toBe("verifying");
  });

  it("is heard once, and not from an earlier start", () => {
    const { d, w } = working();
    w.exit("a");
    expect(w.exit("a")).toEqual([]);
    d.tick(60_000);
    w.save("a");
    expect(d.see("a", { saw: "session_exited", n: 1, code: 0, signal: null, why: "" })).toEqual([]);
    expect(d.attempt("a").process.is).toBe("starting");
  });

  it("asked for by a pause has the round begun anew after it", () => {
    const { d, w } = working();
    d.command({ type: "pause", run: runId, task: "a", interrupt: true });
    expect(w.exit("a", "ended")).toEqual(["session.exited", "snapshot.taken"]);
    expect(d.attempt("a").park).toBeNull();
    expect(d.keys()).toEqual([]);
    d.command({ type: "resume", run: runId, task: "a", usd: null });
    w.start("a");
    expect(d.effect("a", "send")?.message).toMatchObject({ kind: "prompt", taken: false });
  });
});

describe("a session that the kernel killed for want of memory", () => {
  const killed = {
    saw: "session_exited",
    code: 137,
    signal: null,
    why: "no memory",
    memory: true,
  } as const;

  it("waits for memory and goes on, and after the third time has crashed of it (F28)", () => {
    const { d, w } = working();
    for (let n = 1; n <= 3; n++) {
      d.see("a", { ...killed, n });
      expect(d.attempt("a").park).toMatchObject({ reason: "memory", detail: "no memory" });
      expect((d.attempt("a").park?.until ?? 0) - d.now).toBeGreaterThanOrEqual(10_000);
      expect(d.attempt("a").recoveries).toBe(n);
      d.tick(60_000);
      w.start("a");
      expect(d.attempt("a").phase.at).toBe("working");
    }
    d.see("a", { ...killed, n: 4 });
    expect(d.attempt("a").phase).toMatchObject({
      outcome: { is: "failed", reason: "crashed", detail: "no memory" },
    });
  });

  it("while it was asked to end has ended (F28)", () => {
    const { d } = working();
    d.command({ type: "pause", run: runId, task: "a", interrupt: true });
    d.see("a", { ...killed, n: 1 });
    expect(d.attempt("a")).toMatchObject({ park: null, recoveries: 0 });
  });
});

describe("a start that fails", () => {
  it("for want of credentials waits for a person", () => {
    const d = drive();
    const w = walk(d);
    d.command(startOf([taskSpec("a")]));
    w.provision("a");
    d.see("a", { saw: "session_failed_to_start", n: 1, why: "no login", credentials: true });
    expect(d.attempt("a").park).toEqual({ reason: "credentials", detail: "no login", until: null });
  });

  it("for another reason is tried again", () => {
    const d = drive();
    const w = walk(d);
    d.command(startOf([taskSpec("a")]));
    w.provision("a");
    d.see("a", { saw: "session_failed_to_start", n: 1, why: "no fork", credentials: false });
    expect(d.attempt("a").park).toMatchObject({ reason: "backoff", detail: "no fork" });
    d.tick(60_000);
    w.save("a");
    expect(d.attempt("a").process).toMatchObject({ is: "starting", n: 2 });
  });

  it("because a terminal has the session is no crash: the task is paused, and goes on once it is resumed (F41)", () => {
    const { d, w } = working();
    w.exit("a");
    d.tick(60_000);
    w.save("a");
    const { recoveries } = d.attempt("a");
    for (let n = 2; n < 8; n++) {
      const why = "session x is open in a terminal (process 5)";
      d.see("a", { saw: "session_failed_to_start", n, why, credentials: false, held: true });
      expect(d.task("a").paused).toBe(true);
      d.tick(3_600_000);
      w.save("a");
      expect(d.attempt("a")).toMatchObject({ process: { is: "none" }, park: null, recoveries });
      d.command({ type: "resume", run: runId, task: "a", usd: null });
      w.save("a");
      expect(d.attempt("a").process).toMatchObject({ is: "starting", n: n + 1 });
    }
    w.start("a");
    expect(d.effect("a", "send")?.message).toMatchObject({ kind: "prompt", taken: false });
  });
});

describe("silence", () => {
  const stalled = { saw: "stalled", silentMs: 300_000, during: "model" } as const;

  it("ends the process and resumes it, and asks a person after the third time (F23)", () => {
    const { d, w } = working();
    for (let i = 0; i < 4; i++) {
      d.see("a", stalled);
      expect(d.attempt("a").process).toMatchObject({ is: "ending", interrupt: true });
      w.exit("a", "killed");
      d.tick(60_000);
      if (i < 3) w.start("a");
    }
    expect(d.attempt("a").asks[0]).toMatchObject({
      kind: "stalled",
      text: "silent for 300 s during model; resumed 3 times within an hour, see muster logs run_a/a; answer with what to do next, or stop the task",
    });
    expect(d.attempt("a").phase.at).toBe("idle");
    expect(d.keys()).toEqual([]);
    d.command({
      type: "answer",
      run: runId,
      task: "a",
      ask: null,
      answer: { is: "text", text: "go on" },
    });
    expect(d.attempt("a").phase.at).toBe("working");
  });

  /** Goes silent once, is ended for it, and comes back where it is resumed. */
  function silence(d: Drive, w: Walk): void {
    d.see("a", { ...stalled, during: "tool", tool: "npm run migrate" });
    w.exit("a", "killed");
    d.tick(60_000);
    if (d.attempt("a").asks.length === 0) w.start("a");
  }

  it("is counted apart from what was tried again for other reasons, and they from it (F23)", () => {
    const d = drive();
    const w = walk(d);
    d.command(startOf([taskSpec("a")]));
    for (let i = 0; i < 2; i++) {
      d.see("a", { saw: "provision_failed", why: "no lock", retry: true });
      d.tick(60_000);
    }
    w.work("a");
    for (let i = 0; i < 3; i++) {
      silence(d, w);
      w.exit("a", "segfault");
      d.tick(60_000);
      w.start("a");
    }
    expect(d.attempt("a")).toMatchObject({ asks: [], recoveries: 3, phase: { at: "working" } });
    silence(d, w);
    expect(d.attempt("a").asks).toMatchObject([
      {
        kind: "stalled",
        text: expect.stringMatching(
          /^silent for 300 s during tool, in npm run migrate; resumed 3 times within an hour, see muster logs run_a\/a;/,
        ),
      },
    ]);
  });

  it("is resumed any number of times where no more than three come within an hour (F23)", () => {
    const { d, w } = working({ limits: { turns: 80, minutes: 1_000, usd: 5, fixes: 2 } });
    for (let i = 0; i < 9; i++) {
      silence(d, w);
      expect(d.attempt("a")).toMatchObject({ asks: [], phase: { at: "working" } });
      d.tick(20 * 60_000);
    }
    expect(d.attempt("a").stalls).toHaveLength(3);
    silence(d, w);
    silence(d, w);
    expect(d.attempt("a").asks).toMatchObject([{ kind: "stalled" }]);
  });

  it("is counted also over good rounds, and anew from a person's answer (F23)", () => {
    const { d, w } = working();
    for (let i = 0; i < 3; i++) silence(d, w);
    w.take("a");
    w.endRound("a");
    d.command({ type: "tell", run: runId, task: "a", text: "and the docs" });
    w.snapshot("a");
    w.save("a");
    w.take("a");
    silence(d, w);
    expect(d.attempt("a").asks).toMatchObject([{ kind: "stalled" }]);
    const answer = { is: "text", text: "go on" } as const;
    d.command({ type: "answer", run: runId, task: "a", ask: null, answer });
    w.start("a");
    for (let i = 0; i < 3; i++) {
      silence(d, w);
      expect(d.attempt("a").phase.at).toBe("working");
    }
  });

  it("counts also where the round ends politely", () => {
    const { d, w } = working();
    for (let i = 0; i < 4; i++) {
      d.see("a", stalled);
      w.endRound("a", { is: "interrupted" });
      w.exit("a", "ended");
      d.tick(60_000);
      if (i === 3) break;
      w.start("a");
      w.take("a");
    }
    expect(d.attempt("a").asks[0]?.kind).toBe("stalled");
  });

  it("while nothing is in flight means nothing", () => {
    const { d, w } = working();
    d.see("a", asked());
    expect(d.see("a", stalled)).toEqual([]);
    w.exit("a");
  });
});

describe("what a session spends", () => {
  it("is added up, and over a limit of the attempt ends it", () => {
    const { d } = working({ limits: { turns: 3, minutes: 45, usd: 1, fixes: 2 } });
    d.see("a", { saw: "used", turns: 3, usd: 1, offset: 3_000 });
    expect(d.attempt("a").phase.at).toBe("working");
    d.see("a", { saw: "used", turns: 0, usd: 0.25, offset: 3_100 });
    expect(d.attempt("a").phase).toMatchObject({
      outcome: { reason: "budget_exhausted", detail: "over 1 USD" },
    });
    const other = working({ limits: { turns: 3, minutes: 45, usd: 1, fixes: 2 } });
    other.d.see("a", { saw: "used", turns: 4, usd: 0, offset: 3_000 });
    expect(other.d.attempt("a").phase).toMatchObject({ outcome: { detail: "over 3 turns" } });
  });

  it("is counted once, and also after the round", () => {
    const { d, w } = working();
    d.see("a", { saw: "used", turns: 1, usd: 0.25, offset: 3_000 });
    expect(d.see("a", { saw: "used", turns: 1, usd: 0.25, offset: 3_000 })).toEqual([]);
    w.exit("a");
    d.see("a", { saw: "used", turns: 1, usd: 0.5, offset: 3_100 });
    expect(d.attempt("a").usage).toEqual({ turns: 2, usd: 0.75 });
  });
});
