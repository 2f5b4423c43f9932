import { describe, expect, it } from "vitest";
import { type Drive, drive, need, roomy, runId, startOf, taskSpec } from "../../testing/core.ts";
import { walk } from "../../testing/walk.ts";
import type { Command } from "../inputs.ts";
import type { TaskSpec } from "../plan.ts";
import type { Run } from "../state.ts";

const of = (task: string) => ({ run: runId, task }) as const;
const tell = (task: string, text = "mind the docs"): Command => ({
  type: "tell",
  ...of(task),
  text,
});
const approve = (task: string, gate = false): Command => ({ type: "approve", ...of(task), gate });
const reject = (task: string): Command => ({ type: "reject", ...of(task), because: "wrong name" });
const retry = (task: string | null, settled: Run | null = null): Command => ({
  type: "retry",
  run: runId,
  task,
  settled,
});
const stop = (task: string | null): Command => ({ type: "stop", run: runId, task });
const answer = (
  task: string,
  given: Extract<Command, { type: "answer" }>["answer"],
  ask: string | null = null,
): Command => ({ type: "answer", ...of(task), ask, answer: given });
const allow = { is: "allow" } as const;
const refused = (message: string, code = "refused") =>
  expect.objectContaining({ code, message, remedy: expect.stringContaining("muster ") });

/** A drive with one task `a`, walked as far as `how` says. */
function with1(
  over: Partial<TaskSpec> = {},
  how: "admitted" | "working" | "proved" = "working",
): { d: Drive; w: ReturnType<typeof walk> } {
  const d = drive();
  const w = walk(d);
  d.command(startOf([taskSpec("a", over)]));
  if (how === "working") w.work("a");
  if (how === "proved") w.prove("a");
  return { d, w };
}
const ask = (d: Drive, over: object = {}) =>
  d.see("a", {
    saw: "asked",
    ask: "q",
    kind: "permission",
    tool: "Bash",
    text: "run make?",
    input: { command: "make" },
    rule: "Bash(make)",
    offset: 5_000,
    ...over,
  });

describe("stop", () => {
  it("cancels what waits and winds down what runs, work kept", () => {
    const d = drive();
    const w = walk(d);
    d.command(startOf([taskSpec("a"), taskSpec("b", { needs: [need("a")] })]));
    w.work("a");
    d.command(stop(null));
    expect(d.task("b").state.is).toBe("canceled");
    expect(d.attempt("a").phase).toMatchObject({ at: "ending", outcome: { is: "canceled" } });
    expect(d.command(stop("a"))).toEqual([]);
    w.exit("a");
    w.snapshot("a");
    expect(d.command(stop(null))).toEqual([]);
  });

  it("waits for what comes of a worktree that may be being made", () => {
    const { d, w } = with1({}, "admitted");
    expect(d.command(stop("a"))).toEqual(["attempt.cancel_requested"]);
    expect(w.provision("a")).toEqual(["attempt.provisioned", "attempt.ending"]);
    w.snapshot("a");
    expect(d.task("a").state.is).toBe("canceled");
    const failed = with1({}, "admitted");
    expect(failed.w.cancel("a")).toEqual([
      "attempt.provision_failed",
      "attempt.ending",
      "attempt.ended",
      "task.canceled",
    ]);
    const conflicts = with1({}, "admitted");
    conflicts.d.command(stop("a"));
    conflicts.d.see("a", { saw: "provision_conflicts", paths: ["a.ts"] });
    expect(conflicts.d.task("a").state.is).toBe("canceled");
  });

  it("ends an attempt without a worktree at once while it is parked", () => {
    const { d } = with1({}, "admitted");
    d.see("a", { saw: "provision_failed", why: "disk", retry: true });
    expect(d.command(stop("a"))).toEqual(["attempt.ending", "attempt.ended", "task.canceled"]);
  });

  it("never overtakes a landing: what won lands", () => {
    const { d, w } = with1({}, "proved");
    w.merge("a", "a");
    expect(d.command(stop("a"))).toEqual(["attempt.cancel_requested"]);
    expect(d.command(stop("a"))).toEqual([]);
    w.land("a");
    expect(d.task("a").state.is).toBe("landed");
  });

  it("is decided by a landing that lost", () => {
    const { d, w } = with1({}, "proved");
    w.merge("a", "a");
    d.command(stop("a"));
    d.see("a", { saw: "target_moved", expected: "commit-base", now: "commit-x" });
    expect(d.attempt("a").phase).toMatchObject({ at: "ending", outcome: { is: "canceled" } });
  });

  it("does not wait for a checkout that is in the way", () => {
    const { d, w } = with1({}, "proved");
    w.merge("a", "a");
    d.see("a", { saw: "checkout_in_the_way", detail: "a.ts is changed" });
    d.command(stop("a"));
    expect(d.attempt("a").phase.at).toBe("ending");
  });

  it("of a run or a task that is not there names it", () => {
    const { d } = with1();
    expect(() => d.command({ ...stop(null), run: "run_x" })).toThrow(
      refused("no open run run_x", "not_found"),
    );
    expect(() => d.command(stop("z"))).toThrow(refused("no task z in run_a", "not_found"));
    expect(() => d.command(tell("z"))).toThrow(refused("no task z in run_a", "not_found"));
  });
});

describe("pause", () => {
  const pause = (task: string | null): Command => ({
    type: "pause",
    run: runId,
    task,
    interrupt: true,
  });

  it("with an interrupt ends the round now, and its message is sent again after the resume", () => {
    const { d, w } = with1();
    d.command(pause("a"));
    expect(d.effect("a", "end_session")?.key).toBe("end:att_a_1:1:interrupt");
    w.endRound("a", { is: "interrupted" });
    w.exit("a", "asked to end");
    expect(d.attempt("a").phase.at).toBe("idle");
    d.command({ type: "resume", run: runId, task: "a", usd: null });
    expect(d.attempt("a").process).toMatchObject({ is: "starting", n: 2, resume: true });
    w.start("a");
    expect(d.effect("a", "send")?.message.kind).toBe("continue");
  });

  it("that kills the process in its round has something to say when it goes on", () => {
    const { d, w } = with1();
    d.command(pause(null));
    w.exit("a", "killed");
    expect(d.attempt("a").mail.map(({ kind, taken }) => [kind, taken])).toEqual([
      ["prompt", false],
    ]);
    expect(d.run().paused).toBe(true);
  });

  it("without a round in flight interrupts nothing", () => {
    const { d } = with1({}, "admitted");
    expect(d.command(pause("a"))).toEqual(["task.paused"]);
    expect(d.command(pause("a"))).toEqual([]);
    expect(() => d.command(pause("z"))).toThrow(refused("no task z in run_a", "not_found"));
  });
});

describe("resume", () => {
  const resume: Command = { type: "resume", run: runId, task: null, usd: null };

  it("ends parks and pauses and counts as a person showing up", () => {
    const d = drive();
    const w = walk(d);
    d.command(startOf([taskSpec("a"), taskSpec("b")], { attended: false }));
    w.work("a");
    w.endRound("a", { is: "credentials", detail: "401" });
    expect(d.attempt("a").park).toMatchObject({ reason: "credentials", until: null });
    d.command({ type: "pause", run: runId, task: "b", interrupt: false });
    const types = d.command(resume);
    expect(types.slice(0, 3)).toEqual(["run.attended", "attempt.unparked", "task.resumed"]);
  });

  it("with money raises the run's budget", () => {
    const { d } = with1();
    d.command({ ...resume, usd: 25 });
    expect(d.run().usd).toBe(25);
    expect(d.command(resume)).toEqual([]);
  });
});

describe("retry", () => {
  it("reopens what failed, and what failed because of it", () => {
    const d = drive();
    const w = walk(d);
    d.command(startOf([taskSpec("a"), taskSpec("b", { needs: [need("a")] }), taskSpec("c")]));
    d.see("a", { saw: "provision_failed", why: "no such branch", retry: false });
    expect(d.task("b").state.is).toBe("failed");
    d.command(retry("a"));
    expect(d.task("a").attempts).toEqual(["att_a_1", "att_a_3"]);
    expect(d.task("b").state.is).toBe("pending");
    w.prove("a");
    expect(d.task("b").state.is).toBe("active");
  });

  it("brings a settled run back whole", () => {
    const { d, w } = with1({}, "admitted");
    const before = d.run();
    w.cancel("a");
    const settled = { ...d.run(), endedAt: 7 };
    w.retire("a");
    expect(d.state.runs.size).toBe(0);
    const past = new Map(
      [...d.events].flatMap((e) => (e.type === "attempt.retired" ? [[e.att, 1]] : [])),
    );
    d.command(retry(null, settled));
    expect(d.run().startedAt).toBe(before.startedAt);
    expect(d.run().endedAt).toBeNull();
    expect(d.task("a").attempts).toHaveLength(2);
    expect(past.size).toBe(1);
  });

  it("refuses where nothing failed, and leaves a settled run settled", () => {
    const { d, w } = with1();
    expect(() => d.command(retry("a"))).toThrow(
      refused("nothing to retry in run_a/a: nothing there failed or was canceled"),
    );
    const other = drive();
    other.command(startOf([taskSpec("a")]));
    walk(other).work("a");
    walk(other).commit("a");
    walk(other).gate("a");
    walk(other).exit("a");
    walk(other).merge("a", "a");
    walk(other).land("a");
    const settled = other.run();
    walk(other).retire("a");
    expect(() => other.command(retry(null, settled))).toThrow(
      refused("nothing to retry in run_a: nothing there failed or was canceled"),
    );
    expect(other.state.runs.size).toBe(0);
    w.endRound("a");
  });
});

describe("tell", () => {
  it("steers a round in flight", () => {
    const { d } = with1();
    d.command(tell("a"));
    expect(d.attempt("a").phase.at).toBe("working");
    expect(d.effect("a", "send")?.message).toMatchObject({ kind: "tell", text: "mind the docs" });
  });

  it("joins the prompt of an attempt that is not provisioned yet", () => {
    const { d } = with1({}, "admitted");
    d.command(tell("a"));
    expect(d.attempt("a").mail.map(({ kind }) => kind)).toEqual(["prompt", "tell"]);
    expect(d.attempt("a").phase.at).toBe("provisioning");
  });

  it.each(["snapshot", "inspect"])(
    "is heard also while a round's result is looked at (%s)",
    (step) => {
      const { d, w } = with1();
      w.endRound("a");
      if (step === "inspect") w.snapshot("a");
      d.command(tell("a"));
      if (step === "snapshot") w.snapshot("a");
      else
        d.see("a", {
          saw: "inspected",
          head: { commit: "c", tree: "t" },
          dirty: true,
          related: true,
          onTarget: false,
          outside: [],
          missing: [],
        });
      expect(d.attempt("a").phase.at).toBe("working");
      expect(d.attempt("a").reminders).toBe(0);
      expect(d.effect("a", "send")?.message.kind).toBe("tell");
    },
  );

  it("takes a verified result back and closes muster's own question", () => {
    const { d, w } = with1({ approval: true }, "proved");
    expect(d.attempt("a").asks).toHaveLength(1);
    d.command(tell("a"));
    expect(d.attempt("a").asks).toEqual([]);
    expect(d.attempt("a").phase.at).toBe("idle");
    w.exit("a");
    expect(d.attempt("a").phase.at).toBe("working");
  });

  it("leaves a session's own questions open", () => {
    const { d } = with1();
    ask(d);
    d.command(tell("a"));
    expect(d.attempt("a").asks).toHaveLength(1);
  });

  it("refuses what is landing, ending, over or not begun", () => {
    const { d, w } = with1({}, "proved");
    w.merge("a", "a");
    expect(() => d.command(tell("a"))).toThrow(
      refused("run_a/a is past its session: it is landing"),
    );
    const other = with1();
    other.d.command(stop("a"));
    expect(() => other.d.command(tell("a"))).toThrow(
      refused("run_a/a is past its session: it is ending"),
    );
    const waiting = drive();
    waiting.command(startOf([taskSpec("a"), taskSpec("b", { needs: [need("a")] })]));
    expect(() => waiting.command(tell("b"))).toThrow(
      refused("run_a/b has no session: it is pending"),
    );
  });
});

describe("an answer", () => {
  it("goes to the session, and is remembered for the same rule in the run", () => {
    const { d } = with1();
    ask(d);
    expect(d.command(answer("a", allow))).toEqual([
      "ask.answered",
      "answer.remembered",
      "round.admitted",
    ]);
    expect(d.effect("a", "answer")?.answer).toEqual({ is: "allow", text: null, answers: null });
    d.see("a", { saw: "answer_taken", ask: "q" }, d.effect("a", "answer")?.key);
    expect(d.attempt("a").asks).toEqual([]);
    ask(d, { ask: "q2", offset: 6_000 });
    expect(d.attempt("a").asks[0]?.answer).toMatchObject({ is: "allow" });
    expect(d.attempt("a").slot).toBe(true);
  });

  it("goes to everyone in the run who waits with the same rule", () => {
    const d = drive();
    const w = walk(d);
    d.command(startOf([taskSpec("a"), taskSpec("b"), taskSpec("c")]));
    for (const key of ["a", "b", "c"]) w.work(key);
    ask(d);
    const other = {
      saw: "asked",
      ask: "q",
      kind: "permission",
      tool: "Bash",
      text: "?",
      input: null,
      offset: 5_000,
    } as const;
    d.see("b", { ...other, rule: "Bash(make)" });
    d.see("c", { ...other, rule: "Bash(rm)" });
    d.command(answer("a", allow));
    expect(d.attempt("b").asks[0]?.answer).toMatchObject({ is: "allow" });
    expect(d.attempt("c").asks[0]?.answer).toBeNull();
  });

  it("no is remembered too, and a text is a no with a reason", () => {
    const { d } = with1();
    ask(d);
    d.command(answer("a", { is: "deny", because: "too wide" }));
    expect(d.run().remembered.get("Bash(make)")).toBe(false);
    ask(d, { ask: "q2", offset: 6_000, rule: "Bash(rm)" });
    d.command(answer("a", { is: "text", text: "use git rm" }, "q2"));
    expect(d.attempt("a").asks.at(-1)?.answer).toEqual({ is: "deny", because: "use git rm" });
    ask(d, { ask: "q3", offset: 7_000 });
    expect(d.attempt("a").asks.at(-1)?.answer).toMatchObject({ is: "deny" });
  });

  it("without a rule is remembered for nothing", () => {
    const { d } = with1();
    ask(d, { rule: null });
    d.command(answer("a", allow));
    expect(d.run().remembered.size).toBe(0);
    ask(d, { ask: "q2", offset: 6_000, rule: "" });
    d.command(answer("a", allow, "q2"));
    ask(d, { ask: "q3", offset: 7_000, rule: null });
    expect(d.attempt("a").asks.at(-1)?.answer).toBeNull();
  });

  it.each([
    [
      { questions: [{ question: "which?" }, { question: "when?" }] },
      { "which?": "the second", "when?": "the second" },
    ],
    [{ questions: [null, { question: 5 }, "x"] }, {}],
    [{ questions: "all of them" }, {}],
    [null, {}],
  ])("to a question of the session's names its questions: %j", (input, answers) => {
    const { d } = with1();
    ask(d, { kind: "question", tool: "AskUserQuestion", rule: null, input });
    d.command(answer("a", { is: "text", text: "the second" }));
    expect(d.effect("a", "answer")?.answer).toEqual({ is: "allow", text: "the second", answers });
  });

  it("counts as a person showing up", () => {
    const { d } = with1();
    ask(d);
    d.tick(900_000);
    expect(d.run().attended).toBe(false);
    d.see("a", { saw: "answer_taken", ask: "q" }, d.effect("a", "answer")?.key);
    d.see("a", {
      saw: "asked",
      ask: "q2",
      kind: "question",
      tool: "AskUserQuestion",
      text: "?",
      input: null,
      rule: null,
      offset: 9_000,
    });
    expect(d.attempt("a").asks[0]?.answer).toMatchObject({ is: "deny" });
    expect(d.command({ type: "attend", run: runId })).toEqual(["run.attended"]);
    expect(d.command({ type: "attend", run: runId })).toEqual([]);
  });

  it("in an unattended run brings the person back before it is given", () => {
    const d = drive();
    const w = walk(d);
    d.command(startOf([taskSpec("a", { approval: true })], { attended: false }));
    w.prove("a");
    expect(d.command(answer("a", allow)).slice(0, 3)).toEqual([
      "run.attended",
      "ask.closed",
      "attempt.approved",
    ]);
  });

  it("to nothing is refused and names what was meant", () => {
    const { d } = with1();
    expect(() => d.command(answer("a", allow))).toThrow(refused("run_a/a has no open question"));
    ask(d);
    expect(() => d.command(answer("a", allow, "zz"))).toThrow(
      refused("run_a/a has no open question zz"),
    );
    d.command(answer("a", allow, "q"));
    expect(() => d.command(answer("a", allow, "q"))).toThrow(
      refused("run_a/a has no open question q"),
    );
  });

  it("to a question of muster's own is a word for the session, a yes or a no", () => {
    const { d, w } = with1({ approval: true }, "proved");
    d.command(answer("a", { is: "text", text: "rename it" }));
    w.exit("a");
    w.start("a");
    expect(d.effect("a", "send")?.message).toMatchObject({ kind: "tell", text: "rename it" });
    w.take("a");
    w.commit("a", "two");
    w.gate("a");
    d.command(answer("a", { is: "deny", because: "no" }));
    expect(d.attempt("a").mail[0]?.text).toContain("The result was rejected: no");
  });

  it("to a conflict needs words, or a no that ends the task", () => {
    const { d, w } = with1();
    w.endRound("a");
    w.snapshot("a");
    d.see("a", {
      saw: "inspected",
      head: { commit: "c", tree: "t" },
      dirty: false,
      related: false,
      onTarget: false,
      outside: [],
      missing: [],
    });
    expect(d.attempt("a").asks[0]).toMatchObject({ kind: "conflict", tool: null });
    expect(() => d.command(answer("a", allow))).toThrow(
      refused("run_a/a asks what to do, not yes or no", "usage"),
    );
    d.command(answer("a", { is: "deny", because: "drop it" }));
    expect(d.attempt("a").phase).toMatchObject({
      outcome: { reason: "conflict", detail: "drop it" },
    });
  });
});

describe("approve", () => {
  it("is for the exact commit that waits, and lets it land", () => {
    const { d } = with1({ approval: true }, "proved");
    expect(d.attempt("a").asks[0]).toMatchObject({ kind: "approval", commit: "commit-a" });
    expect(d.command(approve("a"))).toEqual([
      "ask.closed",
      "attempt.approved",
      "queue.entered",
      "landing.started",
    ]);
  });

  it("without any gate says so in the evidence", () => {
    const { d } = with1({ gate: null, gateFrom: "missing" });
    walk(d).commit("a");
    expect(d.attempt("a").asks[0]?.text).toContain("no gate is configured");
    d.command(approve("a"));
    expect(d.events.find(({ type }) => type === "attempt.approved")).toMatchObject({
      gateless: true,
    });
  });

  it("--gate takes the proposed gate for the project and proves what waits there with it", () => {
    const d = drive();
    const w = walk(d);
    const proposed = { gate: ["make test"], gateFrom: "proposed" as const };
    d.command(
      startOf(
        [
          taskSpec("a", proposed),
          taskSpec("b", proposed),
          taskSpec("c", { approval: true }),
          taskSpec("e", { ...proposed, project: "/other" }),
        ],
        {
          parallel: 4,
        },
      ),
    );
    for (const key of ["a", "b", "e"]) {
      w.work(key);
      w.commit(key);
    }
    w.prove("c");
    expect(d.attempt("a").asks[0]?.text).toContain("proposed: make test");
    d.command(approve("a", true));
    expect(d.effect("a", "gate")?.commands).toEqual(["make test"]);
    expect(d.effect("b", "gate")?.commands).toEqual(["make test"]);
    expect(d.attempt("c").phase.at).toBe("verified");
    expect(d.attempt("e").phase.at).toBe("verified");
  });

  it("--gate is refused where no gate is proposed", () => {
    for (const over of [
      { gate: null, gateFrom: "missing" },
      { gate: [], gateFrom: "proposed" },
    ] as const) {
      const { d } = with1(over);
      walk(d).commit("a");
      expect(() => d.command(approve("a", true))).toThrow(
        refused("no gate is proposed for run_a/a"),
      );
    }
    const { d } = with1({ approval: true }, "proved");
    expect(() => d.command(approve("a", true))).toThrow(refused("no gate is proposed for run_a/a"));
  });

  it("of what does not wait for it is refused", () => {
    const { d } = with1();
    expect(() => d.command(approve("a"))).toThrow(refused("run_a/a does not wait for an approval"));
  });
});

describe("reject", () => {
  it("sends a result back with the reason", () => {
    const { d } = with1({ approval: true }, "proved");
    d.command(reject("a"));
    expect(d.attempt("a").mail[0]?.text).toContain("The result was rejected: wrong name");
  });

  it("fails a task that went silent for good", () => {
    const { d, w } = with1();
    for (let i = 0; i < 4; i++) {
      d.see("a", { saw: "stalled", silentMs: 300_000, during: "tool" });
      w.exit("a", "killed");
      d.tick(60_000);
      if (i === 3) break;
      w.start("a");
      w.take("a");
    }
    expect(d.attempt("a").asks[0]?.kind).toBe("stalled");
    d.command(reject("a"));
    expect(d.attempt("a").phase).toMatchObject({ outcome: { is: "failed", reason: "stalled" } });
  });

  it("of what asks nothing of a person is refused", () => {
    const { d } = with1();
    ask(d);
    expect(() => d.command(reject("a"))).toThrow(
      refused("run_a/a does not wait for a word of yours"),
    );
  });
});

it("a command that is refused changes nothing", () => {
  const { d } = with1();
  const before = d.state;
  expect(() => d.command(approve("a"))).toThrow();
  expect(d.state).toBe(before);
  expect(d.capacity).toBe(roomy);
});
