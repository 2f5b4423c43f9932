/** A ledger in memory: the fake that passes the same conformance suite. */
import { stamp } from "../core/decide/decide.ts";
import type { Event } from "../core/events.ts";
import { Fault } from "../core/fault.ts";
import type { Ledger } from "../core/ports.ts";

export function memoryLedger(): Ledger {
  const events: Event[] = [];
  const listeners = new Set<(events: readonly Event[]) => void>();
  let snapshot: { seq: number; state: string } | undefined;
  return {
    async append(expected, bodies, at) {
      if (expected !== events.length)
        throw new Fault(
          "locked",
          `the ledger is at ${events.length}, not at ${expected}: another writer appended`,
        );
      const added = stamp(bodies, expected, at);
      events.push(...added);
      if (added.length > 0) for (const listener of listeners) listener(added);
      return added;
    },
    head: async () => events.length,
    async *read(after, { run, types, limit = Number.POSITIVE_INFINITY } = {}) {
      let left = limit;
      for (const event of events.slice(after)) {
        if (run !== undefined && !("run" in event && event.run === run)) continue;
        if (types !== undefined && !types.includes(event.type)) continue;
        if (left-- <= 0) return;
        yield event;
      }
    },
    subscribe(listener) {
      listeners.add(listener);
      return () => listeners.delete(listener);
    },
    async saveSnapshot(seq, state) {
      snapshot = { seq, state };
    },
    readSnapshot: async () => snapshot,
    async close() {
      listeners.clear();
    },
  };
}
