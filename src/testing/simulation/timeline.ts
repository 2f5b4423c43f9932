/**
 * Virtual time: what will happen when, counted while the machine is awake. The world's own acts go on while the daemon is dead
 * or stands still; the daemon's acts (its effects under way and what it has not been told yet) are forgotten when it dies.
 */
import type { Random } from "./random.ts";

export type Layer = "world" | "daemon";

interface Entry {
  readonly at: number;
  readonly order: number;
  readonly layer: Layer;
  /** Whose choices `act` draws. */
  readonly stream: string;
  readonly act: () => void;
}

export interface Timeline {
  /** Virtual ms since the start; it only grows. */
  readonly now: number;
  /** Until when the daemon stands still; in the past where it does not. */
  readonly heldUntil: number;
  after(delayMs: number, layer: Layer, act: () => void): void;
  /** When the next act is; null where nothing is to come. */
  next(): number | null;
  /** Moves to the next act and runs it. */
  step(): void;
  moveTo(at: number): void;
  /** Has the daemon stand still for so long: what it would have done meanwhile it does then, in order. */
  hold(ms: number): void;
  /** Drops the daemon's acts. */
  forget(): void;
}

export function timeline(r: Random): Timeline {
  let now = 0;
  let heldUntil = 0;
  let order = 0;
  let entries: Entry[] = [];

  const timeOf = ({ at, layer }: Entry): number =>
    layer === "daemon" ? Math.max(at, heldUntil) : at;
  const earliest = (): Entry | undefined => {
    let first: Entry | undefined;
    let firstAt = 0;
    for (const entry of entries) {
      const at = timeOf(entry);
      const isSooner =
        first === undefined || at < firstAt || (at === firstAt && goesFirst(entry, first));
      if (!isSooner) continue;
      first = entry;
      firstAt = at;
    }
    return first;
  };
  return {
    get now() {
      return now;
    },
    get heldUntil() {
      return heldUntil;
    },
    after(delayMs, layer, act) {
      const { stream } = r;
      entries.push({ at: now + Math.max(0, delayMs), order: order++, layer, stream, act });
    },
    next() {
      const entry = earliest();
      return entry === undefined ? null : timeOf(entry);
    },
    step() {
      const entry = earliest();
      if (entry === undefined) return;
      entries.splice(entries.indexOf(entry), 1);
      now = Math.max(now, timeOf(entry));
      r.as(entry.stream, entry.act);
    },
    moveTo(at) {
      now = Math.max(now, at);
    },
    hold(ms) {
      heldUntil = now + ms;
    },
    forget() {
      heldUntil = 0;
      entries = entries.filter(({ layer }) => layer === "world");
    },
  };
}

function goesFirst(a: Entry, b: Entry): boolean {
  return a.at < b.at || (a.at === b.at && a.order < b.order);
}
