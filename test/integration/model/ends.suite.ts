/** Failures, resumes and ends of a session, the same for whoever runs it. */
import { existsSync } from "node:fs";
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { expect, test } from "vitest";
import * as behaviors from "../../../src/testing/model/behaviors.ts";
import { prompt } from "../../../src/testing/model/behaviors.ts";
import { bash, commit, say, write } from "../../../src/testing/model/steps.ts";
import type { Here, Place } from "./harness.ts";
import { startSession } from "./harness.ts";
import {
  costOf,
  interrupt,
  isAsked,
  isIdle,
  isLifecycle,
  isResult,
  ofSubtype,
  ofType,
  outline,
} from "./reading.ts";

/** What the API does wrong. */
export function describeFailures(here: Here): void {
  test("tries again after a rate limit and says so", async () => {
    const session = startSession(here.place);
    session.say(behaviors.rateLimited(1));
    const retry = await session.next(ofSubtype("api_retry"));
    expect(retry).toMatchObject({ attempt: 1, error_status: 429, error: "rate_limit" });
    expect(Number(retry["retry_delay_ms"])).toBeGreaterThanOrEqual(1_000);
    expect(await session.next(isResult)).toMatchObject({ is_error: false, result: "Done." });
    expect(existsSync(join(here.place.repo, "limited.txt"))).toBe(true);
  });

  test("gives up at once where it is told to wait for more than a minute, and does not say for how long", async () => {
    const session = startSession(here.place);
    const headers = { "retry-after": "61" };
    session.say(prompt("Go.", [{ status: 429, headers, times: 1 }, say("never")]));
    expect(await session.next(isResult)).toMatchObject({ is_error: true, api_error_status: 429 });
    expect(outline(session)).not.toContain("api_retry");
    expect(JSON.stringify(session.messages)).not.toMatch(/retry.?after|61 ?s/i);
  });

  test("recovers from a connection that breaks in the middle, without doing anything twice", async () => {
    const session = startSession(here.place);
    const append = bash("git commit -q --allow-empty -m once");
    session.say(prompt("Go.", [{ drop: "mid-stream", times: 1 }, append, say("end")]));
    expect(await session.next(isResult)).toMatchObject({ is_error: false, result: "end" });
    expect(outline(session)).toContain("api_retry");
    expect(await here.place.git("rev-list", "--count", "HEAD")).toBe("2");
  });

  test("gives up with an error result by the name of success, and lives on", async () => {
    const session = startSession(here.place, [], { CLAUDE_CODE_MAX_RETRIES: "1" });
    const uuid = crypto.randomUUID();
    session.say(prompt("Go.", [{ status: 429, times: 2 }, say("end")]), uuid);
    expect(await session.next(isResult)).toMatchObject({
      subtype: "success",
      is_error: true,
      terminal_reason: "api_error",
      api_error_status: 429,
      model_usage_since_last_result: {},
    });
    expect(
      session.messages.find(
        (message) => message["error"] === "rate_limit" && ofType("assistant")(message),
      ),
    ).toBeDefined();
    await session.next(isLifecycle("cancelled", uuid));
    session.say("Try again.");
    expect(await session.next(isResult)).toMatchObject({ is_error: false, result: "end" });
  });

  test("sits in silence while the API hangs, until an interrupt", async () => {
    const session = startSession(here.place);
    session.say(behaviors.hangs());
    await session.next(ofSubtype("init"));
    interrupt(session);
    expect(await session.next(isResult)).toMatchObject({
      is_error: true,
      terminal_reason: "aborted_streaming",
    });
    expect(await session.end()).toBe(1);
  });

  test("says without a login that it is not logged in", async () => {
    const { ANTHROPIC_API_KEY: _, ...env } = here.place.env;
    const session = startSession({ ...here.place, env });
    session.say(prompt("Go.", [say("no")]));
    expect(await session.next(isResult)).toMatchObject({
      is_error: true,
      terminal_reason: "api_error",
      result: expect.stringContaining("Not logged in"),
    });
  });
}

/** Resumes and ends. */
export function describeEnds(here: Here): void {
  test("goes on with the right step after a kill and a resume, and forgets no prompt it has seen", async () => {
    const id = crypto.randomUUID();
    const uuid = crypto.randomUUID();
    const text = prompt(
      "Go.",
      [write("a.txt", "a"), bash("curl --version"), commit("Add a"), say("end")],
      [{ match: "more", nth: 2, steps: [say("twice")] }],
    );
    const first = startSession(here.place, [`--session-id=${id}`]);
    first.say(text, uuid);
    const asked = await first.next(isAsked);
    const toolId = asked.request?.tool_use_id;
    await expect
      .poll(() => readFile(transcriptOf(here.place, id), "utf8"), { timeout: 5_000 })
      .toContain(toolId);
    await first.kill();
    const second = startSession(here.place, [`--resume=${id}`]);
    second.say(text, uuid);
    await second.next(isLifecycle("completed", uuid));
    second.say("Continue where you left off.");
    const result = await second.next(isResult);
    expect(result).toMatchObject({ session_id: id, result: "end" });
    expect(await here.place.git("log", "-1", "--format=%s")).toBe("Add a");
    second.say("more");
    await second.next(isResult);
    expect(await second.end()).toBe(0);
    const third = startSession(here.place, [`--resume=${id}`]);
    third.say("more");
    const last = await third.next(isResult);
    expect(last.result).toBe("twice");
    expect(last.total_cost_usd).toBeGreaterThan(Number(result.total_cost_usd));
    expect(costOf(last)).toBeLessThan(Number(last.total_cost_usd));
  });

  test("refuses a session that is not there, one that is, and a line that is none", async () => {
    const id = crypto.randomUUID();
    const unknown = startSession(here.place, [`--resume=${id}`]);
    const errors = [`No conversation found with session ID: ${id}`];
    expect(await unknown.next(isResult)).toMatchObject({
      subtype: "error_during_execution",
      is_error: true,
      errors,
    });
    expect(await unknown.exited()).toBe(1);
    const session = startSession(here.place, [`--session-id=${id}`]);
    session.say(prompt("Go.", [say("end")]));
    await session.next(isIdle);
    session.sendText("{torn\n");
    expect(await session.exited()).toBe(1);
    const again = startSession(here.place, [`--session-id=${id}`]);
    expect(await again.exited()).toBe(1);
    expect(again.stderr()).toContain(`Session ID ${id} is already in use.`);
  });

  test("ends when it is told to, well after a round and with code 1 in the middle of one", async () => {
    const endSession = {
      type: "control_request",
      request_id: "end",
      request: { subtype: "end_session" },
    };
    const idle = startSession(here.place);
    idle.send({ type: "control_request", request_id: "hello", request: { subtype: "initialize" } });
    expect(await idle.next(ofType("control_response"))).toMatchObject({
      response: { subtype: "success", request_id: "hello", response: { pid: expect.any(Number) } },
    });
    idle.send({ type: "control_request", request_id: "what", request: { subtype: "nonsense" } });
    expect(await idle.next(ofType("control_response"))).toMatchObject({
      response: { subtype: "error", request_id: "what", error_code: "unsupported_request" },
    });
    idle.say(prompt("Go.", [say("end")]));
    await idle.next(isIdle);
    idle.send(endSession);
    expect(await idle.exited()).toBe(0);
    const busy = startSession(here.place);
    busy.say(behaviors.asksPermission("curl --version"));
    await busy.next(isAsked);
    busy.send(endSession);
    expect(await busy.exited()).toBe(1);
    expect(busy.messages.find(isResult)).toMatchObject({
      is_error: true,
      terminal_reason: "aborted_tools",
    });
  });

  test("passes over a prompt that it is doing or has done", async () => {
    const session = startSession(here.place);
    const uuid = crypto.randomUUID();
    const text = prompt("Go.", [bash("git commit -q --allow-empty -m once"), say("end")]);
    session.say(text, uuid);
    session.say(text, uuid);
    await session.next(isResult);
    session.say(text, uuid);
    expect(await session.end()).toBe(0);
    expect(session.messages.filter(isResult)).toHaveLength(1);
    expect(await here.place.git("rev-list", "--count", "HEAD")).toBe("2");
  });

  test("stops at its limit of turns with the tools run, and takes the next prompt", async () => {
    const session = startSession(here.place, ["--max-turns=1"]);
    session.say(prompt("Go.", [write("a.txt", "a"), say("end")]));
    expect(await session.next(isResult)).toMatchObject({
      subtype: "error_max_turns",
      is_error: true,
      terminal_reason: "max_turns",
    });
    expect(existsSync(join(here.place.repo, "a.txt"))).toBe(true);
    session.say("Go on.");
    expect(await session.next(isResult)).toMatchObject({ subtype: "success", result: "end" });
  });
}

function transcriptOf(place: Place, id: string): string {
  return join(place.dir, "cfg", "projects", "p1", `${id}.jsonl`);
}
