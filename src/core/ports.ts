/** Ports of the core: what an engine must offer. A conformance suite in `testing/` holds every implementation. */
import type { Event, EventBody, EventType } from "./events.ts";
import type { RunId } from "./ids.ts";

export interface ReadOptions {
  /** Only events of this run. */
  readonly run?: RunId;
  readonly types?: readonly EventType[];
  /** At most this many, oldest first. */
  readonly limit?: number;
}

/**
 * The append-only store of events: one stream, numbered from 1 without a gap. One writer at a time is enforced by the expected
 * number. Appends are durable when they return. Free of anything that assumes one machine.
 */
export interface Ledger {
  /**
   * Appends events behind `expected`, the number of the last event the caller knows, all or none.
   * Throws Fault `locked` where the stream has moved on, `no_space` where the disk is full.
   */
  append(expected: number, events: readonly EventBody[], at: number): Promise<readonly Event[]>;
  /** The number of the last event, 0 where there is none. */
  head(): Promise<number>;
  /** Events behind `after`, oldest first. */
  read(after: number, options?: ReadOptions): AsyncIterable<Event>;
  /** Calls `listener` after every append of this process, in order; it must not throw. Returns how to stop. */
  subscribe(listener: (events: readonly Event[]) => void): () => void;
  /** A cache of the folded state at `seq`; may be deleted at any time. */
  saveSnapshot(seq: number, state: string): Promise<void>;
  readSnapshot(): Promise<{ readonly seq: number; readonly state: string } | undefined>;
  close(): Promise<void>;
}
