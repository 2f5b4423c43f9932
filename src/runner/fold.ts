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

/** Opens a fold; events are given to `onEvent` in order. */
export function foldStream(onEvent: (event: AgentEvent) => void): Fold {
  const unknown = new Map<string, number>();
  const seenTurns = new Set<string>();
  const taken = new Set<string>();
  let results: Result[] = [];
  /** How the newest message was closed; it ends a round only where no result does. */
  let closed: "completed" | "cancelled" | null = null;
  let totalUsd = 0;
  let limit: { resetsAt: number | null; window: string | null } | undefined;

  const endRound = (emit: Emit): void => {
    const last = results.at(-1);
    if (last === undefined && closed === null) return;
    const usd = results.reduce((sum, result) => sum + result.usd, 0);
    const without = closed === "cancelled" ? ({ is: "interrupted" } as const) : "void";
    emit({
      is: "round_ended",
      failure: last === undefined ? without : last.failure,
      text: last?.text ?? "",
      usd,
    });
    results = [];
    closed = null;
  };

  const onLifecycle = (json: Json, emit: Emit): void => {
    const uuid = text(json, "command_uuid");
    const state = text(json, "state");
    if (state === "completed" || state === "cancelled") closed = state;
    // A message from before a resume is only ever said to be completed: that it was taken follows from any state.
    if (uuid === null || taken.has(uuid)) return;
    taken.add(uuid);
    emit({ is: "taken", uuid });
  };

  const onSystem = (json: Json, emit: Emit): void => {
    const subtype = text(json, "subtype");
    switch (subtype) {
      case "init":
        emit({
          is: "ready",
          version: text(json, "claude_code_version"),
          model: text(json, "model"),
        });
        return;
      case "session_state_changed": {
        const state = text(json, "state");
        if (state !== "running" && state !== "requires_action" && state !== "idle") return;
        emit({ is: "state", state });
        if (state === "idle") endRound(emit);
        return;
      }
      case "api_retry":
        emit({
          is: "retrying",
          status: number(json, "error_status"),
          delayMs: number(json, "retry_delay_ms") ?? 0,
          attempt: number(json, "attempt") ?? 0,
        });
        return;
      case "status":
        if (text(json, "status") === "compacting") emit({ is: "compacting" });
        return;
      default:
        if (!knownSystem.has(subtype ?? "")) count(unknown, `system/${subtype}`);
    }
  };

  const onAssistant = (json: Json, emit: Emit): void => {
    const message = object(json, "message");
    const id = text(message, "id");
    if (text(json, "parent_tool_use_id") === null && id !== null && !seenTurns.has(id)) {
      seenTurns.add(id);
      if (text(message, "model") !== "<synthetic>") emit({ is: "turn" });
    }
    for (const block of list(message, "content")) {
      const said = text(block, "text");
      if (text(block, "type") === "text" && said !== null) emit({ is: "said", text: said });
      if (text(block, "type") === "tool_use") {
        const tool = text(block, "name") ?? "?";
        emit({ is: "used_tool", tool, text: toolText(tool, block["input"]) });
      }
    }
  };

  const onResult = (json: Json): void => {
    const total = number(json, "total_cost_usd") ?? totalUsd;
    const usd = sinceLast(json) ?? Math.max(0, total - totalUsd);
    totalUsd = total;
    results.push({ failure: classify(json, limit), text: text(json, "result") ?? "", usd });
  };

  const onLine = (json: Json, emit: Emit): void => {
    const type = text(json, "type");
    switch (type) {
      case "system":
        onSystem(json, emit);
        return;
      case "assistant":
        onAssistant(json, emit);
        return;
      case "user":
        if (
          list(object(json, "message"), "content").some(
            (block) => text(block, "type") === "tool_result",
          )
        )
          emit({ is: "tool_done" });
        return;
      case "result":
        onResult(json);
        return;
      case "command_lifecycle":
        onLifecycle(json, emit);
        return;
      case "control_request":
        onControlRequest(json, emit);
        return;
      case "control_cancel_request":
        emit({ is: "ask_withdrawn", ask: text(json, "request_id") ?? "" });
        return;
      case "rate_limit_event": {
        const info = object(json, "rate_limit_info");
        const resetsAt = number(info, "resetsAt");
        limit = {
          resetsAt: resetsAt === null ? null : resetsAt * 1000,
          window: text(info, "rateLimitType"),
        };
        emit({ is: "limited", status: text(info, "status") ?? "unknown", ...limit });
        return;
      }
      default:
        if (!knownTypes.has(type ?? "")) count(unknown, type ?? "?");
    }
  };

  return {
    unknown,
    line(line, end) {
      const json = parseLine(line);
      if (json === undefined) count(unknown, "not json");
      let emitted = false;
      if (json !== undefined)
        onLine(json, (event) => {
          emitted = true;
          onEvent({ ...event, offset: end } as AgentEvent);
        });
      if (!emitted) onEvent({ is: "alive", offset: end });
    },
    end(offset) {
      endRound((event) => onEvent({ ...event, offset } as AgentEvent));
    },
  };
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

function count(counts: Map<string, number>, key: string): void {
  counts.set(key, (counts.get(key) ?? 0) + 1);
}

function onControlRequest(json: Json, emit: Emit): void {
  const request = object(json, "request");
  if (text(request, "subtype") !== "can_use_tool") return;
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

/** What a result adds to the bill; undefined where the binary does not say. Cumulative fields are never summed. */
function sinceLast(json: Json): number | undefined {
  const usage = object(json, "model_usage_since_last_result");
  if (usage === undefined) return undefined;
  return Object.values(usage).reduce<number>(
    (sum, model) => sum + (isJson(model) ? (number(model, "costUSD") ?? 0) : 0),
    0,
  );
}

/** Why a result is an error; null where it is none. Statuses: claude-code.md §3. */
export function classify(
  json: Json,
  limit?: { resetsAt: number | null; window: string | null },
): RoundFailure | null {
  if (json["is_error"] !== true) return null;
  const subtype = text(json, "subtype");
  const reason = text(json, "terminal_reason");
  const status = number(json, "api_error_status");
  const detail =
    (
      text(json, "result") ??
      errorsText(json) ??
      reason ??
      subtype ??
      "an error without a text"
    ).split("\n")[0] ?? "";
  if (subtype === "error_max_turns" || reason === "max_turns") return { is: "max_turns" };
  if (subtype === "error_max_budget_usd" || reason === "budget_exhausted")
    return { is: "max_budget" };
  if (reason === "aborted_streaming" || reason === "aborted_tools") return { is: "interrupted" };
  if (reason !== "api_error") return { is: "agent", detail };
  // Without a login there was no request, so there is no status.
  if (status === null && detail.startsWith("Not logged in")) return { is: "credentials", detail };
  if (status === 401 || status === 403 || status === 402) return { is: "credentials", detail };
  if (status === 429)
    return {
      is: "unavailable",
      reason: "rate_limit",
      status,
      retryAt: limit?.resetsAt ?? null,
      detail,
    };
  if (status === null || status >= 500)
    return { is: "unavailable", reason: "outage", status, retryAt: null, detail };
  return { is: "agent", detail };
}

function errorsText(json: Json): string | null {
  const errors = json["errors"];
  return Array.isArray(errors) && typeof errors[0] === "string" ? errors[0] : null;
}
