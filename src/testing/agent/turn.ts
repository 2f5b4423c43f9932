/** One turn: model responses and tool calls until there is a text without calls, a limit, an error or an interrupt. */
import type { Answerer } from "../model/answer.ts";
import type { Block, Message } from "../model/conversation.ts";
import { foldedText } from "../model/conversation.ts";
import type { ApiMessage, SseEvent } from "../model/message.ts";
import type { Asking } from "./asking.ts";
import type { Flags } from "./flags.ts";
import { isAllowed } from "./permission.ts";
import { respond } from "./respond.ts";
import type { ApiError } from "./respond.ts";
import { runTool } from "./tools.ts";
import type { ToolResult } from "./tools.ts";
import type { Transcript } from "./transcript.ts";
import type { Totals } from "./usage.ts";
import { nothing, plus, totalsOf } from "./usage.ts";
import type { Denial, ResultFields, ToolUse, Wire } from "./wire.ts";
import { assistant, toolProgress, user } from "./wire.ts";

export interface Prompt {
  readonly uuid: string;
  readonly text: string;
}

export interface TurnHost {
  readonly flags: Flags;
  readonly model: string;
  readonly cwd: string;
  readonly sessionId: string;
  readonly env: Readonly<Record<string, string>>;
  readonly transcript: Transcript;
  readonly answerer: Answerer;
  readonly asking: Asking;
  /** The conversation; the turn appends to it. */
  readonly messages: Message[];
  /** What this process has spent before the turn. */
  readonly spent: Totals;
  emit(message: Wire): void;
  /** Prompts that came meanwhile: from now on part of this turn. */
  takeQueued(): readonly Prompt[];
}

export interface TurnEnd {
  readonly fields: ResultFields;
  readonly usage: Totals;
}

interface Turn {
  readonly host: TurnHost;
  readonly signal: AbortSignal;
  usage: Totals;
  rounds: number;
  toolCalls: number;
  continued: number;
  readonly denials: Denial[];
}

/** The real program goes on by itself after these stops, `refusal` once and `max_tokens` a few times. */
const continuations: Readonly<Record<string, { readonly times: number; readonly text: string }>> = {
  max_tokens: { times: 3, text: "The answer was too long and cut off. Go on where it ends." },
  refusal: { times: 1, text: "The answer was stopped by a safeguard. Go on without it." },
};
/** As often as the real program tells of a long tool call. */
const heartbeatMs = 30_000;

/** Runs a turn to its end. Never throws for an interrupt, which is an end like others. */
export async function runTurn(host: TurnHost, signal: AbortSignal): Promise<TurnEnd> {
  const turn: Turn = {
    host,
    signal,
    usage: nothing,
    rounds: 0,
    toolCalls: 0,
    continued: 0,
    denials: [],
  };
  for (;;) {
    const response = await respondOrAbort(turn);
    if (response === null) return interrupted(turn, "aborted_streaming");
    if ("error" in response) return failed(turn, response.error);
    const { message } = response;
    turn.rounds++;
    turn.usage = plus(turn.usage, totalsOf(message));
    const uses = message.content.flatMap((block): ToolUse[] =>
      block.type === "tool_use" ? [{ id: block.id, name: block.name, input: block.input }] : [],
    );
    if (uses.length === 0) {
      if (!goesOn(turn, message.stop_reason)) return completed(turn, message);
    } else if (!(await useTools(turn, uses))) return interrupted(turn, "aborted_tools");
    foldQueued(turn);
    const limit = limitOf(turn);
    if (limit !== null) return limit;
  }
}

async function respondOrAbort(turn: Turn): Promise<Awaited<ReturnType<typeof respond>> | null> {
  const { host, signal } = turn;
  const { answerer, flags, model, messages } = host;
  const open: Block[] = [];
  const onEvent = (event: SseEvent, message: ApiMessage): void => {
    const block =
      event.type === "content_block_stop" ? message.content[Number(event["index"])] : undefined;
    if (flags.partialMessages) host.emit({ type: "stream_event", event, parent_tool_use_id: null });
    if (block === undefined) return;
    if (open.length === 0) messages.push({ role: "assistant", content: open });
    open.push(block);
    host.transcript.assistant(message.id, block);
    host.emit(
      assistant({
        id: message.id,
        model,
        content: [block],
        usage: { ...message.usage, output_tokens: 1 },
      }),
    );
  };
  const maxRetries = Number(host.env["CLAUDE_CODE_MAX_RETRIES"] ?? 10);
  const emit = (message: Wire): void => host.emit(message);
  try {
    // A copy: what the response adds is not part of what it answers.
    return await respond([...messages], {
      answerer,
      model,
      tools: flags.tools,
      maxRetries,
      signal,
      emit,
      onEvent,
    });
  } catch (error) {
    if (signal.aborted) return null;
    throw error;
  }
}

/** Runs the calls in order; false where an interrupt ended them. */
async function useTools(turn: Turn, uses: readonly ToolUse[]): Promise<boolean> {
  for (const tool of uses) {
    turn.toolCalls++;
    const { text, isError } = turn.signal.aborted ? neverRan : await useTool(turn, tool);
    const block = { type: "tool_result", tool_use_id: tool.id, content: text, is_error: isError };
    sayAsUser(turn, [block]);
  }
  return !turn.signal.aborted;
}

const neverRan: ToolResult = { text: "The call was interrupted before it ran.", isError: true };

async function useTool(turn: Turn, tool: ToolUse): Promise<ToolResult> {
  const { host, signal } = turn;
  const { flags } = host;
  if (isAllowed(tool, flags, host.cwd)) return runWithHeartbeat(turn, tool);
  const denial = { tool_name: tool.name, tool_use_id: tool.id, tool_input: tool.input };
  if (!flags.asks) {
    turn.denials.push(denial);
    host.emit({ type: "system", subtype: "permission_denied", ...denial });
    return { text: `${tool.name} needs a permission that nobody here can give.`, isError: true };
  }
  const decision = await host.asking.ask(tool, signal);
  if (decision.behavior === "allow")
    return runWithHeartbeat(turn, { ...tool, input: decision.input });
  turn.denials.push(denial);
  return decision.behavior === "deny" ? { text: decision.message, isError: true } : neverRan;
}

async function runWithHeartbeat(turn: Turn, tool: ToolUse): Promise<ToolResult> {
  const { host, signal } = turn;
  let beats = 0;
  const timer = setInterval(() => {
    host.emit(toolProgress(tool, (++beats * heartbeatMs) / 1000));
  }, heartbeatMs);
  try {
    return await runTool(tool, { cwd: host.cwd, sessionId: host.sessionId, env: host.env, signal });
  } finally {
    clearInterval(timer);
  }
}

function sayAsUser({ host }: Turn, content: readonly Block[]): void {
  const uuid = crypto.randomUUID();
  host.messages.push({ role: "user", content });
  host.transcript.user(content, uuid);
  host.emit(
    user(
      content.map((block): Wire => ({ ...block })),
      { uuid },
    ),
  );
}

function goesOn(turn: Turn, stopReason: string): boolean {
  const continuation = continuations[stopReason];
  if (continuation === undefined || turn.continued >= continuation.times) return false;
  turn.continued++;
  sayAsUser(turn, [{ type: "text", text: continuation.text }]);
  return true;
}

function foldQueued({ host }: Turn): void {
  for (const { text, uuid } of host.takeQueued()) {
    host.messages.push({ role: "system", content: foldedText(text) });
    host.transcript.folded(text, uuid);
  }
}

function limitOf(turn: Turn): TurnEnd | null {
  const { maxTurns, maxBudgetUsd } = turn.host.flags;
  const base = { is_error: true, stop_reason: "tool_use" } as const;
  if (plus(turn.host.spent, turn.usage).costUSD >= maxBudgetUsd) {
    const errors = [`Reached maximum budget ($${maxBudgetUsd})`];
    return end(turn, {
      ...base,
      subtype: "error_max_budget_usd",
      terminal_reason: "budget_exhausted",
      errors,
    });
  }
  if (turn.rounds < maxTurns) return null;
  const errors = [`Reached maximum number of turns (${maxTurns})`];
  return end(turn, { ...base, subtype: "error_max_turns", terminal_reason: "max_turns", errors });
}

function completed(turn: Turn, message: ApiMessage): TurnEnd {
  const result = message.content
    .flatMap((block) => (block.type === "text" ? block.text : []))
    .join("");
  return end(turn, {
    subtype: "success",
    is_error: false,
    terminal_reason: "completed",
    result,
    stop_reason: message.stop_reason,
    api_error_status: null,
  });
}

/** An error result of the API, as the program shows it: `success` by its subtype. */
export function failed(
  turn: Pick<Turn, "host" | "usage" | "toolCalls" | "denials">,
  error: ApiError,
): TurnEnd {
  const content = [{ type: "text", text: error.text }];
  const more = {
    ...error.more,
    error: error.error,
    is_api_error_message: true,
    api_error_status: error.status,
  };
  turn.host.emit(assistant({ id: crypto.randomUUID(), model: "<synthetic>", content }, more));
  return end(turn, {
    subtype: "success",
    is_error: true,
    terminal_reason: "api_error",
    result: error.text,
    stop_reason: "stop_sequence",
    api_error_status: error.status,
  });
}

function interrupted(turn: Turn, reason: "aborted_streaming" | "aborted_tools"): TurnEnd {
  const what = reason === "aborted_tools" ? " for tool use" : "";
  sayAsUser(turn, [{ type: "text", text: `[Request interrupted by user${what}]` }]);
  return end(turn, {
    subtype: "error_during_execution",
    is_error: true,
    terminal_reason: reason,
    stop_reason: reason === "aborted_tools" ? "tool_use" : null,
  });
}

function end(
  { usage, toolCalls, denials }: Pick<Turn, "usage" | "toolCalls" | "denials">,
  fields: Omit<ResultFields, "num_turns" | "permission_denials">,
): TurnEnd {
  return { usage, fields: { ...fields, num_turns: toolCalls + 1, permission_denials: denials } };
}
