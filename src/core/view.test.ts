import { describe, expect, it } from "vitest";
import { type Drive, drive, need, roomy, runId, startOf, taskSpec } from "../testing/core.ts";
import { walk } from "../testing/walk.ts";
import type { RoundFailure } from "./inputs.ts";
import { attemptsView, runStateName, runView, taskStateName, taskView } from "./view.ts";

const name = (d: Drive, key = "a") => taskStateName(d.state, d.run(), d.task(key));
const runState = (d: Drive) => runStateName(d.state, d.run());
const view = (d: Drive, key = "a") => taskView(d.state, d.run(), d.task(key), d.now);
const pause = (task: string | null) =>
  ({ type: "pause", run: runId, task, interrupt: false }) as const;
const question = {
  saw: "asked",
  ask: "q",
  kind: "permission",
  tool: "Bash",
  text: "make?",
  input: { command: "make" },
  rule: null,
  offset: 900,
} as const;

const three = () => [taskSpec("a"), taskSpec("b"), taskSpec("c")];
const refused: RoundFailure = { is: "credentials", detail: "401" };
const limited: RoundFailure = {
  is: "unavailable",
  reason: "rate_limit",
  status: 429,
  retryAt: 4_600_000,
  detail: "429",
};

function begin(over = {}, start = {}) {
  const d = drive();
  d.command(startOf([taskSpec("a", over), taskSpec("b", { needs: [need("a")] })], start));
  return { d, w: walk(d) };
}

describe("the word for a task", () => {
  it("follows it all the way", () => {
    const { d, w } = begin();
    expect([name(d), name(d, "b")]).toEqual(["provisioning", "waiting"]);
    w.work("a");
    expect(name(d)).toBe("working");
    d.see("a", question);
    expect(name(d)).toBe("asking");
    d.see("a", { saw: "ask_withdrawn", ask: "q", offset: 950 });
    w.endRound("a");
    expect(name(d)).toBe("verifying");
    w.snapshot("a");
    d.see("a", {
      saw: "inspected",
      head: { commit: "c", tree: "t" },
      dirty: false,
      related: true,
      onTarget: false,
      outside: [],
      missing: [],
    });
    expect(name(d)).toBe("verifying");
    w.gate("a");
    expect(name(d)).toBe("queued");
    w.merge("a", "m");
    d.see("a", { saw: "gate_broken", commit: "commit-m", why: "setup failed" });
    expect(name(d)).toBe("parked");
    d.tick(60_000);
    w.merge("a", "m");
    w.gate("a");
    w.land("a");
    expect(name(d)).toBe("landed");
  });

  it("is ready where only a slot is missing, and idle work waits as working", () => {
    const d = drive();
    d.command(startOf([taskSpec("a"), taskSpec("b")], { parallel: 1 }));
    expect(name(d, "b")).toBe("ready");
    d.command(pause("b"));
    expect(name(d, "b")).toBe("paused");
  });

  it("is the outcome once that is final, not while it is on its way out", () => {
    const { d, w } = begin();
    w.work("a");
    d.command({ type: "stop", run: runId, task: "a" });
    expect(name(d)).toBe("working");
    w.exit("a");
    w.snapshot("a");
    expect(name(d)).toBe("canceled");
    expect(view(d, "b")).toMatchObject({ state: "failed", reason: "needs_failed" });
  });

  it("is paused where a pause takes hold, and not before", () => {
    const { d, w } = begin();
    d.command(pause("a"));
    expect(name(d)).toBe("provisioning");
    w.provision("a");
    expect(name(d)).toBe("paused");
    d.command({ type: "resume", run: runId, task: "a", usd: null });
    w.start("a");
    w.take("a");
    d.command(pause("a"));
    expect(name(d)).toBe("working");
    w.endRound("a");
    expect(name(d)).toBe("verifying");
    w.snapshot("a");
    d.see("a", {
      saw: "inspected",
      head: { commit: "c", tree: "t" },
      dirty: false,
      related: true,
      onTarget: false,
      outside: [],
      missing: [],
    });
    expect(name(d)).toBe("paused");
    d.command({ type: "resume", run: runId, task: "a", usd: null });
    d.command(pause(null));
    expect(name(d)).toBe("verifying");
    w.gate("a");
    expect(name(d)).toBe("paused");
    expect(runState(d)).toBe("needs_attention");
  });

  it("is paused where a slot is missing for an answer, and queued where a landing goes on", () => {
    const { d, w } = begin();
    w.work("a");
    d.see("a", question);
    d.command(pause("a"));
    d.command({ type: "answer", run: runId, task: "a", ask: null, answer: { is: "allow" } });
    expect(name(d)).toBe("paused");
    const other = begin();
    other.w.prove("a");
    other.d.command(pause("a"));
    expect(name(other.d)).toBe("queued");
    other.w.merge("a", "m");
    expect(runState(other.d)).toBe("running");
  });
});

describe("the reason of a task that is not under way", () => {
  it("is the breaker that it would run into, for as long as that is shut", () => {
    const d = drive();
    const w = walk(d);
    d.command(startOf([...three(), taskSpec("x", { model: "opus" })], { parallel: 1 }));
    w.work("a");
    w.endRound("a", limited);
    expect([view(d).reason, view(d).state]).toEqual(["rate_limit", "parked"]);
    expect([view(d, "b").reason, view(d, "b").state]).toEqual(["rate_limit", "ready"]);
    expect(view(d, "x").reason).toBeNull();
    d.command(pause("b"));
    expect([view(d, "b").reason, view(d, "b").state]).toEqual([null, "paused"]);
    d.now = d.state.breakers.get("key sonnet")?.until ?? 0;
    expect(view(d, "c")).toMatchObject({ state: "ready", reason: null });
  });

  it("is a refused key, also in another run that uses it", () => {
    const d = drive();
    d.capacity = { ...roomy, parallel: 1 };
    d.command(startOf(three()));
    d.command(startOf([taskSpec("a")], { run: "run_b" }));
    d.command(startOf([taskSpec("a")], { run: "run_c", credential: "other" }));
    const w = walk(d);
    w.work("a");
    w.endRound("a", refused);
    const reasonIn = (run: "run_b" | "run_c") =>
      taskView(d.state, d.run(run), d.task("a", run), d.now).reason;
    expect([reasonIn("run_b"), reasonIn("run_c")]).toEqual(["credentials", null]);
    expect(runStateName(d.state, d.run("run_b"))).toBe("needs_attention");
    expect(runStateName(d.state, d.run("run_c"))).toBe("running");
  });

  it("is none where a need is missing", () => {
    const { d, w } = begin();
    w.work("a");
    w.endRound("a", refused);
    expect(view(d, "b")).toMatchObject({ state: "waiting", reason: null });
  });
});

describe("a task that asks", () => {
  it("does so also without a worktree, without a process, and without a signature", () => {
    const trust = begin({ profile: "project" });
    trust.d.see("a", { saw: "untrusted", tree: "tree-1", files: [".mcp.json"] });
    const gone = begin({}, { waitMs: null });
    gone.w.work("a");
    gone.d.see("a", question);
    gone.w.exit("a", "killed");
    const unsigned = begin();
    unsigned.w.prove("a");
    unsigned.w.exit("a");
    unsigned.d.see("b", { saw: "provision_failed", why: "no such branch", retry: false });
    unsigned.d.see("a", { saw: "signing_failed", why: "the key is locked" });
    for (const { d } of [trust, gone, unsigned]) {
      expect(name(d)).toBe("asking");
      expect(view(d)).toMatchObject({ asks: 1, asking: { deadline: null } });
      expect(runState(d)).toBe("needs_attention");
    }
    expect(view(trust.d).asking).toMatchObject({ kind: "trust", tool: null });
    expect(view(gone.d).asking).toMatchObject({ id: "q", kind: "permission" });
    expect(view(unsigned.d).asking).toMatchObject({ kind: "approval" });
  });
});

describe("the word for a run", () => {
  it("is running while something moves, by itself or in time", () => {
    const { d, w } = begin();
    expect(runState(d)).toBe("running");
    w.work("a");
    d.see("a", question);
    expect(runState(d)).toBe("running");
    const parked = begin();
    parked.d.see("a", { saw: "provision_failed", why: "disk", retry: true });
    expect(runState(parked.d)).toBe("running");
  });

  it("needs attention where all that is open waits for a person", () => {
    const asking = begin({}, { waitMs: null });
    asking.w.work("a");
    asking.d.see("a", question);
    expect(runState(asking.d)).toBe("needs_attention");
    const credentials = begin();
    credentials.w.work("a");
    credentials.w.endRound("a", { is: "credentials", detail: "401" });
    expect(runState(credentials.d)).toBe("needs_attention");
    const approval = drive();
    approval.command(startOf([taskSpec("a", { approval: true })]));
    walk(approval).prove("a");
    expect(runState(approval)).toBe("needs_attention");
  });

  it("needs attention where its money is spent", () => {
    const d = drive();
    const w = walk(d);
    d.command(startOf([taskSpec("a"), taskSpec("b")], { parallel: 1, usd: 0.5 }));
    w.work("a");
    w.commit("a");
    expect(runState(d)).toBe("running");
    w.gate("a", false);
    expect([name(d), name(d, "b")]).toEqual(["working", "ready"]);
    expect(runState(d)).toBe("needs_attention");
  });

  it("needs attention where all is parked behind a refused key or ready behind it (F46)", () => {
    const d = drive();
    const w = walk(d);
    d.command(startOf(three(), { parallel: 2 }));
    w.work("a");
    w.endRound("a", refused);
    expect(runState(d)).toBe("running");
    w.provision("b");
    expect([name(d), name(d, "b"), name(d, "c")]).toEqual(["parked", "parked", "ready"]);
    expect(runState(d)).toBe("needs_attention");
    d.command({ type: "resume", run: runId, task: null, usd: null });
    expect(runState(d)).toBe("running");
  });

  it("is running behind a limit, which time ends", () => {
    const d = drive();
    const w = walk(d);
    d.command(startOf(three(), { parallel: 1 }));
    w.work("a");
    w.endRound("a", limited);
    d.command({ type: "stop", run: runId, task: "a" });
    w.exit("a");
    w.snapshot("a");
    expect([name(d, "b"), name(d, "c")]).toEqual(["ready", "ready"]);
    expect(runState(d)).toBe("running");
  });

  it("is running while the queue has what it can land, and where a proved task waits for one that moves", () => {
    const { d, w } = begin();
    w.prove("a");
    w.prove("b");
    expect(d.attempt("b").phase.at).toBe("verified");
    expect(runState(d)).toBe("running");
    d.see("a", { saw: "target_missing", why: "no branch main" });
    expect(runState(d)).toBe("needs_attention");
  });

  it.each([
    ["succeeded", []],
    ["canceled", ["b"]],
    ["failed", ["a", "b"]],
  ])("is %s at the end, by the worst of it", (state, bad) => {
    const d = drive();
    const w = walk(d);
    d.command(startOf([taskSpec("a"), taskSpec("b"), taskSpec("c")]));
    if (bad.includes("b")) w.cancel("b");
    else w.finish("b");
    if (bad.includes("a"))
      d.see("a", { saw: "provision_failed", why: "no such branch", retry: false });
    else w.finish("a");
    w.prove("c");
    w.exit("c");
    w.merge("c", "c");
    expect(runState(d)).toBe("running");
    w.land("c");
    expect(runState(d)).toBe(state);
  });
});

describe("a run as it is printed", () => {
  it("adds up its attempts and rounds to micro-dollars", () => {
    const { d, w } = begin();
    w.work("a");
    d.see("a", { saw: "used", turns: 2, usd: 0.1 + 0.2, offset: 900 });
    d.now += 5_000;
    const shown = runView(d.state, d.run(), d.now);
    expect(shown).toMatchObject({ id: runId, state: "running", costUsd: 0.3, durationMs: 5_000 });
    expect(shown.tasks[0]).toMatchObject({
      id: "a",
      plan: "plan",
      project: "/project",
      target: "main",
      state: "working",
      reason: null,
      attempts: 1,
      runner: "claude-cli",
      branch: "muster/run_a/a",
      worktree: "/worktrees/a",
      head: null,
      landed: null,
      gates: [],
      asking: null,
      asks: 0,
      turns: 2,
      costUsd: 0.3,
      durationMs: 5_000,
    });
    expect(shown.tasks[1]).toMatchObject({
      session: null,
      branch: null,
      worktree: null,
      durationMs: 0,
    });
  });

  it("shows the oldest question and how many there are", () => {
    const { d, w } = begin();
    w.work("a");
    d.see("a", question);
    d.see("a", { ...question, ask: "q2", kind: "question", tool: "AskUserQuestion", offset: 950 });
    expect(view(d)).toMatchObject({
      asks: 2,
      asking: {
        id: "q",
        kind: "permission",
        text: "make?",
        tool: "Bash",
        input: { command: "make" },
        deadline: "1970-01-01T00:31:40.000Z",
      },
    });
    d.command({ type: "answer", run: runId, task: "a", ask: "q", answer: { is: "allow" } });
    expect(view(d).asking).toMatchObject({ id: "q2", deadline: null });
  });

  it("keeps what an attempt left behind after it is retired", () => {
    const { d, w } = begin();
    w.prove("a");
    w.exit("a");
    w.merge("a", "m");
    w.gate("a");
    d.now += 1_000;
    w.land("a");
    w.retire("a");
    expect(view(d)).toMatchObject({
      state: "landed",
      head: "commit-a",
      landed: "commit-m",
      branch: "muster/run_a/a",
      worktree: null,
      durationMs: 1_000,
      gates: [
        { command: "test", exit: 0, commit: "commit-a", on: "head" },
        { command: "test", exit: 0, commit: "commit-m", on: "merge" },
      ],
    });
    d.command(startOf([taskSpec("a")], { run: "run_b" }));
    expect(attemptsView(d.state, d.run()).map(({ id }) => id)).toEqual(["att_a_1", "att_a_2"]);
  });

  it("says why a task is parked, and stands still once it is over", () => {
    const { d } = begin();
    d.see("a", { saw: "provision_failed", why: "disk", retry: true });
    expect(view(d)).toMatchObject({ state: "parked", reason: "backoff" });
    d.command({ type: "stop", run: runId, task: null });
    expect(view(d).state).toBe("canceled");
    const { durationMs } = runView(d.state, d.run(), d.now);
    expect(runView(d.state, d.run(), d.now + 9_000).durationMs).toBe(durationMs);
    expect(runView(d.state, { ...d.run(), endedAt: null }, d.now + 9_000).durationMs).toBe(
      durationMs + 9_000,
    );
  });
});

describe("a budget that a person raised", () => {
  it("holds for the plan of the run as well, and the run goes on", () => {
    const d = drive();
    const w = walk(d);
    d.command({
      ...startOf([taskSpec("a"), taskSpec("b", { needs: [need("a")] })]),
      usd: 1,
      plans: [{ id: "plan", parallel: null, usd: 1 }],
    });
    w.work("a");
    d.see("a", { saw: "round_ended", failure: null, text: "", turns: 1, usd: 2, offset: 900 });
    expect(d.run().plans.get("plan")?.usd).toBe(1);
    d.command({ type: "resume", run: runId, task: null, usd: 20 });
    expect(d.run().plans.get("plan")?.usd).toBe(20);
    expect(runStateName(d.state, d.run())).toBe("running");
  });
});
