/** Turns: what changes the state runs one after another, and what the ledger can't take now waits until it can. */
import { Fault } from "../core/fault.ts";
import type { Log } from "./log.ts";

export interface Turns {
  /** Runs `act` when everything before it is over; fails where it fails, and the next goes on all the same. */
  take<T>(act: () => Promise<T>): Promise<T>;
  /** Why the turn under way waits for the ledger; null where it does not. */
  readonly waitsFor: Fault | null;
  /** Runs `act` again until the ledger takes it, or until `stop`; tells of each wait. Throws what no waiting helps against. */
  patiently<T>(act: () => Promise<T>, onWait?: () => void): Promise<T>;
  /** Ends all waiting; resolves once everything so far is over. */
  stop(): Promise<void>;
}

/** A full disk, or a ledger that something else holds, is looked at again this often. */
export const retryMs = 5_000;
/** Another process that holds the ledger for longer than this is none that reads or copies it. */
const maxHeldMs = 10 * 60_000;

/** True where waiting may help: the disk is full, or something else holds the ledger. */
export function isPassing(error: unknown): error is Fault {
  return error instanceof Fault && (error.code === "no_space" || error.code === "locked");
}

export function oneAtATime(log: Log): Turns {
  let last: Promise<unknown> = Promise.resolve();
  let waitsFor: Fault | null = null;
  const stopped = Promise.withResolvers<void>();
  let isStopped = false;
  const patiently = async <T>(act: () => Promise<T>, onWait = (): void => {}): Promise<T> => {
    const since = performance.now();
    try {
      for (;;) {
        try {
          return await act();
        } catch (error) {
          const isHeld = error instanceof Fault && error.code === "locked";
          if (!isPassing(error) || isStopped) throw error;
          if (isHeld && performance.now() - since > maxHeldMs) throw error;
          log("warn", "The ledger can't be written, trying again", { error: error.message });
          waitsFor = error;
          onWait();
          await wait(retryMs, stopped.promise);
        }
      }
    } finally {
      waitsFor = null;
    }
  };
  return {
    take(act) {
      const next = last.then(act, act);
      last = next.catch(() => {}); // Whoever took the turn hears of it.
      return next;
    },
    get waitsFor() {
      return waitsFor;
    },
    patiently,
    async stop() {
      isStopped = true;
      stopped.resolve();
      await last;
    },
  };
}

async function wait(ms: number, sooner: Promise<void>): Promise<void> {
  let timer: NodeJS.Timeout | undefined;
  const passed = new Promise<void>((resolve) => (timer = setTimeout(resolve, ms)));
  await Promise.race([passed, sooner]);
  clearTimeout(timer);
}
