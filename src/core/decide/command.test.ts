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
const retry = (task: string | null, settled: Run | null = null): Command => ({
  type: "retry",
  run: runId,
  task,
  settled,
});
const stop = (task: string | null, run = runId): Command => ({ type: "stop", run, task });
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

  it("ends at once what waits for a person before its worktree is made", () => {
    const { d } = with1({ profile: "project" }, "admitted");
    d.see("a", { saw: "untrusted", tree: "tree-1", files: [".mcp.json"] });
    expect(d.command(stop(null))).toEqual(["attempt.ending", "attempt.ended", "task.canceled"]);
    expect(d.attempt("a").asks).toEqual([]);
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
    expect(() => d.command(stop(null, "run_x"))).toThrow(refused("no open run run_x", "not_found"));
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
    w.save("a");
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
    expect(types.slice(0, 4)).toEqual([
      "breaker.closed",
      "attempt.unparked",
      "run.attended",
      "task.resumed",
    ]);
  });

  it("tries a landing again that could not be signed, its commit approved as it was", () => {
    const { d, w } = with1({}, "proved");
    w.exit("a");
    d.see("a", { saw: "signing_failed", why: "the key is locked" });
    expect(d.attempt("a").asks).toHaveLength(1);
    expect(d.command(resume)).toEqual(["ask.closed", "queue.entered", "landing.started"]);
    expect(d.effect("a", "merge")).toMatchObject({
      key: "merge:att_a_1:commit-a:1",
      unsigned: false,
    });
  });

  it("answers no question that is a person's to answer", () => {
    const { d } = with1({ approval: true }, "proved");
    expect(d.command(resume)).toEqual([]);
    expect(d.attempt("a").asks).toMatchObject([{ kind: "approval" }]);
    const other = with1({ profile: "project" }, "admitted");
    other.d.see("a", { saw: "untrusted", tree: "tree-1", files: [".mcp.json"] });
    expect(other.d.command(resume)).toEqual([]);
    expect(other.d.attempt("a").asks).toMatchObject([{ kind: "trust" }]);
  });

  it("of a landing that asks for nothing changes nothing", () => {
    const { d } = with1({ approval: true }, "proved");
    d.command(approve("a"));
    expect(d.command({ ...resume, task: "a" })).toEqual([]);
    expect(d.effect("a", "merge")).toBeDefined();
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

it("a command that is refused changes nothing", () => {
  const { d } = with1();
  const before = d.state;
  expect(() => d.command(approve("a"))).toThrow();
  expect(d.state).toBe(before);
  expect(d.capacity).toBe(roomy);
});
