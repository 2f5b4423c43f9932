import { describe, expect, test } from "vitest";
import {
  answerLine,
  endSessionLine,
  interruptLine,
  messageLine,
  permissionResult,
} from "./control.ts";

const allow = { is: "allow", text: null, answers: null } as const;

test("every line is one line of JSON, whatever it carries", () => {
  const text = 'a\nb\r\n\u2028"\\\u0000 {"type":"control_request"}';
  const lines = [
    messageLine("u1", text),
    answerLine("r1", { is: "deny", because: text }, {}),
    interruptLine("i1"),
    endSessionLine("e1"),
  ];
  for (const line of lines) expect(line).not.toMatch(/[\n\r]/);
  expect(lines.map((line): unknown => JSON.parse(line))).toEqual([
    {
      type: "user",
      message: { role: "user", content: text },
      parent_tool_use_id: null,
      uuid: "u1",
    },
    {
      type: "control_response",
      response: {
        subtype: "success",
        request_id: "r1",
        response: { behavior: "deny", message: text },
      },
    },
    {
      type: "control_request",
      request_id: "i1",
      request: { subtype: "interrupt", cancel_queued: true },
    },
    { type: "control_request", request_id: "e1", request: { subtype: "end_session" } },
  ]);
});

describe("an answer", () => {
  test("allows with the input that was asked for, never with another one", () => {
    expect(permissionResult(allow, { command: "ls" })).toEqual({
      behavior: "allow",
      updatedInput: { command: "ls" },
    });
    for (const odd of [undefined, null, "ls", ["ls"]])
      expect(permissionResult(allow, odd)).toEqual({ behavior: "allow", updatedInput: {} });
  });

  test("to a question becomes part of its input", () => {
    const answers = { "Which?": "blue" };
    expect(permissionResult({ ...allow, answers }, { questions: [] })).toEqual({
      behavior: "allow",
      updatedInput: { questions: [], answers },
    });
  });
});
