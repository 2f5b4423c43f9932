import { describe, expect, test } from "vitest";
import { findMarker, readMarker, script, withoutMarkers } from "./marker.ts";
import { commit, say, write } from "./steps.ts";

const encode = (value: unknown): string => Buffer.from(JSON.stringify(value)).toString("base64url");

describe("a marker", () => {
  test("carries steps and later rules through a prompt", () => {
    const marker = script([write("a.txt", "ä\n"), [commit("it's done"), say("ok")]], {
      later: [{ match: /again$/i, nth: 2, steps: [say("second")] }],
    });
    const found = findMarker(`Please do it. ${marker} Thank you.`);
    const read = readMarker(found ?? "");
    expect(read.steps).toEqual([write("a.txt", "ä\n"), commit("it's done"), say("ok")]);
    expect(read.later).toEqual([{ match: /again$/i, nth: 2, steps: [say("second")] }]);
  });

  test("is the newest of a text with several", () => {
    const text = `${script([say("old")])} ${script([say("new")])}`;
    expect(readMarker(findMarker(text) ?? "").steps).toEqual([say("new")]);
  });

  test("is no part of what a person reads", () => {
    expect(withoutMarkers(`Do it.\n\n${script([say("x")])}`)).toBe("Do it.");
  });

  test("drops the flags of a pattern that would make an answer depend on the one before", () => {
    const marker = encode({
      steps: [],
      later: [{ match: { pattern: "a", flags: "gyi" }, steps: [] }],
    });
    expect(readMarker(marker).later[0]?.match).toEqual(/a/i);
  });

  test.each([
    ["no JSON", "e30x"],
    ["no object", encode([])],
    ["no steps", encode({})],
    ["a step that is no object", encode({ steps: ["say"] })],
    ["an empty step", encode({ steps: [{}] })],
    ["a text that is none", encode({ steps: [{ say: 1 }] })],
    ["a tool call without input", encode({ steps: [{ tools: [{ name: "Bash" }] }] })],
    ["a status that is none", encode({ steps: [{ status: 200 }] })],
    ["a negative wait", encode({ steps: [{ say: "x", delayMs: -1 }] })],
    ["a rule without match", encode({ steps: [], later: [{ steps: [] }] })],
    [
      "an unreadable pattern",
      encode({ steps: [], later: [{ match: { pattern: "(" }, steps: [] }] }),
    ],
  ])("is refused with %s", (_, payload) => {
    expect(() => readMarker(payload)).toThrow(/^the script marker /);
  });
});
