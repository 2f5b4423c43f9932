import { describe, expect, test } from "vitest";
import { apiMessage, pieces, sseEvents } from "./message.ts";
import { bash, say, think } from "./steps.ts";

const context = { model: "some-model", inputTokens: 100, hasTools: true };

describe("a message", () => {
  test("has thinking, text and calls in this order, the model of the request and ids that never repeat", () => {
    const step = { ...bash("ls"), ...think("hmm"), ...say("look") };
    const [one, two] = [apiMessage(step, context), apiMessage(step, context)];
    expect(one.content.map((block) => block.type)).toEqual(["thinking", "text", "tool_use"]);
    expect(one).toMatchObject({
      model: "some-model",
      stop_reason: "tool_use",
      usage: { input_tokens: 100 },
    });
    expect(one.id).toMatch(/^msg_/);
    expect(one.id).not.toBe(two.id);
  });

  test("has the usage and the stop reason that the step wants", () => {
    const message = apiMessage(
      say("x", { usage: { input_tokens: 170_000 }, stop: "max_tokens" }),
      context,
    );
    expect(message).toMatchObject({
      stop_reason: "max_tokens",
      usage: { input_tokens: 170_000, output_tokens: 7 },
    });
  });

  test("is never without a text or a call, also for a request without tools", () => {
    const message = apiMessage(bash("ls"), { ...context, hasTools: false });
    expect(message.content).toEqual([{ type: "text", text: "Done." }]);
    expect(message.stop_reason).toBe("end_turn");
  });
});

const block = (deltas: number): string[] => [
  "content_block_start",
  ...Array<string>(deltas).fill("content_block_delta"),
  "content_block_stop",
];

describe("the events of a message", () => {
  test("come in the order of the API and add up to the message", () => {
    const message = apiMessage(
      { ...think("hmm, well"), ...say("look at it"), ...bash("ls -la") },
      context,
    );
    const events = sseEvents(message, 3);
    // Thinking ends with its signature.
    const blocks = [...block(3 + 1), ...block(3), ...block(3)];
    const types = events.map((event) => event.type);
    expect(types).toEqual(["message_start", ...blocks, "message_delta", "message_stop"]);
    const json = events.map((event) => JSON.stringify(event)).join("");
    const parts = [...json.matchAll(/"partial_json":("(?:[^"\\]|\\.)*")/g)].map(
      ([, part]): string => JSON.parse(part ?? ""),
    );
    expect(JSON.parse(parts.join(""))).toEqual({ command: "ls -la" });
  });

  test("are cut between characters, in no more pieces than asked for", () => {
    expect(pieces("a😀b", 2).join("")).toBe("a😀b");
    expect(pieces("😀😀😀", 99)).toEqual(["😀", "😀", "😀"]);
    expect(pieces("abcdef", 4).length).toBeLessThanOrEqual(4);
    expect(pieces("", 2)).toEqual([]);
  });
});
