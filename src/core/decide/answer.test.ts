import { describe, expect, it } from "vitest";
import { type Drive, drive, need, runId, startOf, taskSpec } from "../../testing/core.ts";
import { asked, head, inspected, walk, worktree } from "../../testing/walk.ts";
import type { Command } from "../inputs.ts";
import type { TaskSpec } from "../plan.ts";

const of = (task: string) => ({ run: runId, task }) as const;
const tell = (task: string, text = "mind the docs"): Command => ({
  type: "tell",
  ...of(task),
  text,
});
const approve = (task: string, gate = false): Command => ({ type: "approve", ...of(task), gate });
const reject = (task: string): Command => ({ type: "reject", ...of(task), because: "wrong name" });
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
const ask = (d: Drive, over: Parameters<typeof asked>[0] = {}) =>
  d.see("a", asked({ rule: "Bash(make)", ...over }));

describe("tell", () => {
  it("steers a round in flight, once what is there is kept", () => {
    const { d, w } = with1();
    const { since } = d.attempt("a").phase as { since: number };
    d.command(tell("a"));
    expect(d.effect("a", "send")).toBeUndefined();
    d.now += 1_000;
    w.snapshot("a");
    expect(d.attempt("a").phase).toEqual({ at: "working", since });
    expect(d.effect("a", "send")?.message).toMatchObject({ kind: "tell", text: "mind the docs" });
    expect(d.effect("a", "snapshot")).toBeUndefined();
  });

  it.each([
    { saw: "snapshot_failed", why: "no space" },
    { saw: "inspect_failed", why: "worktree metadata was changed" },
    { saw: "inspect_failed", why: "there is no worktree any more", gone: true },
    { saw: "needs_credentials", why: "the environment was lost with the daemon" },
  ] as const)("is heard without a snapshot where none can be taken: %j", (seen) => {
    const { d } = with1();
    d.command(tell("a"));
    const types = d.see("a", seen, d.effect("a", "snapshot")?.key);
    expect(types).toEqual(["snapshot.missed"]);
    expect(d.attempt("a")).toMatchObject({ park: null, slot: true });
    expect(d.effect("a", "send")?.message.kind).toBe("tell");
    d.command(tell("a"));
    expect(d.effect("a", "snapshot")).toBeDefined();
  });

  it("has the next round where this one ends before the snapshot", () => {
    const { d, w } = with1();
    d.command(tell("a"));
    w.endRound("a");
    w.snapshot("a");
    w.save("a");
    expect(d.attempt("a").phase).toMatchObject({ at: "working" });
    expect(d.effect("a", "send")?.message.kind).toBe("tell");
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
      else d.see("a", inspected("c", { dirty: true }));
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
    expect(d.attempt("a").phase).toEqual({ at: "idle", saved: false });
    w.exit("a");
    expect(d.attempt("a").phase.at).toBe("working");
  });

  it("starts no round before what the last one left is in a snapshot", () => {
    const { d, w } = with1();
    w.commit("a");
    expect(d.command(tell("a"))).toEqual(["message.queued"]);
    expect(d.effect("a", "snapshot")).toMatchObject({
      key: "snapshot:att_a_1:2:1:1:live",
      ref: "refs/muster/attempts/att_a_1/2",
    });
    expect(d.effect("a", "send")).toBeUndefined();
    expect(w.snapshot("a")).toEqual(["snapshot.taken", "round.admitted"]);
    expect(d.effect("a", "send")?.message.kind).toBe("tell");
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
    d.see("b", asked({ rule: "Bash(make)" }));
    d.see("c", asked({ rule: "Bash(rm)" }));
    d.command(startOf([taskSpec("a")], { run: "run_b" }));
    for (const seen of [
      { saw: "provisioned", worktree: worktree("a") },
      { saw: "session_started", n: 1, pid: 100, version: null },
      asked({ rule: "Bash(make)" }),
    ] as const)
      d.see("a", seen, undefined, "run_b");
    d.command(answer("a", allow));
    expect(d.attempt("b").asks[0]?.answer).toMatchObject({ is: "allow" });
    expect(d.attempt("c").asks[0]?.answer).toBeNull();
    expect(d.attempt("a", "run_b").asks).toMatchObject([{ rule: "Bash(make)", answer: null }]);
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
    ask(d, { ask: "q2", kind: "question", tool: "AskUserQuestion", offset: 9_000 });
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
    d.see("a", inspected("c", { related: false }));
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
    expect(() => d.command(approve("a", true))).toThrow(
      expect.objectContaining({
        message: "no gate is proposed for run_a/a",
        remedy: "add `gate:` to muster.yaml, then: muster retry run_a/a",
      }),
    );
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

const untrusted = (tree = "tree-1", files = [".mcp.json"]) =>
  ({ saw: "untrusted", tree, files }) as const;
const trust = (tree = "tree-1", project = "/project/.git"): Command => ({
  type: "trust",
  project,
  tree,
});

/** A task `a` whose provisioning waits for a person to trust its project's configuration. */
function asking(over: Partial<TaskSpec> = {}): ReturnType<typeof with1> {
  const made = with1({ profile: "project", ...over }, "admitted");
  made.d.see("a", untrusted());
  return made;
}

describe("trust", () => {
  it.each<[string, Command]>([
    ["an approval", approve("a")],
    ["a yes", answer("a", allow)],
    ["the command", trust()],
  ])("is recorded by %s, and provisioning goes on with it", (_, command) => {
    const { d, w } = asking();
    expect(d.effect("a", "provision")).toBeUndefined();
    expect(d.command(command)).toEqual(["config.trusted", "ask.closed"]);
    expect(d.state.projects.get("/project/.git")).toEqual({ gate: null, trusted: ["tree-1"] });
    expect(d.effect("a", "provision")).toMatchObject({
      key: "provision:att_a_1:2",
      trusted: ["tree-1"],
    });
    expect(w.provision("a")).toContain("round.admitted");
  });

  it("closes the same question of every attempt in that project, and no other", () => {
    const d = drive();
    const project = { profile: "project" } as const;
    const elsewhere = { ...project, project: "/other/.git" };
    d.command(
      startOf(
        [
          taskSpec("a", project),
          taskSpec("b", project),
          taskSpec("c", project),
          taskSpec("d", elsewhere),
        ],
        { parallel: 4 },
      ),
    );
    for (const key of ["a", "b", "d"]) d.see(key, untrusted());
    d.see("c", untrusted("tree-2"));
    d.command(startOf([taskSpec("a", project)], { run: "run_b" }));
    expect(d.command(approve("b"))).toEqual(["config.trusted", "ask.closed", "ask.closed"]);
    const open = ["a", "b", "c", "d"].filter((key) => d.attempt(key).asks.length > 0);
    expect(open).toEqual(["c", "d"]);
    expect(d.effect("d", "provision")).toBeUndefined();
    expect(d.due().find(({ att }) => att === "att_b_1")).toMatchObject({ trusted: ["tree-1"] });
    expect(d.command(trust("tree-2"))).toEqual(["config.trusted", "ask.closed"]);
    expect(d.effect("c", "provision")?.trusted).toEqual(["tree-1", "tree-2"]);
  });

  it("is recorded before anybody asks, once, and keeps what else is known of the project", () => {
    const d = drive();
    expect(d.command(trust())).toEqual(["config.trusted"]);
    expect(d.command(trust())).toEqual([]);
    const proposed = { gate: ["make test"], gateFrom: "proposed" as const };
    d.command(startOf([taskSpec("a", proposed)], { acceptGates: true }));
    expect(d.state.projects.get("/project/.git")).toEqual({
      gate: ["make test"],
      trusted: ["tree-1"],
    });
    expect(d.effect("a", "provision")?.trusted).toEqual(["tree-1"]);
  });

  it("that was recorded still closes a question that is open", () => {
    const { d } = asking();
    d.command(approve("a"));
    d.see("a", untrusted());
    expect(d.command(trust())).toEqual(["ask.closed"]);
  });

  it("answered by a person in an unattended run brings them back first", () => {
    const d = drive();
    d.command(startOf([taskSpec("a", { profile: "project" })], { attended: false }));
    d.see("a", untrusted());
    expect(d.attempt("a").asks).toMatchObject([{ kind: "trust", answer: null }]);
    expect(d.command(answer("a", allow))).toEqual(["run.attended", "config.trusted", "ask.closed"]);
  });

  it.each<[string, Command]>([
    ["a rejection", reject("a")],
    ["a no", answer("a", { is: "deny", because: "wrong name" })],
  ])("refused by %s fails the task", (_, command) => {
    const { d } = asking();
    expect(d.command(command)).toEqual(["attempt.ending", "attempt.ended", "task.failed"]);
    expect(d.task("a").state).toEqual({ is: "failed", reason: "rejected", detail: "wrong name" });
    expect(d.state.projects.size).toBe(0);
  });

  it("is a yes or a no: a text is refused and the question stays", () => {
    const { d } = asking();
    expect(() => d.command(answer("a", { is: "text", text: "why not" }))).toThrow(
      refused("run_a/a asks for a yes or a no", "usage"),
    );
    expect(() => d.command(approve("a", true))).toThrow(
      refused("run_a/a does not wait for an approval"),
    );
    expect(d.attempt("a").asks).toHaveLength(1);
  });

  it("is not given by a word for the session, which joins its prompt", () => {
    const { d, w } = asking();
    expect(d.command(tell("a"))).toEqual(["message.queued"]);
    expect(d.attempt("a").asks).toHaveLength(1);
    expect(d.effect("a", "provision")).toBeUndefined();
    d.command(approve("a"));
    w.provision("a");
    w.start("a");
    expect(d.due().flatMap((e) => (e.do === "send" ? [e.message.kind] : []))).toEqual([
      "prompt",
      "tell",
    ]);
  });

  it("does not keep a task from being stopped at once: nothing is being made", () => {
    const { d } = asking();
    expect(d.command(stop("a"))).toEqual(["attempt.ending", "attempt.ended", "task.canceled"]);
    expect(d.command(trust())).toEqual(["config.trusted"]);
  });
});

describe("an approval of what can't be signed", () => {
  /** A proved task `a` whose landing could not be signed. */
  function unsigned(over: Partial<TaskSpec> = {}): ReturnType<typeof with1> {
    const made = with1(over, "proved");
    if (over.approval === true) made.d.command(approve("a"));
    made.d.see("a", { saw: "signing_failed", why: "the key is locked" });
    return made;
  }

  it.each<[string, Command]>([
    ["an approval", approve("a")],
    ["a yes", answer("a", allow)],
  ])("given by %s lands it unsigned", (_, command) => {
    const { d, w } = unsigned();
    expect(d.command(command)).toEqual([
      "ask.closed",
      "attempt.approved",
      "queue.entered",
      "landing.started",
    ]);
    expect(d.events.findLast(({ type }) => type === "attempt.approved")).toMatchObject({
      commit: "commit-a",
      gateless: false,
      unsigned: true,
    });
    expect(d.effect("a", "merge")).toMatchObject({ unsigned: true, head: head("a") });
    w.merge("a", "a");
    w.land("a");
    expect(d.task("a").state.is).toBe("landed");
  });

  it("is one of its own, also where the commit was approved before", () => {
    const { d } = unsigned({ approval: true });
    const approvals = () => d.events.filter(({ type }) => type === "attempt.approved");
    expect(approvals()).toMatchObject([{ commit: "commit-a" }]);
    expect(approvals()[0]).not.toHaveProperty("unsigned");
    expect(d.effect("a", "merge")).toBeUndefined();
    d.command(approve("a"));
    expect(approvals()).toMatchObject([{}, { unsigned: true }]);
  });

  it("says also that there was no gate", () => {
    const { d, w } = with1({ gate: null, gateFrom: "missing" });
    w.commit("a");
    d.command(approve("a"));
    d.see("a", { saw: "signing_failed", why: "the key is locked" });
    d.command(approve("a"));
    expect(d.events.findLast(({ type }) => type === "attempt.approved")).toMatchObject({
      gateless: true,
      unsigned: true,
    });
  });

  it("is forgotten with the commit that it was for", () => {
    const { d, w } = unsigned();
    d.command(approve("a"));
    w.exit("a");
    d.see("a", { saw: "merge_conflicts", target: "commit-x", paths: ["a.ts"] });
    w.save("a");
    w.start("a");
    w.take("a");
    expect(d.attempt("a").unsigned).toBe(true);
    w.commit("a", "b");
    w.gate("a");
    expect(d.effect("a", "merge")).toMatchObject({ head: head("b"), unsigned: false });
  });

  it("lasts where the target moved meanwhile", () => {
    const { d, w } = unsigned();
    d.command(approve("a"));
    w.merge("a", "a");
    d.see("a", { saw: "target_moved", expected: "commit-base", now: "commit-x" });
    expect(d.effect("a", "merge")).toMatchObject({ unsigned: true });
  });

  it("refused sends the result back", () => {
    const { d } = unsigned();
    d.command(answer("a", { is: "deny", because: "sign it" }));
    expect(d.attempt("a").asks).toEqual([]);
    expect(d.attempt("a").mail[0]?.text).toContain("The result was rejected: sign it");
    expect(d.attempt("a").phase).toEqual({ at: "idle", saved: false });
  });
});
