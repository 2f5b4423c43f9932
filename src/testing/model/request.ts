/** A request as the model sees it: what kind it is, who sends it, and what it carries. */
import type { IncomingHttpHeaders } from "node:http";
import type { Message } from "./conversation.ts";
import { asksForSummary, blocksOf, newestUserText } from "./conversation.ts";

/** `main` has tools, `side` has none, `compact` asks for a summary of the whole conversation, `count` only counts tokens. */
export type RequestKind = "main" | "side" | "compact" | "count";

export interface ModelRequest {
  readonly kind: RequestKind;
  readonly model: string;
  readonly stream: boolean;
  readonly system: string;
  readonly tools: readonly string[];
  readonly messages: readonly Message[];
  readonly newestUserText: string;
  /** The header `x-claude-code-session-id`. */
  readonly sessionId: string | null;
  /** The header `x-stainless-retry-count`. */
  readonly retryCount: number;
  readonly userAgent: string;
  readonly bytes: {
    readonly body: number;
    readonly system: number;
    readonly tools: number;
    readonly messages: number;
  };
}

interface WireBody {
  readonly model?: string;
  readonly stream?: boolean;
  readonly system?: Message["content"];
  readonly tools?: readonly { readonly name?: string }[];
  readonly messages?: readonly Message[];
}

/** Reads a request body. Throws SyntaxError where it is not JSON; missing parts read as empty. */
export function readRequest(
  path: string,
  headers: IncomingHttpHeaders,
  body: string,
): ModelRequest {
  const wire: WireBody = JSON.parse(body);
  const messages = wire.messages ?? [];
  const tools = (wire.tools ?? []).map((tool) => tool.name ?? "");
  const newest = newestUserText(messages);
  return {
    kind: kindOf(path, tools, newest),
    model: wire.model ?? "",
    stream: wire.stream === true,
    system: blocksOf({ role: "system", content: wire.system ?? "" })
      .map((block) => block.text ?? "")
      .join("\n\n"),
    tools,
    messages,
    newestUserText: newest,
    sessionId: header(headers, "x-claude-code-session-id"),
    retryCount: Number(header(headers, "x-stainless-retry-count") ?? 0),
    userAgent: headers["user-agent"] ?? "",
    bytes: {
      body: Buffer.byteLength(body),
      system: sizeOf(wire.system),
      tools: sizeOf(wire.tools),
      messages: sizeOf(wire.messages),
    },
  };
}

function kindOf(path: string, tools: readonly string[], newest: string): RequestKind {
  if (path.endsWith("/count_tokens")) return "count";
  if (asksForSummary(newest)) return "compact";
  return tools.length > 0 ? "main" : "side";
}

function header(headers: IncomingHttpHeaders, name: string): string | null {
  const value = headers[name];
  return typeof value === "string" ? value : null;
}

function sizeOf(part: unknown): number {
  return part === undefined ? 0 : Buffer.byteLength(JSON.stringify(part));
}
