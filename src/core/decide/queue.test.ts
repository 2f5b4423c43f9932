import { describe, expect, it } from "vitest";
import { type Drive, drive, runId, startOf, taskSpec } from "../../testing/core.ts";
import { type Walk, evidence, head, walk } from "../../testing/walk.ts";
import type { TaskSpec } from "../plan.ts";

/** A task `a` that is proved and whose merge is due. */
function queued(over: Partial<TaskSpec> = {}): { d: Drive; w: Walk } {
  const d = drive();
  const w = walk(d);
  d.command(startOf([taskSpec("a", over)]));
  w.prove("a");
  w.exit("a");
  return { d, w };
}

describe("a merge", () => {
  it("to a tree that passed the same commands is not gated again, and its evidence is named", () => {
    const { d, w } = queued();
    const types = d.see("a", {
      saw: "merged",
      merge: { target: "commit-x", commit: "commit-m", tree: "tree-a" },
    });
    expect(types).toEqual(["merge.made", "gate.passed", "merge.verified"]);
    expect(d.attempt("a").gates.at(-1)).toMatchObject({
      commit: "commit-m",
      on: "merge",
      reusedFrom: "commit-a",
    });
    expect(d.effect("a", "land")).toMatchObject({
      key: "land:att_a_1:commit-m:1",
      head: head("a"),
      merge: { target: "commit-x" },
    });
    w.land("a");
    expect(d.task("a").state).toEqual({ is: "landed", commit: "commit-m", head: "commit-a" });
  });

  it("to a new tree is gated as it would land", () => {
    const { d, w } = queued();
    w.merge("a", "m");
    expect(d.effect("a", "gate")).toMatchObject({
      key: "gate:att_a_1:commit-m:1",
      on: "merge",
      head: head("m"),
    });
    expect(w.gate("a")).toEqual(["gate.passed", "merge.verified"]);
  });

  it("whose gate is red goes back to the session", () => {
    const { d, w } = queued();
    w.merge("a", "m");
    w.gate("a", false);
    expect(d.attempt("a").mail[0]?.text).toContain("merged with the target as it would land");
    expect(d.attempt("a").phase.at).toBe("working");
    expect(d.attempt("a").process).toMatchObject({ is: "starting", n: 2, resume: true });
  });

  it("whose gate can't be run leaves the lane to others and is made anew", () => {
    const { d, w } = queued();
    w.merge("a", "m");
    d.see("a", { saw: "gate_broken", commit: "commit-m", why: "setup failed" });
    expect(d.attempt("a").phase).toMatchObject({ at: "queued", step: { is: "waiting" } });
    d.tick(60_000);
    expect(d.effect("a", "merge")).toBeDefined();
  });

  it("that conflicts goes to the session once, then to a person", () => {
    const { d, w } = queued();
    const conflict = {
      saw: "merge_conflicts",
      target: "commit-x",
      paths: ["a.ts", "b.ts"],
    } as const;
    d.see("a", conflict);
    expect(d.attempt("a").mail[0]).toMatchObject({ kind: "conflict" });
    expect(d.attempt("a").mail[0]?.text).toContain("- b.ts");
    w.start("a");
    w.take("a");
    w.commit("a", "b");
    w.gate("a");
    w.exit("a");
    d.see("a", conflict);
    expect(d.attempt("a").asks[0]).toMatchObject({
      kind: "conflict",
      text: "conflicts with main in a.ts, b.ts",
    });
    expect(d.attempt("a").phase.at).toBe("idle");
  });

  it("into a target that is not there asks a person (F35)", () => {
    const { d } = queued();
    d.see("a", { saw: "target_missing", why: "no branch main" });
    expect(d.attempt("a").asks[0]).toMatchObject({ kind: "conflict", text: "no branch main" });
  });

  it("that there is no space for asks nobody, and is made once there is some", () => {
    const { d } = queued();
    d.see("a", { saw: "target_missing", why: "no space", disk: true });
    expect(d.attempt("a")).toMatchObject({ asks: [], park: { reason: "disk" } });
    d.tick(60_000);
    expect(d.effect("a", "merge")).toBeDefined();
  });

  it("that can't be signed asks a person, its proof kept and its lane given on", () => {
    const { d, w } = queued();
    const key = d.effect("a", "merge")?.key;
    const failed = { saw: "signing_failed", why: "the key is locked" } as const;
    expect(d.see("a", failed)).toEqual(["merge.unsigned", "ask.opened"]);
    expect(d.attempt("a").phase).toEqual({ at: "verified", head: head("a"), approved: true });
    expect(d.attempt("a").asks).toMatchObject([
      {
        kind: "approval",
        text: "the landing can't be signed: the key is locked; approve lands it unsigned, resume tries again",
        commit: "commit-a",
        deadlineAt: null,
      },
    ]);
    expect(d.keys().filter((one) => one.startsWith("merge"))).toEqual([]);
    expect(d.see("a", failed, key)).toEqual([]);
    expect(w.exit("a")).toEqual([]);
  });

  it("that can't be signed keeps no other task from landing", () => {
    const d = drive();
    const w = walk(d);
    d.command(startOf([taskSpec("a"), taskSpec("b")]));
    w.prove("a");
    w.prove("b");
    expect(d.effect("b", "merge")).toBeUndefined();
    d.see("a", { saw: "signing_failed", why: "the key is locked" });
    expect(d.effect("b", "merge")).toBeDefined();
    d.command({ type: "approve", run: runId, task: "a", gate: false });
    expect(d.effect("a", "merge")).toBeUndefined();
    w.merge("b", "b");
    w.land("b");
    expect(d.effect("a", "merge")).toMatchObject({ unsigned: true });
  });

  it("that was asked for earlier moves nothing now", () => {
    const { d, w } = queued();
    const key = d.effect("a", "merge")?.key;
    w.merge("a", "m");
    expect(d.see("a", { saw: "merged", merge: { target: "t", ...head("x") } }, key)).toEqual([]);
    expect(d.see("a", { saw: "target_missing", why: "no branch" }, key)).toEqual([]);
    expect(d.see("a", { saw: "signing_failed", why: "no key" }, key)).toEqual([]);
    expect(d.attempt("a").phase).toMatchObject({ step: { is: "gating", merge: head("m") } });
  });
});

describe("a landing", () => {
  const landing = () => {
    const made = queued();
    made.w.merge("a", "a", "commit-base");
    return made;
  };

  it("that finds the target moved is merged anew (F35)", () => {
    const { d, w } = landing();
    const key = d.effect("a", "land")?.key;
    expect(d.see("a", { saw: "target_moved", expected: "commit-base", now: "commit-x" })).toEqual([
      "target.moved",
      "landing.started",
    ]);
    expect(d.effect("a", "merge")?.key).toBe("merge:att_a_1:commit-a:2");
    w.merge("a", "a", "commit-x");
    expect(
      d.see("a", { saw: "target_moved", expected: "commit-base", now: "commit-x" }, key),
    ).toEqual([]);
    expect(d.effect("a", "land")).toBeDefined();
  });

  it("that finds a checkout in the way looks again a little later", () => {
    const { d, w } = landing();
    d.see("a", { saw: "checkout_in_the_way", detail: "a.ts is changed" });
    const { park } = d.attempt("a");
    expect(park).toMatchObject({ reason: "checkout", detail: "a.ts is changed" });
    expect((park?.until ?? 0) - d.now).toBeGreaterThanOrEqual(15_000);
    expect(d.effect("a", "land")).toBeUndefined();
    d.tick(20_000);
    expect(d.effect("a", "land")?.key).toBe("land:att_a_1:commit-a:2");
    w.land("a");
    expect(d.task("a").state.is).toBe("landed");
  });

  it("in a lane that another took meanwhile still counts when it is reported", () => {
    const { d } = landing();
    const key = d.effect("a", "land")?.key ?? "";
    d.see("a", { saw: "checkout_in_the_way", detail: "a.ts is changed" });
    d.see("a", { saw: "landed", commit: "commit-a", followed: "/project" }, key);
    expect(d.task("a").state.is).toBe("landed");
    expect(d.see("a", { saw: "landed", commit: "commit-a", followed: null }, key)).toEqual([]);
  });

  it("without a gate that a person approved needs none on the merge", () => {
    const d = drive();
    const w = walk(d);
    d.command(startOf([taskSpec("a", { gate: null, gateFrom: "missing" })]));
    w.work("a");
    w.commit("a");
    expect(d.attempt("a").phase.at).toBe("verified");
    d.command({ type: "approve", run: runId, task: "a", gate: false });
    expect(w.merge("a", "m")).toEqual(["merge.made", "merge.verified"]);
  });

  it("keeps one piece of evidence for a command on a commit", () => {
    const { d, w } = queued();
    w.merge("a", "m");
    w.gate("a");
    const seen = {
      saw: "gated",
      head: head("m"),
      evidence: [evidence(head("m"), { on: "merge" })],
      passed: true,
    } as const;
    d.see("a", seen, "gate:att_a_1:commit-m:1");
    expect(d.attempt("a").gates).toHaveLength(2);
  });
});
