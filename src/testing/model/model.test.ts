import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { script } from "./marker.ts";
import type { Model, ModelOptions } from "./model.ts";
import { startModel } from "./model.ts";
import type { Steps } from "./script.ts";
import { bash, say } from "./steps.ts";

let model: Model;
beforeEach(async () => {
  model = await startModel();
});
afterEach(() => model.close());

async function post(body: object, path = "/v1/messages?beta=true", to = model): Promise<Response> {
  const headers = {
    "content-type": "application/json",
    "x-claude-code-session-id": "s1",
    "x-stainless-retry-count": "2",
  };
  return fetch(to.url + path, {
    method: "POST",
    headers,
    body: JSON.stringify(body),
    signal: AbortSignal.timeout(5_000),
  });
}

function request(text: string, more: object = {}): object {
  return {
    model: "m1",
    tools: [{ name: "Bash" }],
    messages: [{ role: "user", content: text }],
    ...more,
  };
}

const scripted = (steps: Steps, more: object = {}): object => request(script(steps), more);

async function restart(options: ModelOptions): Promise<void> {
  await model.close();
  model = await startModel(options);
}

describe("the scripted model answers", () => {
  test("one JSON message without streaming", async () => {
    const body: unknown = await (await post(scripted([bash("ls")]))).json();
    expect(body).toMatchObject({ type: "message", model: "m1", stop_reason: "tool_use" });
  });

  test("server-sent events with streaming", async () => {
    const response = await post(
      scripted([say("hello", { deltas: 2, deltaDelayMs: 1 })], { stream: true }),
    );
    expect(response.headers.get("content-type")).toMatch("text/event-stream");
    const text = await response.text();
    expect(text.startsWith("event: message_start\ndata: {")).toBe(true);
    expect(text.match(/text_delta/g)).toHaveLength(2);
    expect(text.trimEnd().endsWith('{"type":"message_stop"}')).toBe(true);
  });

  test("token counts, health checks and the model list", async () => {
    const count: unknown = await (
      await post(request("x".repeat(400)), "/v1/messages/count_tokens")
    ).json();
    expect(count).toEqual({ input_tokens: expect.any(Number) });
    expect((await fetch(model.url, { method: "HEAD" })).status).toBe(200);
    expect((await fetch(`${model.url}/v1/models`)).status).toBe(200);
    expect((await fetch(`${model.url}/elsewhere`)).status).toBe(404);
  });

  test("what its function and its rules say", async () => {
    await restart({
      script: (asked) =>
        asked.newestUserText === "hello" ? say(`you said ${asked.newestUserText}`) : undefined,
      rules: [{ match: "bye", steps: [say("farewell")] }],
    });
    expect(await (await post(request("hello"))).text()).toContain("you said hello");
    expect(await (await post(request("bye"))).text()).toContain("farewell");
  });

  test("400 to a body or a marker that it cannot read", async () => {
    const broken = await fetch(`${model.url}/v1/messages`, { method: "POST", body: "{" });
    expect(broken.status).toBe(400);
    const marker = await post(request("[[script:bm8]]"));
    expect(marker.status).toBe(400);
    expect(await marker.text()).toContain("the script marker is not JSON");
  });
});

describe("the scripted model fails on purpose", () => {
  test("with a status for the first tries only, over all sessions, until it is reset", async () => {
    const body = scripted([
      { status: 429, headers: { "retry-after": "7" }, times: 2 },
      say("at last"),
    ]);
    const first = await post(body);
    expect([first.status, first.headers.get("retry-after")]).toEqual([429, "7"]);
    expect(await first.json()).toMatchObject({
      type: "error",
      error: { type: "rate_limit_error" },
    });
    expect((await post(body)).status).toBe(429);
    expect(await (await post(body)).text()).toContain("at last");
    model.reset();
    expect((await post(body)).status).toBe(429);
  });

  test.each([true, false])("with a socket destroyed in the middle (stream: %s)", async (stream) => {
    const body = scripted([{ drop: "mid-stream", times: 1 }, say("whole")], { stream });
    await expect(post(body).then((response) => response.text())).rejects.toThrow();
    expect(await (await post(body)).text()).toContain("whole");
  });

  test("with an error event, which is status 500 without streaming", async () => {
    const steps: Steps = [{ sseError: "oops" }];
    expect(await (await post(scripted(steps, { stream: true }))).text()).toContain(
      'event: error\ndata: {"type":"error"',
    );
    expect((await post(scripted(steps))).status).toBe(500);
  });

  test("with silence that ends when the client leaves or the model closes", async () => {
    const leave = new AbortController();
    const body = JSON.stringify(scripted([{ hang: "headers" }]));
    const hanging = fetch(`${model.url}/v1/messages`, {
      method: "POST",
      body,
      signal: leave.signal,
    });
    await model.waitFor((seen) => seen.answer.failure === "hang headers", 5_000);
    leave.abort();
    await expect(hanging).rejects.toThrow();
    const open = await post(scripted([{ hang: "stream" }, say("x")], { stream: true }));
    expect(open.status).toBe(200);
    await model.close();
    await expect(open.text()).rejects.toThrow();
  });
});

describe("forced rules", () => {
  test("hold for the requests that fit, so often as they say, in order", async () => {
    model.force({ status: 529, model: "other" });
    model.force({ status: 503, times: 2, headers: { "x-extra": "1" } });
    const body = scripted([say("fine")]);
    const first = await post(body);
    expect([first.status, first.headers.get("x-extra")]).toEqual([503, "1"]);
    expect((await post(body)).status).toBe(503);
    expect((await post(body)).status).toBe(200);
    expect((await post({ ...body, model: "other" })).status).toBe(529);
  });

  test("leave the tries of the script alone, and can delay or only add headers", async () => {
    const body = scripted([{ status: 429, times: 1 }, say("fine")]);
    model.force({ drop: true, kind: "main" });
    await expect(post(body).then((response) => response.text())).rejects.toThrow();
    model.force({ delayMs: 30, headers: { "x-slow": "1" } });
    const startedAt = performance.now();
    const slow = await post(body);
    expect([slow.status, slow.headers.get("x-slow")]).toEqual([429, "1"]);
    expect(performance.now() - startedAt).toBeGreaterThan(25);
    expect((await post(body)).status).toBe(200);
  });
});

describe("the request log", () => {
  test("says what came and what it was answered with", async () => {
    const system = [{ type: "text", text: "Be brief." }];
    await post(request(`Do it ${script([bash("ls")])}`, { system }));
    expect(model.requests()).toMatchObject([
      {
        seq: 1,
        kind: "main",
        model: "m1",
        stream: false,
        system: "Be brief.",
        tools: ["Bash"],
        messageCount: 1,
      },
    ]);
    expect(model.requests()[0]).toMatchObject({
      sessionId: "s1",
      retryCount: 2,
      answer: { step: 0, tools: ["Bash"], failure: null },
    });
    expect(model.requests()[0]?.newestUserText).toMatch(/^Do it \[\[script:/);
  });

  test("tells the kinds apart", async () => {
    await post(request("x", { tools: [] }));
    await post(request("x"), "/v1/messages/count_tokens");
    await post(request("Your task is to create a detailed summary of it all, in <summary> tags."));
    expect(model.requests().map((seen) => seen.kind)).toEqual(["side", "count", "compact"]);
  });

  test("finds a request that came and one that is still to come, and gives up in time", async () => {
    await post(request("first"));
    expect(await model.waitFor((seen) => seen.newestUserText === "first", 1_000)).toMatchObject({
      seq: 1,
    });
    const second = model.waitFor((seen) => seen.newestUserText === "second", 5_000);
    await post(request("second"));
    expect(await second).toMatchObject({ seq: 2 });
    await expect(model.waitFor(() => false, 10)).rejects.toThrow(
      /^no such request to the scripted model in 10 ms, 2 others came$/,
    );
  });

  test("keeps nothing where it is told so", async () => {
    await restart({ log: false });
    const seen = model.waitFor(() => true, 5_000);
    await post(request("x"));
    expect(await seen).toMatchObject({ seq: 1 });
    expect(model.requests()).toEqual([]);
  });
});
