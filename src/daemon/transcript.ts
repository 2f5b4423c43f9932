/** A task's transcript as lines for people: what was said to its sessions (ledger) and what they did (their own streams). */
import { existsSync, readdirSync } from "node:fs";
import { join } from "node:path";
import type { TranscriptLine } from "../api/service.ts";
import type { AttemptId } from "../core/ids.ts";
import type { AgentEvent } from "../core/runner.ts";
import { follow } from "../process/files.ts";
import { foldStream } from "../runner/fold.ts";

/** How often new starts of an attempt are looked for while following. */
const lookMs = 500;

export interface TranscriptSource {
  readonly home: string;
  /** Attempts of the task, in order. */
  attempts(): readonly AttemptId[];
  /** True once nothing will be added. */
  isOver(): boolean;
}

/** Lines from the first on; with `following` until the task is over or `signal` aborts. */
export async function* transcript(
  source: TranscriptSource,
  following: boolean,
  signal: AbortSignal,
): AsyncIterable<TranscriptLine> {
  const queue: TranscriptLine[] = [];
  const open = new Map<string, ReturnType<typeof follow>>();
  const openNew = (): void => {
    for (const attempt of source.attempts()) {
      const dir = join(source.home, "attempts", attempt);
      for (const start of starts(dir)) {
        const path = join(dir, start, "out.jsonl");
        if (open.has(path) || !existsSync(path)) continue;
        const fold = foldStream((event) => {
          const line = lineOf(attempt, event);
          if (line !== undefined) queue.push(line);
        });
        open.set(
          path,
          follow(path, 0, (line, end) => fold.line(line, end)),
        );
      }
    }
  };
  try {
    for (;;) {
      const over = source.isOver();
      openNew();
      for (const each of open.values()) await each.drain();
      while (queue.length > 0) yield queue.shift() as TranscriptLine;
      if (!following || over || signal.aborted) return;
      await new Promise<void>((resolve) => setTimeout(resolve, lookMs));
    }
  } finally {
    for (const each of open.values()) each.stop();
  }
}

function starts(dir: string): string[] {
  if (!existsSync(dir)) return [];
  return readdirSync(dir)
    .filter((name) => /^[0-9]+$/.test(name))
    .toSorted((a, b) => Number(a) - Number(b));
}

function lineOf(attempt: string, event: AgentEvent): TranscriptLine | undefined {
  switch (event.is) {
    case "said":
      return { attempt, kind: "said", text: event.text };
    case "used_tool":
      return { attempt, kind: "tool", text: event.text };
    case "asked":
      return { attempt, kind: "asked", text: event.text };
    case "round_ended":
      return {
        attempt,
        kind: "round",
        text:
          event.failure === null
            ? "round completed"
            : `round ended: ${event.failure === "void" ? "nothing to do" : event.failure.is}`,
      };
    case "limited":
      return {
        attempt,
        kind: "note",
        text: `rate limit ${event.status}${event.window === null ? "" : ` (${event.window})`}`,
      };
    case "retrying":
      return {
        attempt,
        kind: "note",
        text: `retrying after ${event.status ?? "a lost connection"} (try ${event.attempt})`,
      };
    default:
      return undefined;
  }
}
