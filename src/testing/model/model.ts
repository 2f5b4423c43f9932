/**
 * The scripted model: a loopback Messages API that drives the real `claude` binary, the SDK or anything else that speaks it,
 * without a network and without a key. Scripts come inside the prompts (`marker.ts`).
 */
import type { IncomingMessage, Server, ServerResponse } from "node:http";
import { createServer } from "node:http";
import { Fault, assert } from "../../core/fault.ts";
import type { AnswerOptions, Answerer, ForceRule } from "./answer.ts";
import { createAnswerer } from "./answer.ts";
import type { LoggedRequest, RequestLog } from "./log.ts";
import { createLog } from "./log.ts";
import { readRequest } from "./request.ts";
import { send, sendError, sendJson } from "./send.ts";

export interface ModelOptions extends AnswerOptions {
  /** Keeps the newest requests for `requests()`. Default true. */
  readonly log?: boolean;
}

export interface Model {
  /** The base URL, for `ANTHROPIC_BASE_URL`. */
  readonly url: string;
  /** The requests so far, oldest first; at most the newest 1000. */
  requests(): readonly LoggedRequest[];
  /** Forgets the log, what `times` counted and what was forced. Answers under way go on. */
  reset(): void;
  /** Answers the next requests that fit in this way, whatever their script says. Several rules are used up in order. */
  force(rule: ForceRule): void;
  /** The first request, logged or to come, that fits. Throws Fault `timed_out`. */
  waitFor(fits: (request: LoggedRequest) => boolean, timeoutMs: number): Promise<LoggedRequest>;
  /** Breaks every connection, hanging ones too, and stops listening. */
  close(): Promise<void>;
}

/** Bigger requests are refused: the Messages API takes 32 MB. */
const maxBodyBytes = 32 * 1024 * 1024;

/** Starts a scripted model on 127.0.0.1 and a port of the system's choice. */
export async function startModel(options: ModelOptions = {}): Promise<Model> {
  const log = createLog(options.log ?? true);
  const answerer = createAnswerer(options);
  const server = createServer((request, response) => {
    handle(request, response, answerer, log).catch((error: unknown) => {
      if (response.headersSent) response.destroy();
      else
        sendError(response, 400, {
          message: error instanceof Error ? error.message : String(error),
        });
    });
  });
  await new Promise<void>((resolve, reject) => {
    server.once("error", reject);
    server.listen(0, "127.0.0.1", resolve);
  });
  const address = server.address();
  assert(
    address !== null && typeof address === "object",
    "a TCP server has an address with a port",
  );
  return {
    url: `http://127.0.0.1:${address.port}`,
    requests: () => log.entries(),
    reset() {
      log.reset();
      answerer.reset();
    },
    force: (rule) => answerer.force(rule),
    waitFor: (fits, timeoutMs) => log.waitFor(fits, timeoutMs),
    close: () => close(server),
  };
}

async function handle(
  incoming: IncomingMessage,
  response: ServerResponse,
  answerer: Answerer,
  log: RequestLog,
): Promise<void> {
  const path = (incoming.url ?? "/").replace(/\?.*$/, "");
  if (incoming.method === "HEAD") response.writeHead(200).end();
  else if (incoming.method === "GET" && path === "/v1/models") sendJson(response, 200, noModels);
  else if (incoming.method === "POST" && /^\/v1\/messages(?:\/count_tokens)?$/.test(path)) {
    const request = readRequest(path, incoming.headers, await readBody(incoming));
    const answer = answerer.answer(request);
    log.add(request, answer);
    await send(response, request, answer);
  } else
    sendError(response, 404, { message: `no such endpoint: ${incoming.method ?? ""} ${path}` });
}

const noModels = { data: [], has_more: false, first_id: null, last_id: null };

async function readBody(incoming: IncomingMessage): Promise<string> {
  const chunks: Buffer[] = [];
  let size = 0;
  for await (const chunk of incoming as AsyncIterable<Buffer>) {
    size += chunk.length;
    if (size > maxBodyBytes)
      throw new Fault("refused", `a request of more than ${maxBodyBytes} bytes`);
    chunks.push(chunk);
  }
  return Buffer.concat(chunks).toString("utf8");
}

function close(server: Server): Promise<void> {
  return new Promise((resolve) => {
    server.close(() => resolve());
    server.closeAllConnections();
  });
}
