import { describe, expect, it } from "vitest";
import { drive, need, runId, startOf, taskSpec } from "../../testing/core.ts";
import { walk, worktree } from "../../testing/walk.ts";
import type { Observation } from "../inputs.ts";
import { decide } from "./decide.ts";

const seed = "00000000-0000-4000-a000-000000000000";

function admitted(tasks = [taskSpec("a")]) {
  const d = drive();
  d.command(startOf(tasks));
  return { d, w: walk(d) };
}

describe("a worktree", () => {
  it("that is made lets the session start with the prompt", () => {
    const { d, w } = admitted();
    expect(w.provision("a")).toEqual(["attempt.provisioned", "session.planned", "round.admitted"]);
    expect(d.attempt("a")).toMatchObject({
      branch: "muster/run_a/a",
      worktree: { base: "commit-base" },
    });
    expect(d.effect("a", "session")).toMatchObject({ n: 1, resume: false });
    expect(w.start("a")).toEqual(["session.started"]);
    expect(d.effect("a", "send")?.message.kind).toBe("prompt");
  });

  it("that can't be made now is tried three times", () => {
    const { d } = admitted();
    for (let i = 1; i <= 2; i++) {
      d.see("a", { saw: "provision_failed", why: "disk", retry: true });
      d.tick(60_000);
      expect(d.effect("a", "provision")?.key).toBe(`provision:att_a_1:${i + 1}`);
    }
    d.see("a", { saw: "provision_failed", why: "disk", retry: true });
    expect(d.task("a").state).toMatchObject({ is: "failed", reason: "provision_failed" });
  });

  it("whose needs conflict waits until they have landed, and fails where they still do", () => {
    const { d, w } = admitted([
      taskSpec("a"),
      taskSpec("b"),
      taskSpec("c", { needs: [need("a"), need("b")] }),
    ]);
    w.prove("a");
    w.prove("b");
    const conflicts = { saw: "provision_conflicts", paths: ["x.ts"] } as const;
    expect(d.see("c", conflicts)).toEqual(["attempt.ended", "task.deferred", "attempt.retired"]);
    expect(d.task("c")).toMatchObject({ state: { is: "pending" }, waitsForLanding: true });
    for (const key of ["a", "b"]) {
      w.merge(key, key);
      w.land(key);
    }
    expect(d.effect("c", "provision")?.basis).toHaveLength(2);
    d.see("c", conflicts);
    expect(d.task("c").state).toMatchObject({
      is: "failed",
      reason: "conflict",
      detail: "what it needs conflicts in x.ts",
    });
  });

  it("that is made but not ready is kept in mind, and not worked in", () => {
    const { d, w } = admitted();
    const made = worktree("a");
    d.see("a", { saw: "provision_failed", why: "setup exited 1", retry: true, worktree: made });
    expect(d.attempt("a")).toMatchObject({
      worktree: made,
      branch: made.branch,
      phase: { try: 2 },
    });
    d.tick(60_000);
    expect(d.keys()).toEqual(["provision:att_a_1:2"]);
    d.see("a", { saw: "provision_failed", why: "setup exited 1", retry: false, worktree: made });
    expect(d.attempt("a").phase.at).toBe("ending");
    w.snapshot("a");
    expect(d.task("a").state).toMatchObject({
      reason: "provision_failed",
      detail: "setup exited 1",
    });
  });

  it("reported late or twice changes nothing", () => {
    const { d, w } = admitted();
    const key = d.effect("a", "provision")?.key;
    w.provision("a");
    expect(d.see("a", { saw: "provisioned", worktree: worktree("other") }, key)).toEqual([]);
    expect(d.see("a", { saw: "provision_failed", why: "disk", retry: true }, key)).toEqual([]);
  });
});

describe("a snapshot", () => {
  it("that can't be taken is tried again", () => {
    const { d, w } = admitted();
    w.work("a");
    w.endRound("a");
    d.see("a", { saw: "snapshot_failed", why: "disk full" });
    expect(d.attempt("a").park).toMatchObject({ reason: "disk", detail: "disk full" });
    expect(d.effect("a", "snapshot")).toBeUndefined();
    d.tick(60_000);
    expect(d.effect("a", "snapshot")?.key).toBe("snapshot:att_a_1:1:1");
    expect(
      d.see("a", { saw: "snapshot_failed", why: "disk full" }, "snapshot:att_a_1:9:1"),
    ).toEqual([]);
  });

  it("is counted once", () => {
    const { d, w } = admitted();
    w.work("a");
    w.endRound("a");
    const { key, ref } = d.effect("a", "snapshot") ?? { key: "", ref: "" };
    w.snapshot("a");
    expect(d.see("a", { saw: "snapshot", ref, commit: "x", left: 0 }, key)).toEqual([]);
    expect(d.attempt("a").snapshots).toBe(1);
  });

  it("from before the end does not stand for the one at the end", () => {
    const { d, w } = admitted();
    w.work("a");
    w.endRound("a");
    const { key, ref } = d.effect("a", "snapshot") ?? { key: "", ref: "" };
    d.command({ type: "stop", run: runId, task: "a" });
    expect(d.see("a", { saw: "snapshot", ref, commit: "x", left: 0 }, key)).toEqual([
      "snapshot.taken",
    ]);
    w.exit("a");
    expect(d.effect("a", "snapshot")?.key).toBe("snapshot:att_a_1:2:last");
    w.snapshot("a");
    expect(d.task("a").state.is).toBe("canceled");
  });
});

describe("missing credentials", () => {
  const missing = { saw: "needs_credentials", why: "the restart lost them" } as const;

  it("hold an attempt up until a person resumes", () => {
    const { d } = admitted();
    d.see("a", missing, d.effect("a", "provision")?.key);
    expect(d.attempt("a").park).toEqual({
      reason: "credentials",
      detail: missing.why,
      until: null,
    });
    d.command({ type: "resume", run: runId, task: "a", usd: null });
    expect(d.effect("a", "provision")).toBeDefined();
  });

  it("in a gate give its slot back, and in a landing leave it to be found out", () => {
    const { d, w } = admitted();
    w.work("a");
    w.commit("a");
    d.see("a", missing, d.effect("a", "gate")?.key);
    expect(d.attempt("a").phase).toMatchObject({ at: "verifying", admitted: false });
    d.command({ type: "resume", run: runId, task: "a", usd: null });
    w.gate("a");
    w.merge("a", "a");
    d.see("a", missing, d.effect("a", "land")?.key);
    expect(d.attempt("a").phase).toMatchObject({ at: "queued", step: { is: "landing" } });
    expect(d.see("a", missing, "land:att_a_1:commit-a:1")).toEqual([]);
  });

  it("at the very end leave the worktree where it is", () => {
    const { d, w } = admitted();
    w.prove("a");
    w.exit("a");
    w.merge("a", "a");
    w.land("a");
    expect(d.see("a", missing, d.effect("a", "retire")?.key)).toEqual([
      "attempt.kept",
      "run.settled",
    ]);
  });
});

describe("the end of a worktree", () => {
  it("is retired, or kept with the reason", () => {
    const { d, w } = admitted([taskSpec("a"), taskSpec("b"), taskSpec("c")]);
    w.cancel("a");
    w.cancel("b");
    expect(d.effect("a", "retire")).toMatchObject({
      key: "retire:att_a_1",
      outcome: { is: "canceled" },
    });
    d.see("a", { saw: "retired", ref: null });
    d.see("b", { saw: "kept", why: "a large file" });
    expect(d.run().past.get("att_a_1")).toMatchObject({ worktree: null, kept: null });
    expect(d.run().past.get("att_a_2")).toMatchObject({ kept: "a large file" });
    expect(d.see("c", { saw: "retired", ref: null }, "retire:att_a_3")).toEqual([]);
    expect(d.see("c", { saw: "kept", why: "x" }, "retire:att_a_3")).toEqual([]);
  });

  it("makes what is said of the attempt later no news", () => {
    const { d, w } = admitted();
    w.cancel("a");
    w.retire("a");
    const late: Observation = { att: "att_a_1", key: "retire:att_a_1", saw: "retired", ref: null };
    expect(decide(d.state, { is: "observation", observation: late, seed }, d.now)).toEqual([]);
  });
});

describe("a session", () => {
  it("that comes up for an attempt on its way out is ended", () => {
    const { d, w } = admitted();
    w.provision("a");
    d.command({ type: "stop", run: runId, task: "a" });
    expect(d.effect("a", "end_session")).toBeUndefined();
    expect(w.start("a")).toEqual(["session.started", "session.end_requested"]);
    expect(w.start("a")).toEqual([]);
    w.exit("a");
    expect(d.effect("a", "snapshot")).toBeDefined();
  });

  it("takes a message once", () => {
    const { d, w } = admitted();
    w.work("a");
    const uuid = d.attempt("a").mail[0]?.uuid ?? "";
    expect(d.see("a", { saw: "message_taken", uuid, offset: 200 })).toEqual([]);
    expect(d.see("a", { saw: "message_taken", uuid: "unknown", offset: 300 })).toEqual([]);
    expect(d.effect("a", "send")).toBeUndefined();
  });

  it("is not confused with an earlier start of it", () => {
    const { d, w } = admitted();
    w.work("a");
    const uuid = d.attempt("a").mail[0]?.uuid ?? "";
    w.exit("a", "killed");
    d.tick(60_000);
    w.start("a");
    expect(d.see("a", { saw: "message_taken", uuid, offset: 900 }, "session:att_a_1:1")).toEqual(
      [],
    );
    expect(d.see("a", { saw: "message_taken", uuid, offset: 900 }, "send:att_a_1:2:x")).toEqual([
      "message.taken",
    ]);
    expect(d.see("a", { saw: "used", turns: 1, usd: 0, offset: 950 }, "gate:att_a_1:2:1")).toEqual(
      [],
    );
  });
});

it("time never goes back in what is decided", () => {
  const { d, w } = admitted();
  d.now -= 500_000;
  w.provision("a");
  expect(d.attempt("a").phase).toEqual({ at: "working", since: 1_000_000 });
  expect(d.state.now).toBe(1_000_000);
});
