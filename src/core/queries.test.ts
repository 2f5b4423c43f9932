import { describe, expect, it } from "vitest";
import { drive, need, startOf, taskSpec } from "../testing/core.ts";
import { walk } from "../testing/walk.ts";
import { address, isLastOf, latestAttempt, needState, specOf, verifiedHead } from "./queries.ts";

describe("a need", () => {
  it("that waits for the target is open until it has landed", () => {
    const d = drive();
    const w = walk(d);
    d.command(startOf([taskSpec("a"), taskSpec("b", { needs: [need("a", { when: "landed" })] })]));
    w.prove("a");
    expect(d.task("b").state.is).toBe("pending");
    w.merge("a", "a");
    w.land("a");
    expect(d.task("b").state.is).toBe("active");
  });

  it("of a task that is not there is broken", () => {
    const d = drive();
    d.command(startOf([taskSpec("a")]));
    expect(needState(d.state, d.run(), d.task("a"), need("z"))).toBe("broken");
  });
});

describe("the commit that others may stand on", () => {
  it("is there from its proof on, and gone while it is worked on again", () => {
    const d = drive();
    const w = walk(d);
    d.command(startOf([taskSpec("a")]));
    expect(verifiedHead(d.state, d.task("a"))).toBeUndefined();
    w.prove("a");
    expect(verifiedHead(d.state, d.task("a"))).toBe("commit-a");
    w.merge("a", "m");
    w.gate("a", false);
    expect(verifiedHead(d.state, d.task("a"))).toBeUndefined();
  });
});

describe("the last attempt of a project", () => {
  it("is the one beside which nothing is open there and nothing waits to start", () => {
    const d = drive();
    d.command(
      startOf([taskSpec("a"), taskSpec("b"), taskSpec("c", { project: "/other" })], {
        parallel: 2,
      }),
    );
    expect(isLastOf(d.state, "/project/.git", "att_a_1")).toBe(false);
    walk(d).cancel("b");
    walk(d).retire("b");
    expect(isLastOf(d.state, "/project/.git", "att_a_1")).toBe(true);
    expect(isLastOf(d.state, "/other", "att_a_9")).toBe(false);
    const waiting = drive();
    waiting.command(startOf([taskSpec("a"), taskSpec("b")], { parallel: 1 }));
    expect(isLastOf(waiting.state, "/project/.git", "att_a_1")).toBe(false);
  });
});

it("an attempt always has a task, and a task at first no attempt", () => {
  const d = drive();
  d.command(startOf([taskSpec("a"), taskSpec("b")], { parallel: 1 }));
  expect(latestAttempt(d.state, d.run(), d.task("b"))).toBeUndefined();
  expect(() => specOf(d.state, { ...d.attempt("a"), task: "z" })).toThrow(
    "attempt att_a_1 has a task",
  );
  expect(address("run_a", "api")).toBe("run_a/api");
});
