/**
 * The copy of the ledger: every event once more as a line of plain text, `<crc> <seq> <at> <type> <data>`, in segments that are
 * only ever appended to. It is written behind each commit and not synced: the ledger is the truth, and a copy that lags is brought
 * up to it at the next start. What it has and the ledger has not was acknowledged and then lost.
 */
import {
  closeSync,
  mkdirSync,
  openSync,
  readFileSync,
  readdirSync,
  statSync,
  writeSync,
} from "node:fs";
import { join } from "node:path";
import { type Row, checksum } from "./row.ts";

/** A start reads the last segment to find where the copy ends: 4 MB take 20 ms. */
const maxSegmentBytes = 4 * 1024 * 1024;
const segmentName = /^(\d{12})-(\d{4})\.log$/;
const lineOf = /^([0-9a-f]{8}) (\d+) (-?\d+) (\S+) (.*)$/s;

export interface Copy {
  /** The number of the last event in it, 0 where there is none. */
  readonly last: number;
  /** Appends rows that follow `last`; false where that fails, and then it may be tried again. */
  append(rows: readonly Row[]): boolean;
  close(): void;
}

/** The folder of the copy of the ledger at `path`. */
export function copyOf(path: string): string {
  return `${path.replace(/\.db$/, "")}.copy`;
}

/** Opens the copy for appending; makes nothing before the first row. */
export function openCopy(folder: string): Copy {
  let { last, isWhole } = readEnd(folder);
  let fd: number | undefined;
  let bytes = 0;
  const close = (): void => {
    if (fd !== undefined) closeSync(fd);
    fd = undefined;
  };
  const open = (): number => {
    mkdirSync(folder, { recursive: true, mode: 0o700 });
    const newest = segments(folder).at(-1);
    const size = newest === undefined ? 0 : statSync(join(folder, newest)).size;
    const goesOn = newest !== undefined && isWhole && size < maxSegmentBytes;
    // A segment that ends in half a line is never written to again.
    const name = goesOn ? newest : nextName(folder, last + 1);
    bytes = goesOn ? size : 0;
    isWhole = true;
    return openSync(join(folder, name), "a", 0o600);
  };
  return {
    get last() {
      return last;
    },
    append(rows) {
      const text = Buffer.from(rows.map(toLine).join(""));
      try {
        if (bytes >= maxSegmentBytes) close();
        fd ??= open();
        if (writeSync(fd, text) < text.length) throw new Error("cut off");
        bytes += text.length;
        last = rows.at(-1)?.seq ?? last;
        return true;
      } catch {
        isWhole = false;
        close();
        return false;
      }
    },
    close,
  };
}

/** The copy's events from number `from` on, in order, up to the first that is not there or not what was written. */
export function* readCopy(folder: string, from: number): Iterable<Row> {
  const names = segments(folder);
  let next = from;
  for (const [i, name] of names.entries()) {
    const follower = names[i + 1];
    if (follower !== undefined && firstOf(follower) <= from) continue;
    for (const row of readSegment(join(folder, name))) {
      if (row.seq !== next) continue;
      yield row;
      next += 1;
    }
  }
}

/** The highest number in it, and whether its last segment ends with a whole line. */
function readEnd(folder: string): { last: number; isWhole: boolean } {
  const names = segments(folder);
  for (const [i, name] of names.toReversed().entries()) {
    const path = join(folder, name);
    const last = readSegment(path).at(-1);
    if (last === undefined) continue;
    return { last: last.seq, isWhole: i === 0 && readFileSync(path).at(-1) === 0x0a };
  }
  return { last: 0, isWhole: names.length === 0 };
}

function readSegment(path: string): Row[] {
  return readFileSync(path, "utf8").split("\n").flatMap(parseLine);
}

function toLine(row: Row): string {
  const crc = checksum(row).toString(16).padStart(8, "0");
  return `${crc} ${row.seq} ${row.at} ${row.type} ${row.data}\n`;
}

/** A line that is not what was written is passed over. */
function parseLine(line: string): Row[] {
  const [, crc = "", seq, at, type = "", data = ""] = lineOf.exec(line) ?? [];
  const row = { seq: Number(seq), at: Number(at), type, data };
  return crc !== "" && Number.parseInt(crc, 16) === checksum(row) ? [row] : [];
}

function segments(folder: string): string[] {
  try {
    return readdirSync(folder)
      .filter((name) => segmentName.test(name))
      .toSorted();
  } catch {
    return []; // There is no copy yet.
  }
}

function firstOf(name: string): number {
  return Number(name.slice(0, 12));
}

function nextName(folder: string, first: number): string {
  const padded = String(first).padStart(12, "0");
  const same = segments(folder).filter((name) => name.startsWith(padded)).length;
  return `${padded}-${String(same).padStart(4, "0")}.log`;
}
