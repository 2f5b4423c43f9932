/** One model response: the scripted model asked in this process, with the retries of the real program but shorter waits. */
import { setTimeout as wait } from "node:timers/promises";
import type { Answer, Answerer } from "../model/answer.ts";
import type { Message } from "../model/conversation.ts";
import { newestUserText } from "../model/conversation.ts";
import type { ApiMessage, SseEvent } from "../model/message.ts";
import { apiMessage, estimateTokens, sseEvents } from "../model/message.ts";
import type { FailureStep } from "../model/script.ts";
import type { Wire } from "./wire.ts";
import { apiRetry, rateLimitEvent } from "./wire.ts";

export interface Responder {
  readonly answerer: Answerer;
  readonly model: string;
  readonly tools: readonly string[];
  /** As `CLAUDE_CODE_MAX_RETRIES` says. */
  readonly maxRetries: number;
  readonly signal: AbortSignal;
  emit(message: Wire): void;
  /** Each event of the stream, at its time. */
  onEvent(event: SseEvent, message: ApiMessage): void;
}

export interface ApiError {
  readonly status: number | null;
  readonly error: string;
  /** What else the line of the error says, in the API's words. */
  readonly more: Wire;
  readonly text: string;
}

/** Bytes of system prompt and tools that the real program sends with the flags that muster gives it. */
const promptBytes = 17_000;
/** At a longer `retry-after` the real program gives up at once. */
const longestRetryMs = 60_000;
/** Without a fallback model the real program gives up on 529 after two retries. */
const overloadedRetries = 2;
/** The first wait between tries; the real program begins with 500 ms. */
const firstRetryMs = 20;

/** Asks until there is a message or no try is left. Throws AbortError once the signal aborts. */
export async function respond(
  messages: readonly Message[],
  responder: Responder,
): Promise<{ readonly message: ApiMessage } | { readonly error: ApiError }> {
  for (let attempt = 1; ; attempt++) {
    const answer = responder.answerer.answer(requestOf(messages, responder));
    const { failure } = answer;
    if (failure === null) return { message: await stream(answer, messages, responder) };
    // A hanging API is noticed by nobody here: an interrupt or a signal ends it.
    if ("hang" in failure) await forever(responder.signal);
    const retries = retriesFor(failure, responder.maxRetries);
    const error = errorOf(failure);
    if (isSubscriptionLimit(failure)) responder.emit(rateLimitEvent(resetOf(failure)));
    if (attempt > retries) return { error };
    const retryMs = Math.max(retryAfterMs(failure), firstRetryMs * 2 ** (attempt - 1));
    const fields = { attempt, max_retries: retries, retry_delay_ms: retryMs };
    responder.emit(apiRetry({ ...fields, error_status: error.status, error: error.error }));
    await wait(retryMs, undefined, { signal: responder.signal });
  }
}

async function stream(
  answer: Answer,
  messages: readonly Message[],
  responder: Responder,
): Promise<ApiMessage> {
  const { signal } = responder;
  const inputTokens = estimateTokens(promptBytes + JSON.stringify(messages).length);
  const context = { model: responder.model, inputTokens, hasTools: responder.tools.length > 0 };
  const message = apiMessage(answer.message, context);
  if (answer.delayMs > 0) await wait(answer.delayMs, undefined, { signal });
  for (const event of sseEvents(message, answer.message.deltas)) {
    const isDelta = event.type === "content_block_delta";
    if (isDelta) await wait(answer.message.deltaDelayMs ?? 0, undefined, { signal });
    responder.onEvent(event, message);
  }
  return message;
}

function requestOf(
  messages: readonly Message[],
  { model, tools }: Responder,
): Parameters<Answerer["answer"]>[0] {
  return {
    kind: "main",
    model,
    stream: true,
    system: "",
    tools,
    messages,
    newestUserText: newestUserText(messages),
    sessionId: null,
    retryCount: 0,
    userAgent: "",
    bytes: { body: 0, system: 0, tools: 0, messages: 0 },
  };
}

function forever(signal: AbortSignal): Promise<never> {
  return new Promise((_, reject) => {
    const abort = (): void => reject(new DOMException("interrupted", "AbortError"));
    if (signal.aborted) abort();
    else signal.addEventListener("abort", abort, { once: true });
  });
}

function retriesFor(failure: FailureStep, maxRetries: number): number {
  if (!("status" in failure)) return maxRetries;
  if (isSubscriptionLimit(failure) || retryAfterMs(failure) > longestRetryMs) return 0;
  if (failure.status === 529) return Math.min(overloadedRetries, maxRetries);
  return failure.status >= 500 || [401, 408, 409, 429].includes(failure.status) ? maxRetries : 0;
}

function headersOf(failure: FailureStep): Readonly<Record<string, string>> {
  return "status" in failure ? (failure.headers ?? {}) : {};
}

/** The headers with which the API tells a subscription that its window is used up. */
function isSubscriptionLimit(failure: FailureStep): boolean {
  return headersOf(failure)["anthropic-ratelimit-unified-status"] === "rejected";
}

function resetOf(failure: FailureStep): number {
  return Number(headersOf(failure)["anthropic-ratelimit-unified-reset"] ?? 0);
}

function retryAfterMs(failure: FailureStep): number {
  return Number(headersOf(failure)["retry-after"] ?? 0) * 1000;
}

const errorNames: Readonly<Record<number, string>> = {
  400: "invalid_request",
  401: "authentication_failed",
  403: "authentication_failed",
  404: "model_not_found",
  429: "rate_limit",
  529: "overloaded",
};

function errorOf(failure: FailureStep): ApiError {
  if (!("status" in failure))
    return { more: {}, status: null, error: "server_error", text: "API Error: Connection error." };
  const { status } = failure;
  const error = errorNames[status] ?? (status >= 500 ? "server_error" : "unknown");
  const { errorType, errorCode } = failure;
  const more = {
    ...(errorType === undefined ? {} : { api_error_type: errorType }),
    ...(errorCode === undefined ? {} : { api_error_code: errorCode }),
  };
  return {
    more,
    status,
    error,
    text: `API Error: ${status} ${failure.message ?? `scripted ${status}`}`,
  };
}
