/** A message step as the Messages API sends it: one JSON message, or the same as server-sent events. Pure but for the ids. */
import { randomBytes } from "node:crypto";
import type { MessageStep, ToolCall } from "./script.ts";

export interface MessageContext {
  readonly model: string;
  /** Estimated from the request where the step does not say. */
  readonly inputTokens: number;
  /** A request without tools gets no tool calls. */
  readonly hasTools: boolean;
}

type ContentBlock =
  | { readonly type: "thinking"; readonly thinking: string; readonly signature: string }
  | { readonly type: "text"; readonly text: string }
  | {
      readonly type: "tool_use";
      readonly id: string;
      readonly name: string;
      readonly input: ToolCall["input"];
    };

export interface ApiMessage {
  readonly id: string;
  readonly type: "message";
  readonly role: "assistant";
  readonly model: string;
  readonly content: readonly ContentBlock[];
  readonly stop_reason: string;
  readonly stop_sequence: null;
  readonly usage: Readonly<Record<string, number>>;
}

export interface SseEvent {
  readonly type: string;
  readonly [key: string]: unknown;
}

/** An id with 24 random hex digits. */
export function newId(prefix: "msg" | "toolu" | "req"): string {
  return `${prefix}_${randomBytes(12).toString("hex")}`;
}

/** About four bytes to a token: the customary rule of thumb, good enough for a number that only has to be plausible. */
export function estimateTokens(bytes: number): number {
  return Math.max(1, Math.ceil(bytes / 4));
}

/** The whole message. */
export function apiMessage(step: MessageStep, context: MessageContext): ApiMessage {
  const content = contentOf(step, context.hasTools);
  const usesTools = content.some((block) => block.type === "tool_use");
  return {
    id: newId("msg"),
    type: "message",
    role: "assistant",
    model: context.model,
    content,
    stop_reason: step.stop ?? (usesTools ? "tool_use" : "end_turn"),
    stop_sequence: null,
    usage: {
      input_tokens: context.inputTokens,
      cache_creation_input_tokens: 0,
      cache_read_input_tokens: 0,
      output_tokens: estimateTokens(JSON.stringify(content).length),
      ...step.usage,
    },
  };
}

function contentOf(step: MessageStep, hasTools: boolean): readonly ContentBlock[] {
  const content: ContentBlock[] = [];
  if (step.think !== undefined)
    content.push({ type: "thinking", thinking: step.think, signature: signature(step.think) });
  if (step.say !== undefined) content.push({ type: "text", text: step.say });
  if (hasTools)
    for (const { name, input } of step.tools ?? [])
      content.push({ type: "tool_use", id: newId("toolu"), name, input });
  // The program takes a message without text or tool call for a broken one and asks again.
  if (!content.some((block) => block.type !== "thinking") && step.stop === undefined)
    content.push({ type: "text", text: "Done." });
  return content;
}

/** Opaque to the client, which sends it back as it is. */
function signature(text: string): string {
  return Buffer.from(`scripted:${text.length}`).toString("base64");
}

/** The same message as events, each block's content in `deltas` pieces. */
export function sseEvents(message: ApiMessage, deltas = 1): readonly SseEvent[] {
  const { output_tokens, ...usage } = message.usage;
  return [
    {
      type: "message_start",
      message: {
        ...message,
        content: [],
        stop_reason: null,
        usage: { ...usage, output_tokens: 1 },
      },
    },
    ...message.content.flatMap((block, index) => blockEvents(block, index, deltas)),
    {
      type: "message_delta",
      delta: { stop_reason: message.stop_reason, stop_sequence: null },
      usage: { ...usage, output_tokens },
    },
    { type: "message_stop" },
  ];
}

function blockEvents(block: ContentBlock, index: number, deltas: number): readonly SseEvent[] {
  const { empty, parts } = streamed(block, deltas);
  return [
    { type: "content_block_start", index, content_block: empty },
    ...parts.map((delta) => ({ type: "content_block_delta", index, delta })),
    { type: "content_block_stop", index },
  ];
}

function streamed(
  block: ContentBlock,
  deltas: number,
): { readonly empty: unknown; readonly parts: readonly unknown[] } {
  if (block.type === "text") {
    const parts = pieces(block.text, deltas).map((text) => ({ type: "text_delta", text }));
    return { empty: { ...block, text: "" }, parts };
  }
  if (block.type === "thinking") {
    const parts = pieces(block.thinking, deltas).map((thinking) => ({
      type: "thinking_delta",
      thinking,
    }));
    const signed = { type: "signature_delta", signature: block.signature };
    return { empty: { ...block, thinking: "", signature: "" }, parts: [...parts, signed] };
  }
  const json = pieces(JSON.stringify(block.input), deltas);
  return {
    empty: { ...block, input: {} },
    parts: json.map((partial_json) => ({ type: "input_json_delta", partial_json })),
  };
}

/** A text in at most `count` pieces, never splitting a surrogate pair. */
export function pieces(text: string, count: number): readonly string[] {
  const size = Math.max(1, Math.ceil(text.length / Math.max(1, count)));
  return text.match(new RegExp(`[\\s\\S]{1,${size}}`, "gu")) ?? [];
}

/** The text of one event on the wire. */
export function sseText(event: SseEvent): string {
  return `event: ${event.type}\ndata: ${JSON.stringify(event)}\n\n`;
}
