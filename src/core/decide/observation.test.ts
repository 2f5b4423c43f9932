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

  it("that there is no space for waits for it, however often", () => {
    const { d, w } = admitted();
    for (let i = 1; i <= 5; i++) {
      d.see("a", { saw: "provision_failed", why: "no space", retry: i < 3, disk: true });
      expect(d.attempt("a").park?.reason).toBe("disk");
      d.tick(60_000);
      expect(d.effect("a", "provision")?.key).toBe(`provision:att_a_1:${i + 1}`);
    }
    // And none of it counts against what else may go wrong.
    d.see("a", { saw: "provision_failed", why: "a lock", retry: true });
    expect(d.attempt("a").park?.reason).toBe("backoff");
    d.tick(60_000);
    expect(w.provision("a")).toContain("attempt.provisioned");
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

describe("a project's own configuration that nobody trusts yet", () => {
  const untrusted = (files = [".mcp.json"], tree = "tree-1") =>
    ({ saw: "untrusted", tree, files }) as const;

  it("is asked about once, and its slot is given on", () => {
    const d = drive();
    d.command(startOf([taskSpec("a", { profile: "project" }), taskSpec("b")], { parallel: 1 }));
    const key = d.effect("a", "provision")?.key;
    expect(d.see("a", untrusted())).toEqual(["ask.opened", "attempt.admitted", "message.queued"]);
    expect(d.attempt("a").asks).toMatchObject([
      {
        kind: "trust",
        text: "trust /project's own Claude configuration (.mcp.json)? Its hooks and servers run as you; look at it with muster trust",
        tool: null,
        rule: "tree-1",
        deadlineAt: null,
        answer: null,
      },
    ]);
    expect(d.attempt("a")).toMatchObject({ phase: { at: "provisioning", try: 2 }, slot: false });
    expect(d.task("b").state.is).toBe("active");
    expect(d.see("a", untrusted(), key)).toEqual([]);
    expect(d.see("a", untrusted([".claude/settings.json"], "tree-2"))).toEqual([]);
    expect(d.tick(24 * 60 * 60_000)).toEqual([]);
    expect(d.attempt("a").asks).toHaveLength(1);
  });

  it("is named by three files at most", () => {
    const { d } = admitted();
    d.see("a", untrusted(["a", "b", "c"]));
    expect(d.attempt("a").asks[0]?.text).toContain("(a, b, c)?");
    const many = admitted();
    many.d.see("a", untrusted(["a", "b", "c", "d", "e"]));
    expect(many.d.attempt("a").asks[0]?.text).toContain("(a, b, c and 2 more)?");
  });

  it("that changes after it was trusted is asked about again", () => {
    const { d } = admitted();
    d.see("a", untrusted());
    d.command({ type: "approve", run: runId, task: "a", gate: false });
    expect(d.see("a", untrusted([".mcp.json"], "tree-2"))).toEqual(["ask.opened"]);
    expect(d.attempt("a").asks).toMatchObject([{ rule: "tree-2" }]);
  });

  it("of a task that was stopped meanwhile is asked about nobody", () => {
    const { d } = admitted();
    d.command({ type: "stop", run: runId, task: "a" });
    expect(d.see("a", untrusted())).toEqual(["attempt.ending", "attempt.ended", "task.canceled"]);
  });
});

describe("a snapshot", () => {
  it("that can't be taken is tried again (F12)", () => {
    const { d, w } = admitted();
    w.work("a");
    w.endRound("a");
    d.see("a", { saw: "snapshot_failed", why: "disk full", disk: true });
    expect(d.attempt("a").park).toMatchObject({ reason: "disk", detail: "disk full" });
    expect(d.effect("a", "snapshot")).toBeUndefined();
    d.tick(60_000);
    expect(d.effect("a", "snapshot")?.key).toBe("snapshot:att_a_1:1:1");
    expect(
      d.see("a", { saw: "snapshot_failed", why: "disk full", disk: true }, "snapshot:att_a_1:9:1"),
    ).toEqual([]);
  });

  it("that fails for anything but space is tried a few times, and then its words are the task's", () => {
    const { d, w } = admitted();
    w.work("a");
    w.endRound("a");
    const why = "a busy machine";
    const { now } = d;
    for (let tries = 0; tries < 6; tries++) {
      d.see("a", { saw: "snapshot_failed", why });
      expect(d.attempt("a").park).toMatchObject({ reason: "backoff", detail: why });
      d.tick((d.attempt("a").park?.until ?? 0) - d.now);
      expect(d.effect("a", "snapshot")).toBeDefined();
    }
    expect(d.now - now).toBeGreaterThan(120_000);
    expect(d.see("a", { saw: "snapshot_failed", why })).toContain("attempt.ending");
    expect(d.attempt("a").phase).toMatchObject({
      at: "ending",
      outcome: { is: "failed", reason: "agent_error", detail: why },
    });
  });

  it("that a lock keeps away, or that fails while a person has the task paused, is tried until it can be taken", () => {
    const { d, w } = admitted();
    w.work("a");
    w.endRound("a");
    const why = "refs/muster/attempts/att_a_1/1.lock is in the way: git (process 5) works there";
    const tryAgain = (more: { readonly locked?: true }): void => {
      for (let tries = 0; tries < 10; tries++) {
        d.see("a", { saw: "snapshot_failed", why, ...more });
        expect(d.attempt("a").park).toMatchObject({ reason: "backoff", detail: why });
        d.tick((d.attempt("a").park?.until ?? 0) - d.now);
        expect(d.effect("a", "snapshot")).toBeDefined();
      }
    };
    tryAgain({ locked: true });
    d.command({ type: "pause", run: runId, task: "a", interrupt: false });
    tryAgain({});
    d.command({ type: "resume", run: runId, task: "a", usd: null });
    expect(w.snapshot("a")).toContain("snapshot.taken");
    expect(d.attempt("a")).toMatchObject({ unread: 0, recoveries: 0 });
  });

  it("that failed a few times takes no try away from what comes after it", () => {
    const { d, w } = admitted();
    w.work("a");
    w.endRound("a");
    for (let tries = 0; tries < 5; tries++) {
      d.see("a", { saw: "snapshot_failed", why: "a busy machine" });
      d.tick((d.attempt("a").park?.until ?? 0) - d.now);
    }
    w.snapshot("a");
    for (let tries = 0; tries < 3; tries++) {
      d.see("a", { saw: "inspect_failed", why: "a busy machine" });
      expect(d.attempt("a").phase.at).toBe("settling");
      d.tick((d.attempt("a").park?.until ?? 0) - d.now);
    }
    expect(d.attempt("a").recoveries).toBe(0);
  });

  it("that fails between rounds is due again once the wait for it is over, and not before", () => {
    const { d, w } = admitted();
    w.work("a");
    d.see("a", { saw: "session_exited", n: 1, code: 1, signal: null, why: "crashed" });
    expect(d.attempt("a")).toMatchObject({ phase: { at: "idle" }, park: { reason: "backoff" } });
    expect(d.effect("a", "snapshot")).toBeDefined();
    d.see("a", { saw: "snapshot_failed", why: "a lock is in the way" });
    expect(d.attempt("a").park).toMatchObject({ reason: "backoff", unsaved: true });
    expect(d.effect("a", "snapshot")).toBeUndefined();
    d.tick((d.attempt("a").park?.until ?? 0) - d.now);
    expect(d.effect("a", "snapshot")).toBeDefined();
  });

  it("that can't be taken before a message never ends an earlier park sooner", () => {
    const { d, w } = admitted();
    w.work("a");
    const retryAt = d.now + 3_600_000;
    d.see("a", {
      saw: "round_ended",
      failure: { is: "unavailable", reason: "rate_limit", status: 429, retryAt, detail: "limit" },
      text: "",
      turns: 1,
      usd: 0,
      offset: 900,
    });
    const until = d.attempt("a").park?.until ?? 0;
    d.see("a", { saw: "snapshot_failed", why: "disk full", disk: true });
    expect(d.attempt("a").park).toMatchObject({ reason: "disk", detail: "disk full" });
    expect(d.attempt("a").park?.until).toBeGreaterThanOrEqual(until);
    const crashed = admitted();
    crashed.w.work("a");
    crashed.d.command({ type: "pause", run: runId, task: "a", interrupt: true });
    crashed.d.see("a", { saw: "session_exited", n: 1, code: 0, signal: null, why: "ended" });
    crashed.d.see("a", { saw: "snapshot_failed", why: "disk full", disk: true });
    const wait = (crashed.d.attempt("a").park?.until ?? 0) - crashed.d.now;
    expect(wait).toBeGreaterThanOrEqual(10_000);
    expect(wait).toBeLessThanOrEqual(12_500);
  });

  it("at the end that can't be taken does not keep the end waiting", () => {
    const { d, w } = admitted();
    w.work("a");
    d.command({ type: "stop", run: runId, task: "a" });
    w.exit("a");
    expect(d.see("a", { saw: "snapshot_failed", why: "disk full", disk: true })).toEqual([
      "attempt.ended",
      "task.canceled",
    ]);
  });

  it("begun before a process ended counts, and another one is due before the next message", () => {
    const { d, w } = admitted();
    w.work("a");
    w.commit("a");
    d.command({ type: "tell", run: runId, task: "a", text: "mind the docs" });
    const { key, ref } = d.effect("a", "snapshot") ?? { key: "", ref: "" };
    expect(key).toBe("snapshot:att_a_1:2:1:1:live");
    d.see("a", { saw: "session_exited", n: 1, code: 0, signal: null, why: "ended" });
    expect(d.see("a", { saw: "snapshot", ref, commit: "x", left: 0 }, key)).toEqual([
      "snapshot.taken",
    ]);
    expect(d.events.at(-1)).toMatchObject({ type: "snapshot.taken", late: true });
    expect(d.attempt("a").phase).toEqual({ at: "idle", saved: false });
    expect(d.effect("a", "snapshot")).toMatchObject({
      key: "snapshot:att_a_1:3:1:1:none",
      ref: "refs/muster/attempts/att_a_1/3",
    });
    expect(w.snapshot("a")).toEqual(["snapshot.taken", "session.planned", "round.admitted"]);
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
