/** Rounds of a session and the questions in them, the same for whoever runs it. */
import { existsSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import * as behaviors from "../../../src/testing/model/behaviors.ts";
import { prompt } from "../../../src/testing/model/behaviors.ts";
import { ask, bash, say, write } from "../../../src/testing/model/steps.ts";
import type { Here } from "./harness.ts";
import { startSession } from "./harness.ts";
import {
  allow,
  costOf,
  deny,
  interrupt,
  isAsked,
  isIdle,
  isLifecycle,
  isResult,
  ofType,
  outline,
} from "./reading.ts";

/** Rounds that go well. */
export function describeRounds(here: Here): void {
  test("writes and commits, and tells of it in the same order", async () => {
    const session = startSession(here.place);
    session.say(behaviors.writeAndCommit({ "a.txt": "a\n", "sub/b.txt": "b\n" }, "It's done"));
    const result = await session.next(isResult);
    await session.next(isIdle);
    expect(result).toMatchObject({
      subtype: "success",
      is_error: false,
      terminal_reason: "completed",
      result: "Wrote a.txt, sub/b.txt and committed.",
      num_turns: 4,
      result_index: 0,
      queued_turn_count: 0,
      permission_denials: [],
    });
    const opening = ["running", "queued", "started", "init"];
    const work = ["assistant", "assistant", "user", "user", "assistant", "user", "assistant"];
    expect(outline(session)).toEqual([...opening, ...work, "result", "completed", "idle"]);
    expect(await session.end()).toBe(0);
    expect(await here.place.git("log", "-1", "--format=%s", "--name-only")).toBe(
      "It's done\n\na.txt\nsub/b.txt",
    );
    expect(await here.place.git("status", "--porcelain")).toBe("");
  });

  test("answers a later text by the rules of the first prompt, and counts usage by round and in all", async () => {
    const session = startSession(here.place);
    session.say(behaviors.failsGateThenRepairs({ "a.txt": "bad\n" }, { "a.txt": "good\n" }));
    const first = await session.next(isResult);
    session.say("The gate failed: a.txt is bad. Repair it.");
    const second = await session.next(isResult);
    expect(second).toMatchObject({ result: "Repaired.", result_index: 1 });
    expect(await here.place.git("show", "HEAD:a.txt")).toBe("good");
    expect(await here.place.git("rev-list", "--count", "HEAD")).toBe("3");
    expect(first.total_cost_usd).toBeGreaterThan(0);
    expect(second.total_cost_usd).toBeCloseTo(Number(first.total_cost_usd) + costOf(second), 10);
    await session.end();
  });

  test("folds a text that comes in the middle of a turn into that turn", async () => {
    const session = startSession(here.place);
    const [first, second] = [crypto.randomUUID(), crypto.randomUUID()];
    const steps = [bash("curl --version"), say("not steered")];
    session.say(
      prompt("Wait.", steps, [{ match: "also", steps: [write("also.txt", "x"), say("steered")] }]),
      first,
    );
    const asked = await session.next(isAsked);
    session.say("Do this also.", second);
    await session.next(isLifecycle("queued", second));
    allow(session, asked);
    await session.next(isLifecycle("completed", second));
    expect(await session.next(isResult)).toMatchObject({ result: "steered", result_index: 0 });
    await session.next(isLifecycle("completed", first));
    expect(session.messages.filter(isResult)).toHaveLength(1);
    expect(existsSync(join(here.place.repo, "also.txt"))).toBe(true);
  });

  test("goes on by itself after an answer that was cut off at its longest", async () => {
    const session = startSession(here.place);
    session.say(prompt("Go.", [say("half", { stop: "max_tokens" }), say("whole")]));
    expect(await session.next(isResult)).toMatchObject({ subtype: "success", result: "whole" });
  });
}

/** Permission requests and questions. */
export function describeQuestions(here: Here): void {
  test("asks for a command, runs it when allowed and goes on when denied", async () => {
    const session = startSession(here.place);
    session.say(
      prompt("Go.", [bash("curl --version > v.txt"), bash("curl --version > w.txt"), say("end")]),
    );
    const first = await session.next(isAsked);
    expect(first).toMatchObject({
      request: {
        subtype: "can_use_tool",
        tool_name: "Bash",
        input: { command: "curl --version > v.txt" },
      },
    });
    allow(session, first);
    deny(session, await session.next(isAsked), "Not again.");
    expect(await session.next(isResult)).toMatchObject({
      result: "end",
      permission_denials: [
        { tool_name: "Bash", tool_input: { command: "curl --version > w.txt" } },
      ],
    });
    const written = ["v.txt", "w.txt"].map((file) => existsSync(join(here.place.repo, file)));
    expect(written).toEqual([true, false]);
    const states = outline(session).filter((word) =>
      ["running", "requires_action", "idle"].includes(word),
    );
    expect(states.slice(0, 5)).toEqual([
      "running",
      "requires_action",
      "running",
      "requires_action",
      "running",
    ]);
    expect(JSON.stringify(session.messages)).toContain("Not again.");
  });

  test("asks before it writes outside of its working directory, by whichever way", async () => {
    const session = startSession(here.place);
    session.say(behaviors.outsidePaths());
    for (let n = 0; n < 3; n++) {
      deny(session, await session.next(isAsked), "No.");
    }
    await session.next(isResult);
    const outside = ["tool", "shell", "link"].filter((way) =>
      existsSync(join(here.place.dir, `outside-by-${way}.txt`)),
    );
    expect(outside).toEqual([]);
  });

  test("puts a question to the person and takes the answer", async () => {
    const session = startSession(here.place);
    session.say(prompt("Ask.", [ask("Which color?", ["red", "blue"]), say("thanks")]));
    const asked = await session.next(isAsked);
    expect(asked).toMatchObject({
      request: { tool_name: "AskUserQuestion", requires_user_interaction: true },
    });
    allow(session, asked, { ...asked.request?.input, answers: { "Which color?": "blue" } });
    expect(await session.next(isResult)).toMatchObject({
      result: "thanks",
      permission_denials: [],
    });
    expect(JSON.stringify(session.messages)).toContain(String.raw`\"Which color?\"=\"blue\"`);
  });

  test("withdraws an open question at an interrupt and stays usable", async () => {
    const session = startSession(here.place);
    const uuid = crypto.randomUUID();
    session.say(prompt("Go.", [bash("curl --version"), say("after")]), uuid);
    const { request_id } = await session.next(isAsked);
    interrupt(session);
    expect(await session.next(ofType("control_cancel_request"))).toMatchObject({ request_id });
    expect(await session.next(ofType("control_response"))).toMatchObject({
      response: { subtype: "success", request_id: "stop", response: { still_queued: [] } },
    });
    expect(await session.next(isResult)).toMatchObject({
      subtype: "error_during_execution",
      is_error: true,
      terminal_reason: "aborted_tools",
    });
    await session.next(isLifecycle("cancelled", uuid));
    await session.next(isIdle);
    session.say("Go on.");
    expect(await session.next(isResult)).toMatchObject({ is_error: false, result: "after" });
  });

  test("treats the end of its input as a no to an open question, and ends well", async () => {
    const session = startSession(here.place);
    session.say(prompt("Go.", [bash("curl --version > v.txt"), say("end")]));
    await session.next(isAsked);
    expect(await session.end()).toBe(0);
    expect(session.messages.find(isResult)).toMatchObject({ result: "end", is_error: false });
    expect(existsSync(join(here.place.repo, "v.txt"))).toBe(false);
  });
}
