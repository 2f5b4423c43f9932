/** A task's transcript as lines for people: what was said to its sessions (ledger) and what they did (their own streams). */
import { existsSync, readdirSync } from "node:fs";
import { join } from "node:path";
import type { TranscriptLine } from "../api/service.ts";
import type { AttemptId, RunId, TaskKey, Uuid } from "../core/ids.ts";
import type { Ledger } from "../core/ports.ts";
import { isSettled } from "../core/queries.ts";
import type { AgentEvent } from "../core/runner.ts";
import type { Run, State } from "../core/state.ts";
import type { Host } from "../host/context.ts";
import { follow } from "../process/files.ts";
import { foldStream } from "../runner/fold.ts";

/** How often new starts of an attempt are looked for while following. */
const lookMs = 500;

interface TranscriptSource {
  readonly home: string;
  /** Attempts of the task, in order. */
  attempts(): readonly AttemptId[];
  /** True once nothing will be added. */
  isOver(): boolean;
  /** The text of a message that the session has taken. */
  message(uuid: Uuid): Promise<string | undefined>;
}

/** The transcript of a task, open or settled, from the first line on; with `following` until it is settled. */
export function transcriptOf(
  house: { readonly host: Host; readonly ledger: Ledger; state(): State },
  run: Run,
  key: TaskKey,
  following: boolean,
  signal: AbortSignal,
): AsyncIterable<TranscriptLine> {
  let last = run;
  const now = (): Run => (last = house.state().runs.get(run.id) ?? last);
  const source: TranscriptSource = {
    home: house.host.home,
    attempts: () => now().tasks.get(key)?.attempts ?? [],
    isOver() {
      const task = now().tasks.get(key);
      return !house.state().runs.has(run.id) || task === undefined || isSettled(task);
    },
    message: messagesOf(house.ledger, run.id),
  };
  return transcript(source, following, signal);
}

/** Looks messages up in the ledger, which had them before any session did. */
function messagesOf(ledger: Ledger, run: RunId): TranscriptSource["message"] {
  const texts = new Map<Uuid, string>();
  let read = 0;
  return async (uuid) => {
    if (!texts.has(uuid))
      for await (const event of ledger.read(read, { run, types: ["message.queued"] })) {
        read = event.seq;
        if (event.type === "message.queued") texts.set(event.uuid, event.text);
      }
    return texts.get(uuid);
  };
}

async function* transcript(
  source: TranscriptSource,
  following: boolean,
  signal: AbortSignal,
): AsyncIterable<TranscriptLine> {
  const queue: (TranscriptLine | Taken)[] = [];
  /** A resumed session says again which messages it has. */
  const seen = new Set<Uuid>();
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
      for (const item of queue.splice(0)) {
        if ("text" in item) yield item;
        else if (!seen.has(item.uuid)) {
          seen.add(item.uuid);
          yield { attempt: item.attempt, kind: "prompt", text: await said(source, item) };
        }
      }
      if (!following || over || signal.aborted) return;
      await new Promise<void>((resolve) => setTimeout(resolve, lookMs));
    }
  } finally {
    for (const each of open.values()) each.stop();
  }
}

/** A message that the session took: its text is in the ledger, not in the stream. */
interface Taken {
  readonly attempt: string;
  readonly uuid: Uuid;
}

async function said(source: TranscriptSource, { uuid }: Taken): Promise<string> {
  return (await source.message(uuid)) ?? "(a message of another run)";
}

function starts(dir: string): string[] {
  if (!existsSync(dir)) return [];
  return readdirSync(dir)
    .filter((name) => /^[0-9]+$/.test(name))
    .toSorted((a, b) => Number(a) - Number(b));
}

function lineOf(attempt: string, event: AgentEvent): TranscriptLine | Taken | undefined {
  switch (event.is) {
    case "taken":
      return { attempt, uuid: event.uuid };
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
