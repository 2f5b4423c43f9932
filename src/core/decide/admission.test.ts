import { describe, expect, it } from "vitest";
import { type Start, drive, need, roomy, runId, startOf, taskSpec } from "../../testing/core.ts";
import { asked, evidence, head, inspected, walk } from "../../testing/walk.ts";
import type { TaskSpec } from "../plan.ts";

const three = () => [taskSpec("a"), taskSpec("b"), taskSpec("c")];
const resume = { type: "resume", run: runId, task: null, usd: null } as const;
const exited = { saw: "session_exited", n: 1, code: 0, signal: null, why: "ended" } as const;
const pause = (task: string | null, interrupt = false) =>
  ({ type: "pause", run: runId, task, interrupt }) as const;

describe("rounds in flight", () => {
  const active = (d: ReturnType<typeof drive>) =>
    [...d.run().tasks].filter(([, { state }]) => state.is === "active").map(([key]) => key);

  it("are bounded by the run", () => {
    const d = drive();
    d.command(startOf(three(), { parallel: 2 }));
    expect(active(d)).toEqual(["a", "b"]);
  });

  it("are bounded by the plan, and another plan goes on", () => {
    const d = drive();
    const tasks = [
      taskSpec("x.a", { plan: "x" }),
      taskSpec("x.b", { plan: "x" }),
      taskSpec("y.a", { plan: "y" }),
    ];
    const plans = [
      { id: "x", parallel: 1, usd: null },
      { id: "y", parallel: null, usd: null },
    ];
    d.command(startOf(tasks, { plans }));
    expect(active(d)).toEqual(["x.a", "y.a"]);
  });

  it("are bounded by the host over all runs", () => {
    const d = drive();
    d.capacity = { ...roomy, parallel: 1 };
    d.command(startOf([taskSpec("a")]));
    d.command(startOf([taskSpec("a")], { run: "run_b" }));
    expect(d.task("a", "run_b").state.is).toBe("pending");
  });

  it("give their slot on while they ask, and get one back before the answer goes out", () => {
    const d = drive();
    const w = walk(d);
    d.command(startOf([taskSpec("a"), taskSpec("b")], { parallel: 1 }));
    w.work("a");
    d.see("a", asked());
    expect(d.task("b").state.is).toBe("active");
    d.command({ type: "answer", run: runId, task: "a", ask: null, answer: { is: "allow" } });
    expect(d.effect("a", "answer")).toBeUndefined();
    w.work("b");
    w.endRound("b");
    expect(d.attempt("a").slot).toBe(true);
    expect(d.effect("a", "answer")?.key).toBe("answer:att_a_1:1:q");
  });

  it("wait where the run has spent its money, until it gets more", () => {
    const d = drive();
    const w = walk(d);
    d.command(startOf([taskSpec("a"), taskSpec("b")], { parallel: 1, usd: 0.4 }));
    w.work("a");
    w.commit("a");
    expect(d.task("b").state.is).toBe("pending");
    w.gate("a", false);
    expect(d.attempt("a").phase.at).toBe("idle");
    expect(d.attempt("a").slot).toBe(false);
    d.command({ ...resume, usd: 5 });
    expect(d.run().usd).toBe(5);
    expect(d.attempt("a").phase.at).toBe("working");
  });
});

describe("a message", () => {
  it("goes out once what is there is kept, be the process gone or not", () => {
    const d = drive();
    const w = walk(d);
    d.command(startOf([taskSpec("a")]));
    w.work("a");
    w.commit("a");
    const [gate] = d.due().filter((effect) => effect.do === "gate");
    const red = evidence(head("a"), { exit: 1 });
    d.see("a", { saw: "gated", head: head("a"), evidence: [red], passed: false }, gate?.key);
    expect(d.attempt("a").phase).toEqual({ at: "idle", saved: false });
    expect(d.tick(60_000)).toEqual([]);
    expect(d.see("a", exited)).toEqual(["session.exited"]);
    expect(w.snapshot("a")).toEqual(["snapshot.taken", "session.planned", "round.admitted"]);
  });

  it("waits for a slot with its work kept, and keeps the process that it goes to", () => {
    const d = drive();
    const w = walk(d);
    d.capacity = { ...roomy, resident: 1 };
    d.command(startOf([taskSpec("a"), taskSpec("b")], { parallel: 1 }));
    w.work("a");
    w.commit("a");
    w.gate("a", false);
    expect(d.attempt("a").phase).toEqual({ at: "idle", saved: true });
    w.provision("b");
    expect(d.attempt("b").process.is).toBe("starting");
    expect(d.attempt("a").process.is).toBe("live");
  });

  it("does not go to a process that is on its way out", () => {
    const d = drive();
    const w = walk(d);
    d.capacity = { ...roomy, resident: 1 };
    d.command(startOf([taskSpec("a"), taskSpec("b")]));
    w.work("a");
    w.endRound("a");
    w.snapshot("a");
    w.provision("b");
    d.see("a", inspected("a", { dirty: true }));
    expect(d.attempt("a")).toMatchObject({
      phase: { at: "idle", saved: true },
      process: { is: "ending" },
    });
    expect(d.tick(60_000)).toEqual([]);
    expect(w.exit("a")).toEqual(["session.exited", "session.planned", "round.admitted"]);
  });
});

describe("a pause", () => {
  it("keeps a task from starting until it is resumed", () => {
    const d = drive();
    d.command(startOf(three(), { parallel: 1 }));
    d.command(pause("b"));
    walk(d).cancel("a");
    expect(d.task("b").state.is).toBe("pending");
    expect(d.task("c").state.is).toBe("active");
    walk(d).cancel("c");
    expect(d.task("b").state.is).toBe("pending");
    d.command({ ...resume, task: "b" });
    expect(d.task("b").state.is).toBe("active");
  });

  it("holds nobody else's slot", () => {
    const d = drive();
    d.command(startOf([taskSpec("a"), taskSpec("b")], { parallel: 1 }));
    d.command(pause("a"));
    expect(d.task("b").state.is).toBe("active");
    walk(d).provision("a");
    expect(d.attempt("a").phase.at).toBe("idle");
    expect(d.attempt("a").slot).toBe(false);
  });

  it("of the run holds all of it, and its resume starts all of it", () => {
    const d = drive();
    d.command(startOf(three(), { parallel: 2 }));
    const w = walk(d);
    d.command(pause(null));
    expect(d.command(pause(null))).toEqual([]);
    for (const key of ["a", "b"]) w.provision(key);
    expect(d.keys()).toEqual([]);
    d.command(startOf([taskSpec("a")], { run: "run_b" }));
    expect(d.keys()).toEqual(["provision:att_b_1:1"]);
    d.command(resume);
    for (const key of ["a", "b"]) w.save(key);
    expect(d.keys()).toContain("session:att_a_1:1");
    expect(d.keys()).toContain("session:att_a_2:1");
  });

  it("lets a round end, and what it left is looked at but not proved", () => {
    const d = drive();
    const w = walk(d);
    d.command(startOf([taskSpec("a")]));
    w.work("a");
    d.command(pause("a"));
    expect(d.attempt("a").phase.at).toBe("working");
    w.commit("a");
    expect(d.attempt("a").phase).toMatchObject({ at: "verifying", admitted: false });
    d.command({ ...resume, task: "a" });
    expect(d.effect("a", "gate")?.key).toBe("gate:att_a_1:commit-a:1");
  });

  it("keeps a proved task out of the queue, but lets a landing under way end", () => {
    const d = drive();
    const w = walk(d);
    d.command(startOf([taskSpec("a"), taskSpec("b")]));
    w.prove("a");
    w.merge("a", "merged");
    d.command(pause("a"));
    expect(d.effect("a", "gate")?.on).toBe("merge");
    w.gate("a");
    w.land("a");
    expect(d.task("a").state.is).toBe("landed");
    w.work("b");
    w.commit("b");
    d.command(pause("b"));
    w.gate("b");
    expect(d.attempt("b").phase.at).toBe("verified");
    expect(d.keys().filter((key) => key.startsWith("merge"))).toEqual([]);
  });
});

describe("what waits for its snapshot before it goes on", () => {
  const gaveUp = { is: "agent", detail: "it gave up" } as const;

  /** `first` is parked until now, and what had its slot meanwhile has just gone. */
  function goingOn(tasks: readonly TaskSpec[], over: Partial<Start> = {}) {
    const d = drive();
    const w = walk(d);
    const [first, second] = tasks.map(({ key }) => key) as [string, string];
    d.command(startOf(tasks, { parallel: 1, ...over }));
    w.work(first);
    w.endRound(first, gaveUp);
    d.now = d.attempt(first).park?.until ?? 0;
    w.cancel(second);
    return { d, w };
  }

  it("is not overtaken by a task that is ready", () => {
    const { d, w } = goingOn(three());
    expect(d.attempt("a")).toMatchObject({ park: null, phase: { at: "idle", saved: false } });
    expect(d.task("c").state.is).toBe("pending");
    w.save("a");
    expect(d.attempt("a").phase.at).toBe("working");
    expect(d.task("c").state.is).toBe("pending");
  });

  it("holds no place that it could not take: one of another plan goes on", () => {
    const tasks = [
      taskSpec("x.a", { plan: "x" }),
      taskSpec("y.a", { plan: "y" }),
      taskSpec("y.b", { plan: "y" }),
    ];
    const plans = [
      { id: "x", parallel: null, usd: 0.4 },
      { id: "y", parallel: null, usd: null },
    ];
    const { d } = goingOn(tasks, { plans });
    expect(d.attempt("x.a").phase).toEqual({ at: "idle", saved: false });
    expect(d.task("y.b").state.is).toBe("active");
  });

  it("makes room for the process that it will need", () => {
    const d = drive();
    const w = walk(d);
    d.capacity = { ...roomy, gates: 0 };
    d.command(startOf(three()));
    w.work("a");
    w.work("b");
    w.commit("b");
    w.endRound("a", gaveUp);
    w.exit("a");
    d.capacity = { ...d.capacity, resident: 2 };
    d.now = d.attempt("a").park?.until ?? 0;
    w.provision("c");
    expect(d.attempt("b").process).toMatchObject({ is: "ending", why: "resident" });
  });
});

describe("gates", () => {
  it("are bounded by the host, proofs and landings together", () => {
    const d = drive();
    const w = walk(d);
    d.capacity = { ...roomy, gates: 1 };
    d.command(startOf(three()));
    for (const key of ["a", "b", "c"]) {
      w.work(key);
      w.commit(key);
    }
    const gates = () => d.due().filter((effect) => effect.do === "gate");
    expect(gates().map(({ att }) => att)).toEqual(["att_a_1"]);
    w.gate("a");
    expect(gates().map(({ att }) => att)).toEqual(["att_a_2"]);
    w.merge("a", "merged");
    expect(gates().map(({ att }) => att)).toEqual(["att_a_2"]);
    w.gate("b");
    expect(gates().map(({ att }) => att)).toEqual(["att_a_1"]);
  });
});

describe("live processes", () => {
  it("beyond what the host carries are ended where nobody talks to them", () => {
    const d = drive();
    const w = walk(d);
    d.capacity = { ...roomy, resident: 1, gates: 0 };
    d.command(startOf([taskSpec("a"), taskSpec("b")], { parallel: 1 }));
    w.work("a");
    w.commit("a");
    w.provision("b");
    expect(d.attempt("a").process).toMatchObject({ is: "ending", why: "resident" });
    expect(d.effect("a", "end_session")?.key).toBe("end:att_a_1:1:end");
    expect(d.attempt("b").process.is).toBe("starting");
  });

  it("beyond what the host carries are ended where they are parked between rounds", () => {
    const d = drive();
    const w = walk(d);
    d.capacity = { ...roomy, resident: 1 };
    d.command(startOf([taskSpec("a"), taskSpec("b")]));
    w.work("a");
    w.endRound("a", { is: "agent", detail: "it gave up" });
    w.provision("b");
    expect(d.attempt("a").process).toMatchObject({
      is: "ending",
      why: "resident",
      interrupt: false,
    });
  });

  it("beyond what the host carries are ended where they wait for an answer, and the answer resumes them", () => {
    const d = drive();
    const w = walk(d);
    d.capacity = { ...roomy, resident: 1 };
    d.command(startOf([taskSpec("a"), taskSpec("b")]));
    w.work("a");
    d.see("a", asked());
    w.provision("b");
    expect(d.attempt("a").process).toMatchObject({ is: "ending", why: "resident" });
    expect(d.effect("a", "end_session")?.key).toBe("end:att_a_1:1:interrupt");
    d.see("a", { saw: "ask_withdrawn", ask: "q", offset: 6_000 });
    w.endRound("a", { is: "interrupted" });
    w.exit("a", "asked to end");
    expect(d.attempt("a").asks).toMatchObject([{ id: "q", detached: true }]);
    expect(d.attempt("a").process.is).toBe("none");
    d.command({ type: "answer", run: runId, task: "a", ask: "q", answer: { is: "allow" } });
    expect(d.attempt("a").process).toMatchObject({ is: "starting", n: 2, resume: true });
    w.start("a");
    expect(d.effect("a", "send")?.message.kind).toBe("answer");
  });

  it("that nobody talks to go before one that waits for an answer", () => {
    const d = drive();
    const w = walk(d);
    d.capacity = { ...roomy, resident: 2, gates: 0 };
    d.command(startOf(three()));
    w.work("a");
    d.see("a", asked());
    w.work("b");
    w.commit("b");
    w.provision("c");
    expect(d.attempt("a").process.is).toBe("live");
    expect(d.attempt("b").process).toMatchObject({ is: "ending", why: "resident" });
    expect(d.attempt("c").process.is).toBe("starting");
  });

  it("that work are left alone", () => {
    const d = drive();
    const w = walk(d);
    d.capacity = { ...roomy, resident: 1 };
    d.command(startOf([taskSpec("a"), taskSpec("b")]));
    w.work("a");
    w.provision("b");
    expect(d.attempt("a").process.is).toBe("live");
    expect(d.attempt("b").process.is).toBe("starting");
  });
});

describe("the merge queue", () => {
  it("lands one at a time on a target, in the order of entry, and other targets beside it", () => {
    const d = drive();
    const w = walk(d);
    d.command(startOf([taskSpec("a"), taskSpec("b"), taskSpec("c", { target: "next" })]));
    for (const key of ["b", "a", "c"]) {
      d.now += 1_000;
      w.prove(key);
    }
    const merges = () => d.keys().filter((key) => key.startsWith("merge"));
    expect(merges()).toEqual(["merge:att_a_2:commit-b:1", "merge:att_a_3:commit-c:1"].toSorted());
    w.merge("b", "b");
    w.land("b");
    expect(merges()).toContain("merge:att_a_1:commit-a:1");
  });

  it("waits for all that a task stands on", () => {
    const d = drive();
    const w = walk(d);
    d.command(startOf([taskSpec("a"), taskSpec("b", { needs: [need("a")] })]));
    w.prove("a");
    expect(d.attempt("b").basis).toEqual({ a: "commit-a" });
    expect(d.effect("b", "provision")?.basis).toEqual([{ key: "a", head: "commit-a" }]);
    w.prove("b");
    expect(d.attempt("b").phase.at).toBe("verified");
    w.merge("a", "a");
    w.land("a");
    expect(d.attempt("b").phase.at).toBe("queued");
  });

  it("does not take a task without changes: it is done once what it stands on has landed", () => {
    const d = drive();
    const w = walk(d);
    d.command(startOf([taskSpec("a"), taskSpec("b", { needs: [need("a")] })]));
    w.prove("a");
    w.provision("b", { baseTree: head("a").tree });
    w.start("b");
    w.take("b");
    w.commit("b", "a");
    w.gate("b");
    expect(d.attempt("b").phase).toMatchObject({ at: "verified", approved: true });
    w.merge("a", "a");
    w.land("a");
    expect(d.attempt("b").phase).toMatchObject({ at: "ending", outcome: { reason: "no_changes" } });
  });
});
