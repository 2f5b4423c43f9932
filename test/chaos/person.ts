/**
 * The person of a scenario: follows the run's events over any number of daemons, and does what is to be done as soon as the
 * events say so. A command whose answer was lost is given again unless the events show that it was taken.
 */
import { setTimeout as wait } from "node:timers/promises";
import type { Client } from "../../src/api/client.ts";
import type { RunRequest } from "../../src/api/schema.ts";
import type { Event } from "../../src/core/events.ts";
import { Fault } from "../../src/core/fault.ts";

/** One thing that a person does in the course of a run. */
export interface Deed {
  readonly name: string;
  /** Whether its time has come. */
  readonly isDue: (events: readonly Event[]) => boolean;
  /** Whether the ledger has it already. */
  readonly isDone: (events: readonly Event[]) => boolean;
  readonly act: () => Promise<void>;
}

export interface Course {
  readonly run: string;
  /** All of the run's events, in the ledger's order. */
  readonly events: readonly Event[];
  /** Names of the deeds that a daemon has acknowledged. */
  readonly acknowledged: readonly string[];
  /** Those of them that the events do not show. */
  readonly forgotten: readonly string[];
}

const lookMs = 25;

/** Starts the run, once, and does every deed until the run is settled. Throws where that takes longer than `limitMs`. */
export async function accompany(
  api: Client,
  request: RunRequest,
  deedsOf: (run: string) => readonly Deed[],
  limitMs: number,
): Promise<Course> {
  const until = performance.now() + limitMs;
  const run = await startOnce(api, request, until);
  const following = follow(api, run);
  const { events } = following;
  const done: Deed[] = [];
  const deeds = deedsOf(run);
  try {
    while (!events.some(({ type }) => type === "run.settled")) {
      if (performance.now() > until)
        throw new Error(`not settled within ${limitMs} ms: ${await describe(api, run)}`);
      for (const deed of deeds) {
        if (done.includes(deed) || deed.isDone(events) || !deed.isDue(events)) continue;
        if (await tryTo(() => deed.act())) done.push(deed);
      }
      await wait(lookMs);
    }
    const named = (all: readonly Deed[]): string[] => all.map(({ name }) => name);
    const forgotten = done.filter((deed) => !deed.isDone(events));
    return { run, events, acknowledged: named(done), forgotten: named(forgotten) };
  } finally {
    following.stop();
  }
}

/** True where it was acknowledged; a daemon that is gone, or that refuses what it knows already, is asked again later. */
async function tryTo(act: () => Promise<void>): Promise<boolean> {
  try {
    await act();
    return true;
  } catch (error) {
    if (error instanceof Fault && ["daemon_unreachable", "refused"].includes(error.code))
      return false;
    throw error;
  }
}

/** Starts the run; where the answer is lost, a run that is there is the one. */
async function startOnce(api: Client, request: RunRequest, until: number): Promise<string> {
  for (;;) {
    try {
      const [known] = await api.runs(1);
      return known?.id ?? (await api.start(request));
    } catch (error) {
      const isGone = error instanceof Fault && error.code === "daemon_unreachable";
      if (!isGone || performance.now() > until) throw error;
      await wait(lookMs);
    }
  }
}

interface Following {
  readonly events: readonly Event[];
  stop(): void;
}

/** Reads the run's events as they come, and goes on behind the last one where the daemon went away. */
function follow(api: Client, run: string): Following {
  const ended = new AbortController();
  const events: Event[] = [];
  const read = async (): Promise<void> => {
    while (!ended.signal.aborted) {
      try {
        for await (const event of api.events(events.at(-1)?.seq ?? 0, run, ended.signal))
          events.push(event);
      } catch {
        // The daemon is gone; another one comes.
      }
      await wait(lookMs);
    }
  };
  void read();
  return { events, stop: () => ended.abort() };
}

async function describe(api: Client, id: string): Promise<string> {
  try {
    const { run } = await api.run(id);
    return JSON.stringify(run.tasks.map(({ id: task, state, reason }) => [task, state, reason]));
  } catch (error) {
    return String(error);
  }
}
