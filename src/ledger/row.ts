/** An event as text, in the ledger and in its copy, with a checksum that says whether it still is what was written. */
import { crc32 } from "node:zlib";
import type { Event } from "../core/events.ts";
import { fromText, toText } from "../core/serial.ts";

export interface Row {
  readonly seq: number;
  readonly at: number;
  readonly type: string;
  /** The rest of the event as JSON, without a line break. */
  readonly data: string;
}

/** A row as SQLite gives it; null where it was written before rows had a checksum. */
export interface StoredRow extends Row {
  readonly crc: number | null;
}

export function toRow({ seq, at, type, ...data }: Event): Row {
  return { seq, at, type, data: toText(data) };
}

/** The event of a row. Throws where its text is no JSON. */
export function toEvent({ seq, at, type, data }: Row): Event {
  return { ...(fromText(data) as object), seq, at, type } as Event;
}

/** The run that a row belongs to; null for none. */
export function runOf({ data }: Row): string | null {
  const { run } = JSON.parse(data) as { readonly run?: string };
  return run ?? null;
}

export function checksum({ seq, at, type, data }: Row): number {
  return crc32(`${seq} ${at} ${type} ${data}`);
}

/** True where a row is what was written; one without a checksum has at least to be JSON. */
export function isSound(row: StoredRow): boolean {
  if (row.crc !== null) return row.crc === checksum(row);
  try {
    return typeof JSON.parse(row.data) === "object";
  } catch {
    return false;
  }
}
