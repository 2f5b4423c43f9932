/**
 * The messages of the stream-json control protocol as claude 2.1.329 was seen to send and take them, with the fields that a
 * client can rely on. Used by the stand-in alone: whoever reads the protocol has its own, tolerant reading.
 */

export type Wire = Readonly<Record<string, unknown>>;

export interface UserMessage {
  readonly type: "user";
  readonly uuid?: string;
  readonly message: { readonly role: "user"; readonly content: Content };
}

export type Content = string | readonly { readonly type: string; readonly text?: string }[];

export interface ControlRequest {
  readonly type: "control_request";
  readonly request_id: string;
  readonly request: Wire & { readonly subtype: string };
}

export interface ControlResponse {
  readonly type: "control_response";
  readonly response: { readonly request_id: string; readonly response?: Wire };
}

export type Inbound = UserMessage | ControlRequest | ControlResponse;

export interface ToolUse {
  readonly id: string;
  readonly name: string;
  readonly input: Wire;
}

export interface Denial {
  readonly tool_name: string;
  readonly tool_use_id: string;
  readonly tool_input: Wire;
}

export type SessionState = "running" | "requires_action" | "idle";
export type CommandState = "queued" | "started" | "completed" | "cancelled";

export const version = "2.1.329";

export const sessionState = (state: SessionState): Wire => ({
  type: "system",
  subtype: "session_state_changed",
  state,
});

export const lifecycle = (command_uuid: string, state: CommandState): Wire => ({
  type: "command_lifecycle",
  command_uuid,
  state,
});

export const init = (fields: Wire): Wire => ({
  type: "system",
  subtype: "init",
  mcp_servers: [],
  slash_commands: [],
  agents: [],
  skills: [],
  plugins: [],
  apiKeySource: "ANTHROPIC_API_KEY",
  claude_code_version: version,
  capabilities: ["interrupt_receipt_v1", "interrupt_cancel_queued_v1", "msg_lifecycle_v1"],
  ...fields,
});

/** One finished block of an assistant message. */
export const assistant = (message: Wire, more: Wire = {}): Wire => ({
  type: "assistant",
  message: {
    type: "message",
    role: "assistant",
    stop_reason: null,
    stop_sequence: null,
    ...message,
  },
  parent_tool_use_id: null,
  ...more,
});

export const user = (content: Content | readonly Wire[], more: Wire = {}): Wire => ({
  type: "user",
  message: { role: "user", content },
  parent_tool_use_id: null,
  ...more,
});

export const apiRetry = (fields: {
  readonly attempt: number;
  readonly max_retries: number;
  readonly retry_delay_ms: number;
  readonly error_status: number | null;
  readonly error: string;
}): Wire => ({ type: "system", subtype: "api_retry", ...fields });

export const rateLimitEvent = (resetsAt: number): Wire => ({
  type: "rate_limit_event",
  rate_limit_info: { status: "rejected", resetsAt, rateLimitType: "five_hour" },
});

export const toolProgress = (tool: ToolUse, elapsed_time_seconds: number): Wire => ({
  type: "tool_progress",
  tool_use_id: tool.id,
  tool_name: tool.name,
  heartbeat: true,
  elapsed_time_seconds,
});

export const canUseTool = (request_id: string, tool: ToolUse): Wire => ({
  type: "control_request",
  request_id,
  request: {
    subtype: "can_use_tool",
    tool_name: tool.name,
    display_name: tool.name,
    input: tool.input,
    tool_use_id: tool.id,
    ...(tool.name === "AskUserQuestion"
      ? { requires_user_interaction: true }
      : { permission_suggestions: [] }),
  },
});

export const cancelRequest = (request_id: string): Wire => ({
  type: "control_cancel_request",
  request_id,
});

export const controlSuccess = (request_id: string, response?: Wire): Wire => ({
  type: "control_response",
  response: { subtype: "success", request_id, ...(response === undefined ? {} : { response }) },
});

export const controlError = (request_id: string, subtype: string): Wire => ({
  type: "control_response",
  response: {
    subtype: "error",
    request_id,
    error: `Unsupported control request subtype: ${subtype}`,
    error_code: "unsupported_request",
  },
});

/** The end of a turn. Fields that a kind of end does not have are left out, as the program does. */
export interface ResultFields {
  readonly subtype:
    | "success"
    | "error_during_execution"
    | "error_max_turns"
    | "error_max_budget_usd";
  readonly is_error: boolean;
  readonly terminal_reason?:
    | "completed"
    | "api_error"
    | "aborted_streaming"
    | "aborted_tools"
    | "max_turns"
    | "budget_exhausted";
  readonly result?: string;
  readonly errors?: readonly string[];
  readonly stop_reason: string | null;
  readonly api_error_status?: number | null;
  readonly num_turns: number;
  readonly permission_denials: readonly Denial[];
}

export const result = (fields: ResultFields, more: Wire): Wire => ({
  type: "result",
  ...fields,
  ...more,
});
