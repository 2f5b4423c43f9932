import { describe, expect, it } from "vitest";
import { drive, need, runId, startOf, taskSpec } from "../testing/core.ts";
import { asked, walk } from "../testing/walk.ts";
import { due, timesOutAt } from "./due.ts";
import type { RoundFailure } from "./inputs.ts";

describe("what is due", () => {
  it("carries what its performer needs: the attempt and the task as the plan says it", () => {
    const d = drive();
    d.command(startOf([taskSpec("a", { model: "opus" })]));
    const [effect] = d.due();
    expect(effect).toMatchObject({
      do: "provision",
      att: "att_a_1",
      spec: { model: "opus" },
      basis: [],
      handovers: [],
      trusted: [],
    });
    expect(effect?.attempt).toBe(d.attempt("a"));
  });

  it("keeps a session followed from its start to its exit, with all that is said to it", () => {
    const d = drive();
    const w = walk(d);
    d.command(startOf([taskSpec("a")]));
    w.provision("a");
    expect(d.keys()).toEqual(["session:att_a_1:1"]);
    w.start("a");
    expect(d.keys()).toEqual(["session:att_a_1:1", expect.stringMatching(/^send:att_a_1:1:/)]);
    w.take("a");
    d.command({ type: "pause", run: runId, task: "a", interrupt: true });
    expect(d.keys()).toEqual(["session:att_a_1:1", "end:att_a_1:1:interrupt"]);
    expect(d.effect("a", "session")?.resume).toBe(false);
    d.see("a", { saw: "session_exited", n: 1, code: 0, signal: null, why: "ended" });
    expect(d.keys()).toEqual(["snapshot:att_a_1:1:0:1:none"]);
    w.snapshot("a");
    expect(d.keys()).toEqual([]);
  });

  it("makes no worktree while a person is asked whether its configuration is trusted", () => {
    const d = drive();
    d.command(startOf([taskSpec("a", { profile: "project" })]));
    expect(d.keys()).toEqual(["provision:att_a_1:1"]);
    d.see("a", { saw: "untrusted", tree: "tree-1", files: [".mcp.json"] });
    expect(d.keys()).toEqual([]);
    d.command({ type: "trust", project: "/project/.git", tree: "tree-1" });
    expect(d.keys()).toEqual(["provision:att_a_1:2"]);
  });

  it("hands over artifacts of needs that are not merged, at the commit they were proved with", () => {
    const d = drive();
    const w = walk(d);
    d.command(
      startOf([
        taskSpec("a", { artifacts: ["docs/a.md"], root: "/other", project: "/other/.git" }),
        taskSpec("b", { project: "/other/.git" }),
        taskSpec("c", {
          needs: [need("a", { merge: false }), need("b", { merge: false })],
        }),
      ]),
    );
    w.prove("a");
    w.prove("b");
    expect(d.effect("c", "provision")).toMatchObject({
      basis: [],
      handovers: [{ key: "a", root: "/other", commit: "commit-a", artifacts: ["docs/a.md"] }],
    });
  });

  it("stands on the commits of the admission, whatever becomes of them meanwhile", () => {
    const d = drive();
    const w = walk(d);
    d.command(startOf([taskSpec("a"), taskSpec("b", { needs: [need("a")] })]));
    w.prove("a");
    d.see("a", { saw: "merge_conflicts", target: "commit-x", paths: ["a.ts"] });
    expect(d.attempt("a").phase.at).toBe("idle");
    expect(d.effect("b", "provision")?.basis).toEqual([{ key: "a", head: "commit-a" }]);
  });

  it("gives the gate that a person accepted for the project", () => {
    const d = drive();
    const w = walk(d);
    const proposed = { gate: ["make test"], gateFrom: "proposed" as const };
    d.command(startOf([taskSpec("a", proposed)], { acceptGates: true }));
    w.work("a");
    w.commit("a");
    expect(d.effect("a", "gate")?.commands).toEqual(["make test"]);
    w.gate("a");
    w.merge("a", "m");
    expect(d.effect("a", "gate")?.commands).toEqual(["make test"]);
  });

  it("retires only what has no process left", () => {
    const d = drive();
    const w = walk(d);
    d.command(startOf([taskSpec("a")]));
    w.prove("a");
    w.merge("a", "a");
    w.land("a");
    expect(d.effect("a", "retire")).toBeUndefined();
    w.exit("a");
    expect(d.effect("a", "retire")).toBeDefined();
  });

  it("does not change while nothing happens", () => {
    const d = drive();
    d.command(startOf([taskSpec("a")]));
    expect(due(d.state, d.now)).toEqual(due(d.state, d.now + 1));
  });
});

describe("a snapshot before the next message", () => {
  const gaveUp: RoundFailure = { is: "agent", detail: "it gave up" };
  const broken = (failure: RoundFailure | "void") =>
    ({ saw: "round_ended", failure, text: "", turns: 1, usd: 0, offset: 900 }) as const;
  const exited = { saw: "session_exited", n: 1, code: 0, signal: null, why: "ended" } as const;
  const snapshots = (d: ReturnType<typeof drive>) =>
    d.keys().filter((key) => key.startsWith("snapshot"));

  function working() {
    const d = drive();
    const w = walk(d);
    d.command(startOf([taskSpec("a")]));
    w.work("a");
    return { d, w };
  }

  it("is due at once under a park and under a pause, with the next ref", () => {
    const parked = working();
    parked.d.see("a", broken(gaveUp));
    expect(parked.d.attempt("a").park?.reason).toBe("backoff");
    expect(parked.d.effect("a", "snapshot")).toMatchObject({
      key: "snapshot:att_a_1:1:1:1:live",
      ref: "refs/muster/attempts/att_a_1/1",
    });
    const paused = working();
    paused.d.command({ type: "pause", run: runId, task: null, interrupt: true });
    paused.d.see("a", broken({ is: "interrupted" }));
    paused.d.see("a", exited);
    expect(snapshots(paused.d)).toEqual(["snapshot:att_a_1:1:1:1:none"]);
    paused.w.snapshot("a");
    expect(paused.d.attempt("a").phase).toEqual({ at: "idle", saved: true });
    expect(paused.d.keys()).toEqual([]);
  });

  it("waits while a process is on its way down", () => {
    const { d } = working();
    d.command({ type: "pause", run: runId, task: "a", interrupt: true });
    d.see("a", broken({ is: "interrupted" }));
    expect(d.attempt("a").phase).toEqual({ at: "idle", saved: false });
    expect(snapshots(d)).toEqual([]);
  });

  it("waits while a process is on its way up", () => {
    const d = drive();
    const w = walk(d);
    d.command(startOf([taskSpec("a")]));
    w.provision("a");
    d.see("a", broken("void"));
    expect(d.attempt("a").process.is).toBe("starting");
    expect(snapshots(d)).toEqual([]);
    d.see("a", { saw: "session_started", n: 1, pid: 100, version: null });
    expect(snapshots(d)).toEqual(["snapshot:att_a_1:1:1:1:live"]);
  });

  it("waits while the disk is full or the credentials are missing", () => {
    const disk = working();
    disk.d.see("a", broken(gaveUp));
    disk.d.see("a", { saw: "snapshot_failed", why: "disk full", disk: true });
    expect(disk.d.attempt("a").park?.reason).toBe("disk");
    expect(snapshots(disk.d)).toEqual([]);
    disk.d.tick(60_000);
    expect(snapshots(disk.d)).toEqual(["snapshot:att_a_1:1:1:1:live"]);
    expect(disk.w.snapshot("a")).toEqual(["snapshot.taken", "round.admitted"]);
    const login = working();
    login.d.see("a", broken({ is: "credentials", detail: "401" }));
    login.d.see("a", exited);
    expect(login.d.keys()).toEqual([]);
    login.d.command({ type: "resume", run: runId, task: "a", usd: null });
    expect(snapshots(login.d)).toEqual(["snapshot:att_a_1:1:1:1:none"]);
    expect(login.w.snapshot("a")).toEqual(["snapshot.taken", "session.planned", "round.admitted"]);
  });

  it("is due also where a question outlived its process and there is nothing to say yet", () => {
    const { d, w } = working();
    d.see("a", asked());
    d.command({ type: "pause", run: runId, task: "a", interrupt: true });
    d.see("a", { ...broken({ is: "interrupted" }), offset: 6_000 });
    d.see("a", exited);
    expect(d.attempt("a").mail).toEqual([]);
    expect(snapshots(d)).toHaveLength(1);
    w.snapshot("a");
    expect(d.keys()).toEqual([]);
  });

  it("is due again after a pause or a park, for a person may have worked there meanwhile", () => {
    const { d, w } = working();
    d.command({ type: "pause", run: runId, task: null, interrupt: true });
    w.exit("a");
    expect(d.keys()).toEqual([]);
    expect(d.command({ type: "resume", run: runId, task: null, usd: null })).toEqual([
      "run.resumed",
    ]);
    expect(snapshots(d)).toEqual(["snapshot:att_a_1:2:0:1:none"]);
    d.command({ type: "pause", run: runId, task: "a", interrupt: false });
    w.snapshot("a");
    expect(d.command({ type: "resume", run: runId, task: "a", usd: null })).toEqual([
      "task.resumed",
    ]);
    expect(snapshots(d)).toEqual(["snapshot:att_a_1:3:0:1:none"]);
    expect(w.snapshot("a")).toEqual(["snapshot.taken", "session.planned", "round.admitted"]);
    const other = working();
    other.d.command(startOf([taskSpec("a")], { run: "run_b" }));
    other.d.command({ type: "pause", run: runId, task: null, interrupt: true });
    other.w.exit("a");
    other.d.command({ type: "resume", run: "run_b", task: null, usd: null });
    expect(other.d.attempt("a").phase).toEqual({ at: "idle", saved: true });
    other.d.command({ type: "pause", run: "run_b", task: null, interrupt: false });
    other.d.command({ type: "resume", run: "run_b", task: null, usd: null });
    expect(other.d.attempt("a").phase).toEqual({ at: "idle", saved: true });
    const parked = working();
    parked.w.endRound("a", gaveUp);
    expect(parked.d.attempt("a").phase).toEqual({ at: "idle", saved: true });
    expect(parked.d.tick(60_000)).toEqual(["attempt.unparked"]);
    expect(snapshots(parked.d)).toEqual(["snapshot:att_a_1:2:1:1:live"]);
    expect(parked.w.snapshot("a")).toEqual(["snapshot.taken", "round.admitted"]);
  });

  it("is no business of a pause that ends before or behind a round", () => {
    const d = drive();
    const w = walk(d);
    d.command(startOf([taskSpec("a"), taskSpec("b")]));
    w.work("b");
    d.command({ type: "pause", run: runId, task: null, interrupt: false });
    d.command({ type: "resume", run: runId, task: null, usd: null });
    expect(d.attempt("a").phase.at).toBe("provisioning");
    expect(d.attempt("b").phase.at).toBe("working");
    d.command(startOf([taskSpec("c")], { run: "run_b", parallel: 1 }));
    d.command({ type: "pause", run: "run_b", task: "c", interrupt: false });
    expect(d.command({ type: "resume", run: "run_b", task: "c", usd: null })).toEqual([
      "task.resumed",
    ]);
  });

  it("is not taken twice right behind a round's own", () => {
    const { d, w } = working();
    d.command({ type: "tell", run: runId, task: "a", text: "one more thing" });
    w.endRound("a");
    w.snapshot("a");
    expect(d.attempt("a").phase.at).toBe("working");
    // Before the word, and at the round's end.
    expect(d.attempt("a").snapshots).toBe(2);
  });
});

describe("the time to wake", () => {
  const wakeAt = (d: ReturnType<typeof drive>) => due(d.state, d.now).wakeAt;

  it("is never where nothing waits for time", () => {
    const d = drive();
    expect(wakeAt(d)).toBeNull();
    d.command(startOf([taskSpec("a")]));
    expect(wakeAt(d)).toBeNull();
  });

  it("is the first of a park's end, a deadline, and the end of an attempt's minutes", () => {
    const d = drive();
    const w = walk(d);
    d.command(startOf([taskSpec("a"), taskSpec("b"), taskSpec("c")]));
    w.work("a");
    expect(wakeAt(d)).toBe(d.now + 45 * 60_000);
    w.work("b");
    d.see("b", asked());
    expect(wakeAt(d)).toBe(d.now + 900_000);
    d.see("c", { saw: "provision_failed", why: "disk", retry: true });
    expect(wakeAt(d)).toBe(d.attempt("c").park?.until);
    d.command({ type: "answer", run: runId, task: "b", ask: "q", answer: { is: "allow" } });
    expect(d.attempt("b").asks[0]?.answer).not.toBeNull();
  });

  it("is also the end of a breaker that nothing is parked behind, as long as that is to come", () => {
    const d = drive();
    const w = walk(d);
    d.command(startOf([taskSpec("a"), taskSpec("b")], { parallel: 1 }));
    w.work("a");
    w.endRound("a", {
      is: "unavailable",
      reason: "outage",
      status: 529,
      retryAt: null,
      detail: "529",
    });
    d.command({ type: "stop", run: runId, task: "a" });
    const until = d.state.breakers.get("key sonnet")?.until ?? 0;
    expect([d.task("b").state.is, wakeAt(d)]).toEqual(["pending", until]);
    expect(due(d.state, until).wakeAt).toBeNull();
  });

  it("is now where it is over", () => {
    const d = drive();
    d.command(startOf([taskSpec("a")]));
    d.see("a", { saw: "provision_failed", why: "disk", retry: true });
    expect(due(d.state, d.now + 999_999).wakeAt).toBe(d.now + 999_999);
  });

  it("does not count minutes of what has no round in flight", () => {
    const d = drive();
    d.command(startOf([taskSpec("a")]));
    expect(timesOutAt(d.state, d.attempt("a"))).toBe(Number.POSITIVE_INFINITY);
  });
});
