import { describe, expect, it } from "vitest";
import { drive, need, runId, startOf, taskSpec } from "../testing/core.ts";
import { walk } from "../testing/walk.ts";
import { due, timesOutAt } from "./due.ts";

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
    w.exit("a");
    expect(d.keys()).toEqual([]);
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
    const question = {
      saw: "asked",
      ask: "q",
      kind: "permission",
      tool: "Bash",
      text: "?",
      input: null,
      rule: null,
      offset: 900,
    } as const;
    d.see("b", question);
    expect(wakeAt(d)).toBe(d.now + 900_000);
    d.see("c", { saw: "provision_failed", why: "disk", retry: true });
    expect(wakeAt(d)).toBe(d.attempt("c").park?.until);
    d.command({ type: "answer", run: runId, task: "b", ask: "q", answer: { is: "allow" } });
    expect(d.attempt("b").asks[0]?.answer).not.toBeNull();
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
