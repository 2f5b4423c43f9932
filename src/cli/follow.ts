/** Following a run: its projection read again after every change, until it is over or nothing moves without a person. */
import type { RunDetail } from "../api/service.ts";
import { Fault } from "../core/fault.ts";
import type { Connection } from "./connect.ts";

/** Changes are drawn at most this often. */
const drawMs = 100;
/** Ages and costs move without events. */
const refreshMs = 1_000;

export interface FollowOptions {
  /** When to stop. Default: it is settled, or nothing moves without a person. */
  readonly until?: (detail: RunDetail) => boolean;
  /** Ends with the next state once it aborts. */
  readonly signal?: AbortSignal;
}

/** True where following it on brings nothing new: it is settled, or nothing moves without a person. */
export function isAtRest({ settled, run }: RunDetail): boolean {
  return settled || run.state === "needs_attention";
}

/** Calls `onChange` with every new state; resolves with the last one. A daemon that restarts in between is waited for. */
export async function followRun(
  daemon: Connection,
  id: string,
  onChange: (detail: RunDetail) => void,
  { until = isAtRest, signal }: FollowOptions = {},
): Promise<RunDetail> {
  const ended = new AbortController();
  let changed = true;
  let wake = (): void => {};
  const poke = (): void => {
    changed = true;
    wake();
  };
  void listen(daemon, id, poke, ended.signal);
  const timer = setInterval(poke, refreshMs);
  signal?.addEventListener("abort", poke, { once: true });
  try {
    for (;;) {
      if (!changed) await new Promise<void>((resolve) => (wake = resolve));
      changed = false;
      const detail = await readPatiently(daemon, id);
      onChange(detail);
      if (signal?.aborted === true || until(detail)) return detail;
      await new Promise((resolve) => setTimeout(resolve, drawMs));
    }
  } finally {
    ended.abort();
    signal?.removeEventListener("abort", poke);
    clearInterval(timer);
  }
}

async function listen(
  daemon: Connection,
  id: string,
  poke: () => void,
  signal: AbortSignal,
): Promise<void> {
  let after = 0;
  while (!signal.aborted) {
    try {
      for await (const event of daemon.events(after, id, signal)) {
        after = event.seq;
        poke();
      }
    } catch {
      await new Promise((resolve) => setTimeout(resolve, refreshMs)); // The daemon is being restarted.
    }
  }
}

const patienceMs = 30_000;

/** The run; a daemon that is being restarted is waited for, 30 s at most. */
export async function readPatiently(daemon: Connection, id: string): Promise<RunDetail> {
  const until = performance.now() + patienceMs;
  for (;;) {
    try {
      return await daemon.run(id);
    } catch (error) {
      const isAway = error instanceof Fault && error.code === "daemon_unreachable";
      if (!isAway || performance.now() > until) throw error;
      await new Promise((resolve) => setTimeout(resolve, refreshMs));
    }
  }
}
