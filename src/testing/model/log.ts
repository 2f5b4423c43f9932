/** The request log: what came in and what it was answered with, and waiting for a request to come. */
import { Fault } from "../../core/fault.ts";
import type { Answer } from "./answer.ts";
import { countBlocks } from "./conversation.ts";
import type { ModelRequest } from "./request.ts";

export interface LoggedRequest extends ModelRequest {
  /** Counted from 1 since the start or the last reset. */
  readonly seq: number;
  readonly messageCount: number;
  readonly toolResultCount: number;
  readonly answer: {
    readonly step: number | null;
    readonly text: string;
    readonly tools: readonly string[];
    /** What went wrong on purpose: `status 429`, `hang headers`, `drop mid-stream`, `sse error`; null for a message. */
    readonly failure: string | null;
  };
}

export interface RequestLog {
  add(request: ModelRequest, answer: Answer): void;
  entries(): readonly LoggedRequest[];
  reset(): void;
  /** The first request, logged or to come, that fits. Throws Fault `timed_out`. */
  waitFor(fits: (request: LoggedRequest) => boolean, timeoutMs: number): Promise<LoggedRequest>;
}

/** Newest requests kept: each holds a whole conversation, 50 KB and more. */
const kept = 1_000;

/** A log in memory; with `keep` false it only serves those who wait. */
export function createLog(keep: boolean): RequestLog {
  let entries: LoggedRequest[] = [];
  let seq = 0;
  const waiting = new Set<(entry: LoggedRequest) => void>();
  return {
    add(request, answer) {
      const entry = logged(++seq, request, answer);
      if (keep) entries = [...entries.slice(1 - kept), entry];
      for (const tell of waiting) tell(entry);
    },
    entries: () => entries,
    reset() {
      entries = [];
      seq = 0;
    },
    waitFor(fits, timeoutMs) {
      const known = entries.find(fits);
      if (known !== undefined) return Promise.resolve(known);
      return new Promise((resolve, reject) => {
        const tell = (entry: LoggedRequest): void => {
          if (!fits(entry)) return;
          stop();
          resolve(entry);
        };
        const timer = setTimeout(() => {
          stop();
          reject(
            new Fault(
              "timed_out",
              `no such request to the scripted model in ${timeoutMs} ms, ${seq} others came`,
            ),
          );
        }, timeoutMs);
        const stop = (): void => {
          clearTimeout(timer);
          waiting.delete(tell);
        };
        waiting.add(tell);
      });
    },
  };
}

function logged(
  seq: number,
  request: ModelRequest,
  { step, message, failure }: Answer,
): LoggedRequest {
  return {
    ...request,
    seq,
    messageCount: request.messages.length,
    toolResultCount: countBlocks(request.messages, "tool_result"),
    answer: {
      step,
      text: message.say ?? "",
      tools: (message.tools ?? []).map((call) => call.name),
      failure: failure === null ? null : describe(failure),
    },
  };
}

function describe(failure: NonNullable<Answer["failure"]>): string {
  if ("status" in failure) return `status ${failure.status}`;
  if ("hang" in failure) return `hang ${failure.hang}`;
  return "drop" in failure ? `drop ${failure.drop}` : "sse error";
}
