import { expect, test } from "vitest";
import * as behaviors from "./behaviors.ts";
import { choose } from "./choose.ts";
import { findMarker, readMarker, withoutMarkers } from "./marker.ts";
import { ask, edit } from "./steps.ts";

test.each([
  behaviors.writeAndCommit({ "a.txt": "a\n" }, "Add a"),
  behaviors.writeWithoutCommit({ "a.txt": "a\n" }, { message: "Add a" }),
  behaviors.lie(),
  behaviors.failsGateThenRepairs({ "a.txt": "bad" }, { "a.txt": "good" }),
  behaviors.asksPermission("curl example.invalid"),
  behaviors.hangs(),
  behaviors.rateLimited(2),
  behaviors.outsidePaths(),
])("a behavior is a sentence and a script that can be read (%#)", (prompt) => {
  expect(withoutMarkers(prompt)).toMatch(/^[A-Z].*\.$/);
  expect(readMarker(findMarker(prompt) ?? "").steps.length).toBeGreaterThan(0);
});

test("a repair comes with the text that speaks of the gate and not before", () => {
  const prompt = behaviors.failsGateThenRepairs({ "a.txt": "bad" }, { "a.txt": "good" });
  const start = { role: "user", content: prompt };
  const later = (text: string) =>
    choose([start, { role: "user", content: text }]).message.tools?.[0]?.input["content"];
  expect(later("Go on.")).toBe("bad");
  expect(later("The gate failed.")).toBe("good");
});

test("an edit reads first and a question has a short header and described options", () => {
  expect(edit("a", "x", "y").tools?.map((call) => call.name)).toEqual(["Read", "Edit"]);
  expect(ask("Which color shall it be?", ["red"]).tools?.[0]?.input).toEqual({
    questions: [
      {
        question: "Which color shall it be?",
        header: "Which color",
        multiSelect: false,
        options: [{ label: "red", description: "red" }],
      },
    ],
  });
});
