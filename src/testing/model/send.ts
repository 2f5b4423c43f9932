/** Puts an answer on the wire: status, headers, JSON or server-sent events, and everything that can go wrong on the way. */
import type { ServerResponse } from "node:http";
import { setTimeout as wait } from "node:timers/promises";
import type { Answer } from "./answer.ts";
import type { MessageContext, SseEvent } from "./message.ts";
import { apiMessage, estimateTokens, newId, sseEvents, sseText } from "./message.ts";
import type { ModelRequest } from "./request.ts";
import type { FailureStep } from "./script.ts";

/** Error types by status, as the Messages API names them. */
const errorTypes: Readonly<Record<number, string>> = {
  400: "invalid_request_error",
  401: "authentication_error",
  402: "billing_error",
  403: "permission_error",
  404: "not_found_error",
  413: "request_too_large",
  429: "rate_limit_error",
  500: "api_error",
  529: "overloaded_error",
};

/** Sends the answer; returns when it is sent, when it failed on purpose, or when the client has left. */
export async function send(
  response: ServerResponse,
  request: ModelRequest,
  answer: Answer,
): Promise<void> {
  const gone = new AbortController();
  response.once("close", () => gone.abort());
  try {
    if (answer.delayMs > 0) await wait(answer.delayMs, undefined, { signal: gone.signal });
    await sendNow(response, request, answer, gone.signal);
  } catch (error) {
    // The client has left: nobody is there to answer.
    if (!gone.signal.aborted) throw error;
  }
}

async function sendNow(
  response: ServerResponse,
  request: ModelRequest,
  answer: Answer,
  gone: AbortSignal,
): Promise<void> {
  const { failure, headers } = answer;
  if (failure !== null && "status" in failure) {
    sendError(response, failure.status, {
      ...failure,
      headers: { ...headers, ...failure.headers },
    });
    return;
  }
  if (failure !== null && "hang" in failure && failure.hang === "headers") return;
  if (request.kind === "count") {
    sendJson(response, 200, { input_tokens: estimateTokens(request.bytes.body) }, headers);
    return;
  }
  if (request.stream) await sendStream(response, request, answer, gone);
  else sendWhole(response, request, answer);
}

function contextOf(request: ModelRequest): MessageContext {
  const { system, tools, messages } = request.bytes;
  const inputTokens = estimateTokens(system + tools + messages);
  return { model: request.model, inputTokens, hasTools: request.tools.length > 0 };
}

function sendWhole(response: ServerResponse, request: ModelRequest, answer: Answer): void {
  const { failure } = answer;
  if (failure !== null && "sseError" in failure) {
    sendError(response, 500, { message: failure.sseError });
    return;
  }
  const body = JSON.stringify(apiMessage(answer.message, contextOf(request)));
  if (failure === null) {
    response.writeHead(200, jsonHeaders(answer.headers)).end(body);
    return;
  }
  response.writeHead(
    200,
    jsonHeaders({ ...answer.headers, "content-length": String(Buffer.byteLength(body)) }),
  );
  response.write(body.slice(0, body.length / 2), () => {
    if ("drop" in failure) response.destroy();
  });
}

async function sendStream(
  response: ServerResponse,
  request: ModelRequest,
  answer: Answer,
  gone: AbortSignal,
): Promise<void> {
  const { message: step, failure } = answer;
  const events = sseEvents(apiMessage(step, contextOf(request)), step.deltas);
  response.writeHead(200, {
    "content-type": "text/event-stream; charset=utf-8",
    "cache-control": "no-cache",
    "request-id": newId("req"),
    ...answer.headers,
  });
  // Half of the events, and at least a block that has begun: what the client has then is of no use to it.
  const cut = failure === null ? events.length : Math.max(2, Math.floor(events.length / 2));
  for (const event of events.slice(0, cut)) {
    if (event.type === "content_block_delta" && step.deltaDelayMs !== undefined) {
      await wait(step.deltaDelayMs, undefined, { signal: gone });
    }
    await write(response, event, gone);
  }
  if (failure === null) response.end();
  else await breakStream(response, failure, gone);
}

async function breakStream(
  response: ServerResponse,
  failure: FailureStep,
  gone: AbortSignal,
): Promise<void> {
  if ("drop" in failure) response.destroy();
  if (!("sseError" in failure)) return;
  const type = failure.errorType ?? "overloaded_error";
  await write(response, { type: "error", error: { type, message: failure.sseError } }, gone);
  response.end();
}

/** Resolves when the text has been handed to the socket. */
function write(response: ServerResponse, event: SseEvent, gone: AbortSignal): Promise<void> {
  return new Promise((resolve, reject) => {
    if (gone.aborted) reject(new Error("the client has left"));
    else response.write(sseText(event), (error) => (error ? reject(error) : resolve()));
  });
}

/** An error body of the Messages API. */
export function sendError(
  response: ServerResponse,
  status: number,
  options: {
    readonly message?: string;
    readonly errorType?: string;
    readonly errorCode?: string;
    readonly headers?: Readonly<Record<string, string>>;
  },
): void {
  const type =
    options.errorType ??
    errorTypes[status] ??
    (status < 500 ? "invalid_request_error" : "api_error");
  const { errorCode, message = `scripted ${status}` } = options;
  const details = errorCode === undefined ? {} : { details: { error_code: errorCode } };
  const error = { type, message, ...details };
  sendJson(
    response,
    status,
    { type: "error", error, request_id: newId("req") },
    options.headers ?? {},
  );
}

/** A JSON body with a request id. */
export function sendJson(
  response: ServerResponse,
  status: number,
  body: unknown,
  headers: Readonly<Record<string, string>> = {},
): void {
  response.writeHead(status, jsonHeaders(headers)).end(JSON.stringify(body));
}

function jsonHeaders(headers: Readonly<Record<string, string>>): Record<string, string> {
  return { "content-type": "application/json", "request-id": newId("req"), ...headers };
}
