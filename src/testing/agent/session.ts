/** A session: a queue of prompts, one turn at a time, and the control requests that come meanwhile. */
import { createAnswerer } from "../model/answer.ts";
import type { Message } from "../model/conversation.ts";
import { createAsking } from "./asking.ts";
import type { Flags } from "./flags.ts";
import { isLoggedIn } from "./login.ts";
import type { Past, Transcript } from "./transcript.ts";
import { sharedTrouble } from "./trouble.ts";
import type { Prompt, TurnEnd, TurnHost } from "./turn.ts";
import { failed, runTurn } from "./turn.ts";
import type { Totals } from "./usage.ts";
import { nothing, plus, usageFields } from "./usage.ts";
import type { CommandState, Content, ControlRequest, Inbound, UserMessage, Wire } from "./wire.ts";
import { controlError, controlSuccess, init, lifecycle, result, sessionState } from "./wire.ts";

export interface SessionOptions {
  readonly flags: Flags;
  readonly sessionId: string;
  readonly cwd: string;
  readonly env: Readonly<Record<string, string>>;
  readonly transcript: Transcript;
  readonly past: Past;
  readonly write: (message: Wire) => void;
  /** Called once, when the session is over. */
  readonly exit: (code: number) => void;
}

export interface Session {
  take(message: Inbound): void;
  /** Ends the running turn with an error result. */
  interrupt(): void;
  /** No more input: what is queued is done, then the session ends. */
  close(): void;
}

interface State extends SessionOptions {
  readonly asking: ReturnType<typeof createAsking>;
  readonly answerer: ReturnType<typeof createAnswerer>;
  readonly messages: Message[];
  readonly seen: Set<string>;
  queue: Prompt[];
  /** Prompts that belong to the running turn. */
  taken: Prompt[];
  running: AbortController | null;
  closed: boolean;
  failedLast: boolean;
  results: number;
  model: string;
  permissionMode: string;
  /** Since the first start of the session, and since this one. */
  total: Totals;
  spent: Totals;
}

/** Starts a session; it says nothing before its first message. */
export function createSession(options: SessionOptions): Session {
  const { past, flags } = options;
  const state: State = {
    ...options,
    write(message) {
      const named = { uuid: crypto.randomUUID(), session_id: options.sessionId, ...message };
      options.write(String(message["type"]).startsWith("control_") ? message : named);
    },
    asking: createAsking((message) => emit(state, message)),
    answerer: createAnswerer(sharedTrouble(options.env, options.sessionId)),
    messages: [...past.messages],
    seen: new Set(past.uuids),
    queue: [],
    taken: [],
    running: null,
    closed: false,
    failedLast: false,
    results: 0,
    model: flags.model,
    permissionMode: flags.permissionMode,
    total: past.totals ?? nothing,
    spent: nothing,
  };
  return {
    take(message) {
      if (message.type === "user") takeUser(state, message);
      else if (message.type === "control_request") takeControl(state, message);
      else state.asking.answer(message);
    },
    interrupt: () => state.running?.abort(),
    close: () => close(state),
  };
}

/** Session states are said only where the environment asks for them. */
function emit(state: State, message: Wire): void {
  const isState = message["subtype"] === "session_state_changed";
  if (isState && state.env["CLAUDE_CODE_EMIT_SESSION_STATE_EVENTS"] !== "1") return;
  state.write(message);
}

function takeUser(state: State, { uuid = crypto.randomUUID(), message }: UserMessage): void {
  if (state.seen.has(uuid)) {
    // One from before a resume is acknowledged once more, a live one is passed over.
    if (state.past.uuids.has(uuid)) emit(state, lifecycle(uuid, "completed"));
    if (state.running === null) emit(state, sessionState("idle"));
    return;
  }
  state.seen.add(uuid);
  if (state.running === null && state.queue.length === 0) emit(state, sessionState("running"));
  state.queue.push({ uuid, text: textOf(message.content) });
  emit(state, lifecycle(uuid, "queued"));
  if (state.running === null) void work(state);
}

function textOf(content: Content): string {
  return typeof content === "string"
    ? content
    : content.map((block) => block.text ?? "").join("\n");
}

async function work(state: State): Promise<void> {
  for (let prompt = state.queue.shift(); prompt !== undefined; prompt = state.queue.shift()) {
    state.running = new AbortController();
    state.taken = [prompt];
    emit(state, lifecycle(prompt.uuid, "started"));
    const end = await runPrompt(state, prompt, state.running.signal);
    finish(state, prompt, end);
    state.running = null;
  }
  emit(state, sessionState("idle"));
  if (state.closed) state.exit(state.failedLast ? 1 : 0);
}

async function runPrompt(
  state: State,
  { text, uuid }: Prompt,
  signal: AbortSignal,
): Promise<TurnEnd> {
  const host: TurnHost = {
    ...state,
    emit: (message) => emit(state, message),
    takeQueued() {
      const queued = state.queue;
      state.queue = [];
      for (const one of queued) emit(state, lifecycle(one.uuid, "started"));
      state.taken.push(...queued);
      return queued;
    },
  };
  if (!isLoggedIn(state.env)) {
    const error = {
      more: {},
      status: null,
      error: "authentication_failed",
      text: "Not logged in · Please run /login",
    };
    return failed({ host, usage: nothing, toolCalls: 0, denials: [] }, error);
  }
  const { sessionId, cwd, model, permissionMode, flags } = state;
  emit(state, init({ cwd, session_id: sessionId, tools: flags.tools, model, permissionMode }));
  state.messages.push({ role: "user", content: text });
  state.transcript.user(text, uuid);
  return runTurn(host, signal);
}

function finish(state: State, prompt: Prompt, { fields, usage }: TurnEnd): void {
  state.total = plus(state.total, usage);
  state.spent = plus(state.spent, usage);
  state.failedLast = fields.is_error;
  const isCut =
    fields.terminal_reason?.startsWith("aborted") === true ||
    fields.terminal_reason === "api_error";
  const after: CommandState = isCut ? "cancelled" : "completed";
  for (const { uuid } of state.taken.slice(1)) emit(state, lifecycle(uuid, after));
  emit(
    state,
    result(fields, {
      ...usageFields(usage, state.total, state.model),
      queued_turn_count: state.queue.length,
      result_index: state.results++,
    }),
  );
  if (usage !== nothing) state.transcript.totals(state.total);
  emit(state, lifecycle(prompt.uuid, after));
}

function takeControl(state: State, { request_id: id, request }: ControlRequest): void {
  const answer = (response?: Wire): void => emit(state, controlSuccess(id, response));
  switch (request.subtype) {
    case "initialize":
      return answer({ commands: [], models: [], account: {}, pid: process.pid });
    case "interrupt":
      if (request["cancel_queued"] === true) cancelQueued(state);
      state.running?.abort();
      return answer({ still_queued: state.queue.map(({ uuid }) => uuid) });
    case "end_session":
      cancelQueued(state);
      state.running?.abort();
      answer();
      return close(state);
    case "set_model":
      state.model = typeof request["model"] === "string" ? request["model"] : state.model;
      return answer({ model: state.model });
    case "set_permission_mode":
      state.permissionMode = String(request["mode"]);
      return answer({ mode: state.permissionMode });
    case "get_context_usage":
      return answer({
        totalTokens: state.total.inputTokens,
        maxTokens: 1_000_000,
        autoCompactThreshold: 967_000,
      });
    case "get_session_cost":
      return answer({ total_cost_usd: state.total.costUSD });
    case "mcp_status":
      return answer({ mcpServers: [] });
    default:
      return emit(state, controlError(id, request.subtype));
  }
}

function cancelQueued(state: State): void {
  const queued = state.queue;
  state.queue = [];
  for (const { uuid } of queued) emit(state, lifecycle(uuid, "cancelled"));
}

function close(state: State): void {
  state.closed = true;
  if (state.running === null) state.exit(state.failedLast ? 1 : 0);
  else state.asking.close();
}
