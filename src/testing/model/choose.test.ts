import { describe, expect, test } from "vitest";
import { carriedMarker, choose } from "./choose.ts";
import type { Message } from "./conversation.ts";
import { script } from "./marker.ts";
import { bash, calls, say, write } from "./steps.ts";

const user = (text: string): Message => ({ role: "user", content: [{ type: "text", text }] });
const said = (text: string): Message => ({ role: "assistant", content: [{ type: "text", text }] });
const used = (count = 1, text?: string): Message => ({
  role: "assistant",
  content: [
    ...(text === undefined ? [] : [{ type: "text", text }]),
    ...Array.from({ length: count }, () => ({ type: "tool_use" })),
  ],
});
const result: Message = {
  role: "user",
  content: [{ type: "tool_result", content: "[[script:e30]]" }],
};
const steered = (...texts: readonly string[]): Message => ({
  role: "system",
  content: texts
    .map(
      (text) =>
        `The user sent a new message while you were working:\n${text}\n\nThis is how Claude Code surfaces it.`,
    )
    .join("\n\n"),
});

const prompt = `Go. ${script([bash("one"), { status: 429, times: 1 }, bash("two"), say("end")], {
  later: [
    { match: "gate", nth: 1, steps: [say("first repair")] },
    { match: "gate", nth: 2, steps: [say("second repair")] },
    { match: /conflict/i, steps: [write("c.txt", "c"), say("resolved")] },
  ],
})}`;

describe("the step of a conversation", () => {
  test("is the number of assistant messages after the text with the marker", () => {
    expect(choose([user(prompt)])).toMatchObject({ index: 0, failures: [], message: bash("one") });
    const second = choose([user(prompt), used(), result]);
    expect(second).toMatchObject({
      index: 1,
      failures: [{ status: 429, times: 1 }],
      message: bash("two"),
    });
    const third = choose([user(prompt), used(), result, used(), result]);
    expect(third).toMatchObject({ index: 2, message: say("end") });
  });

  test("is a closing text without a marker and after the last step", () => {
    expect(choose([user("Hello")])).toMatchObject({ index: null, message: say("Done.") });
    expect(choose([user(script([])), said("x")]).message).toEqual(say("Done."));
  });

  test("starts anew with each text that has a marker", () => {
    const next = user(script([say("other")]));
    expect(choose([user(prompt), used(), result, said("x"), next]).message).toEqual(say("other"));
  });

  test("goes on past texts that select nothing, such as the program's own", () => {
    const message = choose([
      user(prompt),
      used(),
      result,
      user("Continue where you left off."),
    ]).message;
    expect(message).toEqual(bash("two"));
  });

  test("comes again when a cut-off message lost its calls", () => {
    const both = script([
      { say: "writing", ...calls({ name: "A", input: {} }, { name: "B", input: {} }) },
      say("end"),
    ]);
    const cut = user(
      "Your response above was cut off mid-stream. Resume directly from where it stops.",
    );
    expect(choose([user(both), said("writing"), cut]).index).toBe(0);
    expect(choose([user(both), used(1, "writing"), cut]).index).toBe(0);
    expect(choose([user(both), used(2, "writing"), result]).message).toEqual(say("end"));
  });

  test("does not count what the program says in the model's place after a kill", () => {
    const text = script([bash("one"), say("end")]);
    const fillIn = said("No response requested.");
    expect(choose([user(text), used(), result, fillIn, user("Go on.")]).message).toEqual(
      say("end"),
    );
  });

  test("ignores reminders, system texts and tool results, whatever they quote", () => {
    const reminder = user(`<system-reminder>\n${script([say("no")])}\n</system-reminder>`);
    const system: Message = { role: "system", content: script([say("no")]) };
    expect(choose([reminder, user(prompt), used(), result, system]).index).toBe(1);
  });

  test("stands still for failures at the end of a script", () => {
    const failing = user(script([{ hang: "headers" }]));
    expect(choose([failing])).toMatchObject({
      failures: [{ hang: "headers" }],
      message: say("Done."),
    });
    expect(choose([failing, said("Done.")]).failures).toEqual([]);
  });
});

describe("a later text without a marker", () => {
  test("selects the steps of the first rule that fits, by its count", () => {
    const start = [user(prompt), used(), result, used(), result, said("end")];
    const first = [...start, user("The gate failed.")];
    expect(choose(first).message).toEqual(say("first repair"));
    const second = [...first, said("first repair"), user("The gate failed again.")];
    expect(choose(second).message).toEqual(say("second repair"));
    const third = [...second, said("second repair"), user("The gate failed once more.")];
    expect(choose(third).message).toEqual(say("Done."));
    expect(choose([...third, user("CONFLICT in a.txt")]).message).toEqual(write("c.txt", "c"));
  });

  test("is found where the program folds it into a running turn", () => {
    const folded = [
      user(prompt),
      used(),
      result,
      steered("No comment", "There is a conflict\n\nin b.txt"),
    ];
    expect(choose(folded).message).toEqual(write("c.txt", "c"));
    expect(choose([...folded, used(), result]).message).toEqual(say("resolved"));
  });

  test("keeps the rules of the first marker under a second one without rules", () => {
    const second = user(script([say("other")]));
    expect(choose([user(prompt), second, said("other"), user("gate")]).message).toEqual(
      say("first repair"),
    );
  });

  test("is matched by rules given from outside until a marker brings its own", () => {
    const rules = [{ match: "hello", steps: [say("from outside")] }];
    expect(choose([user("hello")], rules).message).toEqual(say("from outside"));
    expect(choose([user(prompt), said("x"), user("hello")], rules).message).not.toEqual(
      say("from outside"),
    );
  });

  test("is matched by the rules that the last rule brought, where it brought some", () => {
    const repair = { match: "gate", steps: [say("repaired")] };
    const rules = [{ match: "hello", steps: [say("one")], later: [repair] }];
    const start = [user("hello"), said("one")];
    expect(choose([...start, user("gate")], rules).message).toEqual(say("repaired"));
    expect(choose([user("gate")], rules).index).toBeNull();
    const marker = script([], { later: rules });
    expect(choose([user(marker), ...start, user("gate")]).message).toEqual(say("repaired"));
  });

  test("has a key of its own at each use, so that `times` counts each", () => {
    const once = [user(prompt), user("a conflict")];
    const twice = [...once, used(), result, said("resolved"), user("a conflict")];
    expect(choose(once).key).not.toBe(choose(twice).key);
    expect(choose(twice).index).toBe(0);
  });
});

describe("a carried marker", () => {
  test("goes on behind a summary with the steps and counts that are left", () => {
    const before = [
      user(prompt),
      used(),
      result,
      user("gate"),
      said("first repair"),
      user(prompt),
      used(),
      result,
    ];
    const summary = user(`Summary: ${carriedMarker(before)}`);
    expect(choose([summary])).toMatchObject({ failures: [{ status: 429 }], message: bash("two") });
    expect(choose([summary, used(), result]).message).toEqual(say("end"));
    expect(choose([summary, user("gate")]).message).toEqual(say("second repair"));
  });

  test("does not take the request for a summary for a text that a rule could match", () => {
    const request = user(
      "Your task is to create a detailed summary of the gate, in <summary> tags.",
    );
    expect(choose([user(carriedMarker([user(prompt), request])), user("gate")]).message).toEqual(
      say("first repair"),
    );
  });
});
