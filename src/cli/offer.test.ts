/** What a person types at an open question. */
import { describe, expect, test } from "vitest";
import type { RunDetail } from "../api/service.ts";
import { replyTo, waitsForPerson } from "./offer.ts";

describe("a typed line", () => {
  test("is yes or no where the question takes one", () => {
    for (const kind of ["permission", "approval"]) {
      for (const line of ["y", "Yes ", "allow"])
        expect(replyTo(kind, line)).toEqual({ is: "allow" });
      expect(replyTo(kind, "n")).toEqual({ is: "deny", because: "a person said no" });
    }
  });

  test("is a text everywhere else, and nothing where nothing was typed", () => {
    expect(replyTo("question", "y")).toEqual({ is: "text", text: "y" });
    expect(replyTo("approval", " say it louder ")).toEqual({ is: "text", text: "say it louder" });
    expect(replyTo("permission", "  ")).toBe(undefined);
  });
});

describe("a run waits for a person", () => {
  const detail = (...tasks: readonly (readonly [string, number])[]): RunDetail =>
    ({
      run: { tasks: tasks.map(([state]) => ({ state })) },
      tasks: tasks.map(([, asks]) => ({ asks: Array.from({ length: asks }) })),
    }) as unknown as RunDetail;

  test("where a question is open and nothing else moves", () => {
    expect(waitsForPerson(detail(["asking", 1], ["waiting", 0], ["landed", 0]))).toBe(true);
    expect(waitsForPerson(detail(["asking", 1], ["working", 0]))).toBe(false);
    expect(waitsForPerson(detail(["paused", 0]))).toBe(false);
  });
});
