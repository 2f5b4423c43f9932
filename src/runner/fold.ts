/**
 * The fold of a session's stream into agent events: pure, the same for both runners, restartable from the first byte. A round
 * ends with a `result` once the session is idle (or gone), never with an acknowledgment; several results of one round are one
 * end. An end is classified by `is_error`, `terminal_reason` and the API's status, never by exit code or subtype alone
 * (claude-code.md §1.5, §3).
 */
import type { RoundFailure } from "../core/inputs.ts";
import type { AgentEvent } from "../core/runner.ts";
import {
  type Json,
  isJson,
  list,
  number,
  object,
  parseLine,
  questionText,
  text,
  toolText,
} from "./messages.ts";
import { type ApiError, type Limit, apiErrorOf, classify, sinceLast } from "./result.ts";

type Bare<T> = T extends unknown ? Omit<T, "offset"> : never;
type Emit = (event: Bare<AgentEvent>) => void;

interface Result {
  readonly failure: RoundFailure | null;
  readonly text: string;
  readonly usd: number;
}

export interface Fold {
  /** Folds one line that ends at byte `end`. */
  line(line: Buffer, end: number): void;
  /** The stream is over: a result that waits for its idle is the end of its round. */
  end(offset: number): void;
  /** Lines and message types that were not understood. */
  readonly unknown: ReadonlyMap<string, number>;
}

/** What is known of the stream so far. */
interface State {
  readonly unknown: Map<string, number>;
  /** Ids of model messages and of messages that were taken: each is told once. */
  readonly turns: Set<string>;
  readonly taken: Set<string>;
  /** The results of the round. */
  results: Result[];
  /** How the newest message was closed; it ends a round only where no result does. */
  closed: "completed" | "cancelled" | null;
  totalUsd: number;
  limit: Limit | null;
  apiError: ApiError | null;
}

/** Opens a fold; events are given to `onEvent` in order. */
export function foldStream(onEvent: (event: AgentEvent) => void): Fold {
  const state: State = {
    unknown: new Map(),
    turns: new Set(),
    taken: new Set(),
    results: [],
    closed: null,
    totalUsd: 0,
    limit: null,
    apiError: null,
  };
  return {
    unknown: state.unknown,
    line(line, end) {
      let emitted = false;
      const emit: Emit = (event) => {
        emitted = true;
        onEvent({ ...event, offset: end });
      };
      const json = parseLine(line);
      if (json === undefined) count(state, "not json");
      else onLine(state, json, emit);
      if (!emitted) emit({ is: "alive" });
    },
    end(offset) {
      // A message that was closed is no end of a round that was cut off.
      if (state.results.length > 0) endRound(state, (event) => onEvent({ ...event, offset }));
    },
  };
}

function onLine(state: State, json: Json, emit: Emit): void {
  const type = text(json, "type");
  switch (type) {
    case "system":
      return onSystem(state, json, emit);
    case "assistant":
      return onAssistant(state, json, emit);
    case "user":
      return onUser(json, emit);
    case "result":
      return onResult(state, json);
    case "command_lifecycle":
      return onLifecycle(state, json, emit);
    case "control_request":
      return onControlRequest(state, json, emit);
    case "control_cancel_request":
      return emit({ is: "ask_withdrawn", ask: text(json, "request_id") ?? "" });
    case "rate_limit_event":
      return onRateLimit(state, json, emit);
    default:
      if (!knownTypes.has(type ?? "")) count(state, type ?? "?");
  }
}

/** Read and left alone on purpose. */
const knownTypes = new Set([
  "control_response",
  "stream_event",
  "tool_progress",
  "tool_use_summary",
  "keep_alive",
  "auth_status",
  "active_goal",
  "conversation_reset",
  "prompt_suggestion",
]);
const knownSystem = new Set([
  "compact_boundary",
  "permission_denied",
  "task_started",
  "task_progress",
  "task_updated",
  "task_notification",
  "background_tasks_changed",
  "thinking_tokens",
  "informational",
  "model_fallback",
  "session_title_changed",
  "ui_invalidate",
  "files_persisted",
  "notification",
  "commands_changed",
]);

function count({ unknown }: State, key: string): void {
  unknown.set(key, (unknown.get(key) ?? 0) + 1);
}

function onSystem(state: State, json: Json, emit: Emit): void {
  const subtype = text(json, "subtype");
  switch (subtype) {
    case "init":
      return emit({
        is: "ready",
        version: text(json, "claude_code_version"),
        model: text(json, "model"),
      });
    case "session_state_changed":
      return onState(state, text(json, "state"), emit);
    case "api_retry":
      return emit({
        is: "retrying",
        status: number(json, "error_status"),
        delayMs: number(json, "retry_delay_ms") ?? 0,
        attempt: number(json, "attempt") ?? 0,
      });
    case "status":
      if (text(json, "status") === "compacting") emit({ is: "compacting" });
      return;
    default:
      if (!knownSystem.has(subtype ?? "")) count(state, `system/${subtype}`);
  }
}

function onState(state: State, name: string | null, emit: Emit): void {
  if (name !== "running" && name !== "requires_action" && name !== "idle") return;
  emit({ is: "state", state: name });
  if (name === "idle") endRound(state, emit);
}

function endRound(state: State, emit: Emit): void {
  const { results, closed } = state;
  const last = results.at(-1);
  if (last === undefined && closed === null) return;
  const without = closed === "cancelled" ? ({ is: "interrupted" } as const) : "void";
  emit({
    is: "round_ended",
    failure: last === undefined ? without : last.failure,
    text: last?.text ?? "",
    usd: results.reduce((sum, { usd }) => sum + usd, 0),
  });
  Object.assign(state, { results: [], closed: null, limit: null, apiError: null });
}

function onAssistant(state: State, json: Json, emit: Emit): void {
  const { turns } = state;
  state.apiError = apiErrorOf(json) ?? state.apiError;
  const message = object(json, "message");
  const id = text(message, "id");
  if (text(json, "parent_tool_use_id") === null && id !== null && !turns.has(id)) {
    turns.add(id);
    if (text(message, "model") !== "<synthetic>") emit({ is: "turn", context: contextOf(message) });
  }
  for (const block of list(message, "content")) {
    const said = text(block, "text");
    if (text(block, "type") === "text" && said !== null) emit({ is: "said", text: said });
    if (text(block, "type") === "tool_use") {
      const tool = text(block, "name") ?? "?";
      emit({ is: "used_tool", tool, text: toolText(tool, block["input"]) });
    }
  }
}

/** What the model read and wrote in this call is what the session's next one begins with (claude-code.md §9). */
function contextOf(message: Json | undefined): number | null {
  const usage = object(message, "usage");
  if (usage === undefined) return null;
  return [
    "input_tokens",
    "cache_read_input_tokens",
    "cache_creation_input_tokens",
    "output_tokens",
  ].reduce((sum, name) => sum + (number(usage, name) ?? 0), 0);
}

function onUser(json: Json, emit: Emit): void {
  const blocks = list(object(json, "message"), "content");
  if (blocks.some((block) => text(block, "type") === "tool_result")) emit({ is: "tool_done" });
}

function onResult(state: State, json: Json): void {
  const total = number(json, "total_cost_usd") ?? state.totalUsd;
  const usd = sinceLast(json) ?? Math.max(0, total - state.totalUsd);
  state.totalUsd = total;
  const failure = classify(json, state.limit, state.apiError);
  state.results.push({ failure, text: text(json, "result") ?? "", usd });
}

function onLifecycle(state: State, json: Json, emit: Emit): void {
  const uuid = text(json, "command_uuid");
  const name = text(json, "state");
  if (name === "completed" || name === "cancelled") state.closed = name;
  // A message from before a resume is only ever said to be completed: that it was taken follows from any state.
  if (uuid === null || state.taken.has(uuid)) return;
  state.taken.add(uuid);
  emit({ is: "taken", uuid });
}

function onControlRequest(state: State, json: Json, emit: Emit): void {
  const request = object(json, "request");
  const subtype = text(request, "subtype");
  if (subtype !== "can_use_tool") return count(state, `control_request/${subtype}`);
  const tool = text(request, "tool_name") ?? "?";
  const input = request?.["input"];
  const isQuestion = tool === "AskUserQuestion";
  emit({
    is: "asked",
    ask: text(json, "request_id") ?? "",
    kind: isQuestion ? "question" : "permission",
    tool,
    text: isQuestion ? questionText(input) : toolText(tool, input),
    input,
    rule: isQuestion ? null : exactRule(tool, input),
  });
}

/** The narrowest rule that covers a request: the tool with exactly this input. An answer is remembered for that and no more. */
function exactRule(tool: string, input: unknown): string {
  const what = isJson(input)
    ? (text(input, "command") ?? text(input, "file_path") ?? JSON.stringify(input))
    : "";
  return `${tool}(${what})`;
}

/** Only a limit that is reached says when to come back; every response of a subscription tells of those that are not. */
function onRateLimit(state: State, json: Json, emit: Emit): void {
  const info = object(json, "rate_limit_info");
  const seconds = number(info, "resetsAt");
  const status = text(info, "status") ?? "unknown";
  const limit: Limit = {
    resetsAt: seconds === null ? null : seconds * 1000,
    window: text(info, "rateLimitType"),
  };
  state.limit = status === "rejected" ? limit : null;
  emit({ is: "limited", status, ...limit });
}
