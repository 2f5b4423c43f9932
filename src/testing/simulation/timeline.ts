/**
 * Virtual time: what will happen when. The world's own acts go on while the daemon is dead; the daemon's acts (its effects under
 * way and what it has not been told yet) are forgotten when it dies.
 */

export type Layer = "world" | "daemon";

interface Entry {
  readonly at: number;
  readonly order: number;
  readonly layer: Layer;
  readonly act: () => void;
}

export interface Timeline {
  /** Virtual ms since the start; it only grows. */
  readonly now: number;
  readonly size: number;
  after(delayMs: number, layer: Layer, act: () => void): void;
  /** When the next act is; null where nothing is to come. */
  next(): number | null;
  /** Moves to the next act and runs it. */
  step(): void;
  moveTo(at: number): void;
  /** Drops the daemon's acts. */
  forget(): void;
}

export function timeline(): Timeline {
  let now = 0;
  let order = 0;
  let entries: Entry[] = [];

  const earliest = (): Entry | undefined => {
    let first: Entry | undefined;
    for (const entry of entries)
      if (
        first === undefined ||
        entry.at < first.at ||
        (entry.at === first.at && entry.order < first.order)
      )
        first = entry;
    return first;
  };
  return {
    get now() {
      return now;
    },
    get size() {
      return entries.length;
    },
    after(delayMs, layer, act) {
      entries.push({ at: now + Math.max(0, delayMs), order: order++, layer, act });
    },
    next: () => earliest()?.at ?? null,
    step() {
      const entry = earliest();
      if (entry === undefined) return;
      entries.splice(entries.indexOf(entry), 1);
      now = Math.max(now, entry.at);
      entry.act();
    },
    moveTo(at) {
      now = Math.max(now, at);
    },
    forget() {
      entries = entries.filter(({ layer }) => layer === "world");
    },
  };
}
