import { describe, expect, test } from "vitest";
import type { AgentEvent } from "../core/runner.ts";
import { foldStream } from "./fold.ts";

/** Folds these lines, each as an object or as it is; the offset of a line is its number, from 1. */
function fold(lines: readonly (object | string)[]): {
  readonly events: readonly AgentEvent[];
  readonly unknown: Record<string, number>;
  end(): readonly AgentEvent[];
} {
  const events: AgentEvent[] = [];
  const stream = foldStream((event) => events.push(event));
  for (const [index, line] of lines.entries())
    stream.line(Buffer.from(typeof line === "string" ? line : JSON.stringify(line)), index + 1);
  return {
    events,
    unknown: Object.fromEntries(stream.unknown),
    end() {
      stream.end(lines.length);
      return events;
    },
  };
}

const system = (subtype: string, more: object = {}) => ({ type: "system", subtype, ...more });
const state = (name: string) => system("session_state_changed", { state: name });
const lifecycle = (uuid: string, name: string) => ({
  type: "command_lifecycle",
  command_uuid: uuid,
  state: name,
});
const assistant = (id: string, content: unknown, more: object = {}) => ({
  type: "assistant",
  message: { id, model: "m", content },
  parent_tool_use_id: null,
  ...more,
});
const result = (more: object = {}) => ({
  type: "result",
  subtype: "success",
  is_error: false,
  terminal_reason: "completed",
  result: "done",
  ...more,
});
const failed = (reason: string, more: object = {}) =>
  result({ is_error: true, terminal_reason: reason, ...more });
const rateLimit = (info: object) => ({ type: "rate_limit_event", rate_limit_info: info });
const [idle, running] = [state("idle"), state("running")];
const ends = (lines: readonly object[]) =>
  fold(lines).events.filter((event) => event.is === "round_ended");

describe("one line", () => {
  test.each([
    [
      system("init", { claude_code_version: "2.1.329", model: "m" }),
      { is: "ready", version: "2.1.329", model: "m" },
    ],
    [system("init"), { is: "ready", version: null, model: null }],
    [running, { is: "state", state: "running" }],
    [state("requires_action"), { is: "state", state: "requires_action" }],
    [state("dreaming"), { is: "alive" }],
    [
      system("api_retry", { error_status: 429, retry_delay_ms: 500, attempt: 2 }),
      { is: "retrying", status: 429, delayMs: 500, attempt: 2 },
    ],
    [
      system("api_retry", { error_status: null }),
      { is: "retrying", status: null, delayMs: 0, attempt: 0 },
    ],
    [system("status", { status: "compacting" }), { is: "compacting" }],
    [system("status", { status: null }), { is: "alive" }],
    [system("compact_boundary"), { is: "alive" }],
    [lifecycle("u1", "queued"), { is: "taken", uuid: "u1" }],
    [lifecycle("u1", "started"), { is: "taken", uuid: "u1" }],
    [lifecycle("u1", "completed"), { is: "taken", uuid: "u1" }],
    [lifecycle("u1", "cancelled"), { is: "taken", uuid: "u1" }],
    [{ type: "command_lifecycle", state: "queued" }, { is: "alive" }],
    [{ type: "user", message: { content: [{ type: "tool_result" }] } }, { is: "tool_done" }],
    [{ type: "user", message: { content: [{ type: "text", text: "x" }] } }, { is: "alive" }],
    [{ type: "user", message: { content: "x" } }, { is: "alive" }],
    [
      { type: "control_cancel_request", request_id: "r1" },
      { is: "ask_withdrawn", ask: "r1" },
    ],
    [{ type: "control_response", response: {} }, { is: "alive" }],
    [{ type: "tool_progress" }, { is: "alive" }],
    [
      rateLimit({ status: "rejected", resetsAt: 10, rateLimitType: "five_hour" }),
      { is: "limited", status: "rejected", resetsAt: 10_000, window: "five_hour" },
    ],
    [
      { type: "rate_limit_event" },
      { is: "limited", status: "unknown", resetsAt: null, window: null },
    ],
  ])("%j is told as %j", (line, event) => {
    const folded = fold([line]);
    expect(folded.events).toEqual([{ ...event, offset: 1 }]);
    expect(folded.unknown).toEqual({});
  });

  test("that is not understood is counted, and says that the session lives (F42)", () => {
    const { events, unknown } = fold([
      "{torn",
      "[1]",
      "null",
      { type: "telepathy" },
      { type: "telepathy" },
      { no: "type" },
      system("levitation"),
      { type: "system" },
      { type: "control_request", request_id: "r1", request: { subtype: "hook_callback" } },
    ]);
    expect(unknown).toEqual({
      "not json": 3,
      telepathy: 2,
      "?": 1,
      "system/levitation": 1,
      "system/null": 1,
      "control_request/hook_callback": 1,
    });
    expect(events).toEqual(Array.from({ length: 9 }, (_, i) => ({ is: "alive", offset: i + 1 })));
  });

  test("with wrong types everywhere is survived (F42)", () => {
    const { events } = fold([
      { type: 1 },
      { type: "assistant", message: "x" },
      { type: "assistant", message: { id: 7, content: { type: "text" } } },
      { type: "assistant", message: { id: "a", content: [null, "x", { type: "text", text: 1 }] } },
      { type: "assistant", message: { id: "b", content: [{ type: "tool_use" }] } },
      { type: "control_request", request: { subtype: "can_use_tool", input: "x" } },
      { type: "result", total_cost_usd: "much", model_usage_since_last_result: { m: 1 } },
      idle,
    ]);
    expect(events.filter(({ is }) => is === "asked" || is === "used_tool")).toMatchObject([
      { is: "used_tool", tool: "?", text: "?" },
      { is: "asked", ask: "", tool: "?", rule: "?()" },
    ]);
    expect(events.at(-1)).toMatchObject({ is: "round_ended", failure: null, text: "", usd: 0 });
  });
});

describe("a message of the model", () => {
  test("is one turn, however many lines it comes in, and its blocks are told in order", () => {
    const { events } = fold([
      assistant("a", [
        { type: "thinking", thinking: "hm" },
        { type: "text", text: "I run it" },
      ]),
      assistant("a", [{ type: "tool_use", name: "Bash", input: { command: "ls" } }]),
      assistant("b", [{ type: "text", text: "end" }]),
    ]);
    expect(events).toEqual([
      { is: "turn", context: null, offset: 1 },
      { is: "said", text: "I run it", offset: 1 },
      { is: "used_tool", tool: "Bash", text: "Bash: ls", offset: 2 },
      { is: "turn", context: null, offset: 3 },
      { is: "said", text: "end", offset: 3 },
    ]);
  });

  test("says how much it read and wrote: what the next call begins with", () => {
    const usage = {
      input_tokens: 4,
      cache_read_input_tokens: 120_000,
      cache_creation_input_tokens: 20_000,
      output_tokens: 30,
      server_tool_use: { web_search_requests: 7 },
    };
    const odd = { input_tokens: "many", output_tokens: 5 };
    const { events } = fold([
      { type: "assistant", message: { id: "a", usage, content: [] } },
      { type: "assistant", message: { id: "b", usage: odd, content: [] } },
    ]);
    expect(events).toMatchObject([
      { is: "turn", context: 140_034 },
      { is: "turn", context: 5 },
    ]);
  });

  test("is no turn where a subagent or the program itself says it", () => {
    const { events } = fold([
      assistant("a", [{ type: "text", text: "x" }], { parent_tool_use_id: "t1" }),
      { type: "assistant", message: { id: "b", model: "<synthetic>", content: [] } },
    ]);
    expect(events.filter(({ is }) => is === "turn")).toEqual([]);
  });
});

describe("a request for permission", () => {
  const asked = (tool_name: string, input: unknown) =>
    fold([
      {
        type: "control_request",
        request_id: "r1",
        request: { subtype: "can_use_tool", tool_name, input },
      },
    ]).events[0];

  test.each([
    ["Bash", { command: "rm x" }, "Bash: rm x", "Bash(rm x)"],
    ["Write", { file_path: "/a", content: "" }, "Write: /a", "Write(/a)"],
    ["WebFetch", { url: "u", prompt: "p" }, "WebFetch: u", 'WebFetch({"url":"u","prompt":"p"})'],
  ])("of %s carries its input and the narrowest rule", (tool, input, text, rule) => {
    expect(asked(tool, input)).toEqual({
      is: "asked",
      ask: "r1",
      kind: "permission",
      tool,
      text,
      input,
      rule,
      offset: 1,
    });
  });

  test("is a question where it is one, which no rule answers", () => {
    const questions = [
      { question: "Which?", options: [{ label: "a" }, { label: "b" }] },
      { question: "Why?" },
    ];
    expect(asked("AskUserQuestion", { questions })).toMatchObject({
      kind: "question",
      text: "Which? (a / b)\nWhy?",
      rule: null,
    });
  });
});

describe("a round", () => {
  test("ends with its result once the session is idle", () => {
    expect(fold([result()]).events).toEqual([{ is: "alive", offset: 1 }]);
    expect(fold([result(), lifecycle("u1", "completed"), idle]).events).toEqual([
      { is: "alive", offset: 1 },
      { is: "taken", uuid: "u1", offset: 2 },
      { is: "state", state: "idle", offset: 3 },
      { is: "round_ended", failure: null, text: "done", usd: 0, offset: 3 },
    ]);
  });

  test("with several results is one end: the last result, all of the cost", () => {
    const spent = (costUSD: number) => ({ model_usage_since_last_result: { m: { costUSD } } });
    const lines = [
      result({ result: "one", ...spent(0.25) }),
      result({ result: "two", ...spent(0.5) }),
    ];
    expect(ends([...lines, idle])).toEqual([
      { is: "round_ended", failure: null, text: "two", usd: 0.75, offset: 3 },
    ]);
  });

  test("costs what came since the last result, over all models, never a cumulative sum", () => {
    const usage = { m: { costUSD: 0.25 }, n: { costUSD: 0.5 }, odd: { costUSD: "1" } };
    const first = result({ total_cost_usd: 8.75, model_usage_since_last_result: usage });
    const second = result({ total_cost_usd: 8.75, model_usage_since_last_result: {} });
    expect(ends([first, idle, second, idle])).toMatchObject([{ usd: 0.75 }, { usd: 0 }]);
  });

  test("of a binary that does not say costs the growth of the total", () => {
    const totals = [0.5, 0.75, 0.25].flatMap((total) => [result({ total_cost_usd: total }), idle]);
    expect(ends(totals)).toMatchObject([{ usd: 0.5 }, { usd: 0.25 }, { usd: 0 }]);
  });

  test("whose message was already known is void, and the message is taken all the same", () => {
    expect(fold([lifecycle("u1", "completed"), idle]).events).toEqual([
      { is: "taken", uuid: "u1", offset: 1 },
      { is: "state", state: "idle", offset: 2 },
      { is: "round_ended", failure: "void", text: "", usd: 0, offset: 2 },
    ]);
  });

  test("whose message was called back before it ran was interrupted", () => {
    expect(ends([lifecycle("u1", "queued"), lifecycle("u1", "cancelled"), idle])).toMatchObject([
      { failure: { is: "interrupted" } },
    ]);
    const cut = failed("aborted_tools", { subtype: "error_during_execution" });
    expect(ends([cut, lifecycle("u1", "cancelled"), idle])).toHaveLength(1);
  });

  test("does not end with an acknowledgment, nor with an idle that nothing came before", () => {
    expect(ends([idle, lifecycle("u1", "queued"), lifecycle("u1", "started"), idle])).toEqual([]);
    expect(ends([result(), lifecycle("u1", "completed"), idle, idle])).toHaveLength(1);
  });

  test("ends with the stream where its idle is missing, but not for a message alone", () => {
    expect(
      fold([failed("completed")])
        .end()
        .at(-1),
    ).toMatchObject({ is: "round_ended", offset: 1 });
    expect(
      fold([lifecycle("u1", "completed"), running])
        .end()
        .at(-1),
    ).toMatchObject({
      is: "state",
    });
  });

  test("tells a message's states once", () => {
    const states = ["queued", "started", "completed"].map((name) => lifecycle("u1", name));
    const { events } = fold([...states, lifecycle("u2", "queued")]);
    expect(events.filter(({ is }) => is === "taken")).toMatchObject([
      { uuid: "u1", offset: 1 },
      { uuid: "u2", offset: 4 },
    ]);
  });
});

describe("a limit", () => {
  const limited = failed("api_error", { api_error_status: 429, result: "limit" });
  const retryAt = (lines: readonly object[]) =>
    ends([...lines, limited, idle]).map(({ failure }) => failure);

  test("that is reached says when to come back, in this round only", () => {
    const rejected = rateLimit({ status: "rejected", resetsAt: 10 });
    expect(retryAt([rejected])).toMatchObject([{ retryAt: 10_000 }]);
    expect(retryAt([rejected, result(), idle])).toMatchObject([null, { retryAt: null }]);
  });

  test("that is not reached says nothing", () => {
    expect(retryAt([rateLimit({ status: "allowed", resetsAt: 10 })])).toMatchObject([
      { retryAt: null },
    ]);
    const [rejected, allowed] = ["rejected", "allowed_warning"].map((status) =>
      rateLimit({ status, resetsAt: 10 }),
    );
    expect(retryAt([rejected ?? {}, allowed ?? {}])).toMatchObject([{ retryAt: null }]);
  });
});
