/**
 * The voice: stdout carries the answer, stderr the narration. Color, width and motion are decided here and nowhere else. Text that
 * comes from an agent passes `clean` before it reaches a terminal.
 */
import { isatty } from "node:tty";
import { styleText } from "node:util";
import { Fault, exitCodes } from "../core/fault.ts";

export type Tone = "good" | "bad" | "busy" | "ask" | "dim" | "plain";

const colors: Readonly<Record<Tone, Parameters<typeof styleText>[0]>> = {
  good: "green",
  bad: "red",
  busy: "cyan",
  ask: "yellow",
  dim: "gray",
  plain: "reset",
};

function hasColor(stream: NodeJS.WriteStream): boolean {
  const { NO_COLOR = "", FORCE_COLOR = "", TERM } = process.env;
  if (NO_COLOR !== "") return false;
  if (FORCE_COLOR !== "") return FORCE_COLOR !== "0";
  return stream.isTTY && TERM !== "dumb";
}

/** Text in a tone, where the stream shows color. */
export function tint(
  tone: Tone,
  text: string,
  stream: NodeJS.WriteStream = process.stdout,
): string {
  return tone === "plain" || !hasColor(stream)
    ? text
    : styleText(colors[tone], text, { validateStream: false });
}

/** True where lines may be rewritten: a terminal that can, and nobody asked for plain lines. */
export function canRedraw(): boolean {
  return process.stderr.isTTY && process.env["TERM"] !== "dumb" && process.env["CI"] === undefined;
}

/** True where a person sits in front of it: questions can be asked. */
export function canAsk(): boolean {
  return isatty(0) && isatty(2);
}

export function width(stream: NodeJS.WriteStream = process.stdout): number {
  return stream.columns ?? 100;
}

/** Tells a terminal that can show it (OSC 9) that something wants attention; nothing anywhere else. */
export function ring(text: string): void {
  if (process.stderr.isTTY && process.env["TERM"] !== "dumb")
    process.stderr.write(`\u001b]9;${clean(text)}\u0007`);
}

/** The answer. */
export function say(text: string): void {
  process.stdout.write(`${text}\n`);
}

/** The narration. */
export function note(text: string): void {
  process.stderr.write(`${text}\n`);
}

/** What was done, in one line, what is to be known of it, and the command that helps next. */
export function done(text: string, next?: string, notes: readonly string[] = []): void {
  say(`${tint("good", "✓")} ${text}`);
  for (const line of notes) note(line);
  if (next !== undefined) note(`${tint("dim", "↳", process.stderr)} ${next}`);
}

/** Bytes that an agent may have written: as they are into a pipe or a file, harmless and visible on a terminal. */
export function sayRaw(bytes: Uint8Array): void {
  const text = process.stdout.isTTY ? clean(Buffer.from(bytes).toString("utf8")) : bytes;
  process.stdout.write(text);
}

/** `run` or `run/task`. */
export function addressText(run: string, task: string | null): string {
  return task === null ? run : `${run}/${task}`;
}

export function sayJson(value: object, options: { readonly lines?: boolean } = {}): void {
  say(jsonText(value, options.lines === true ? 0 : 2));
}

/** JSON that a terminal shows and does not obey: what it would obey is written as an escape, the value stays what it is. */
export function jsonText(value: object, indent: number): string {
  return JSON.stringify(value, null, indent).replace(obeyed, (text) =>
    [...Array(text.length).keys()]
      .map((i) => `\\u${text.charCodeAt(i).toString(16).padStart(4, "0")}`)
      .join(""),
  );
}

/** ESC with what makes it a command: CSI whole; of a string (OSC, DCS, APC …) only its ends, so that what it carries is seen. */
const escapes = new RegExp(
  String.raw`\u001b(?:\[[0-?]*[ -/]*[@-~]|[\]PX^_\\]|[ -/]*[0-~]?)`.replaceAll(" ", "\\x20"),
  "g",
);
/** C0 but tab and newline, DEL, C1. */
const controls = new RegExp(String.raw`[\u0000-\u0008\u000b-\u001f\u007f-\u009f]`, "g");
/** Soft hyphen, bidirectional, zero-width, annotation, tag characters and the variation selectors that text is smuggled in. */
const unseen =
  /[\u00ad\u061c\u180e\u200b-\u200f\u2028-\u202e\u2060-\u206f\ufeff\ufff9-\ufffb]|[\u{e0000}-\u{e01ef}]/gu;

/** Of both, what JSON leaves as it is. */
const obeyed = new RegExp(String.raw`[\u007f-\u009f]|${unseen.source}`, "gu");

/**
 * Agent text made harmless and visible (security.md §8): nothing in it moves the cursor, and nothing that it would run is hidden
 * from the person who is asked. Newlines and tabs stay.
 */
export function clean(text: string): string {
  return text
    .replace(escapes, "")
    .replace(controls, "")
    .replace(unseen, (c) => `\\u{${(c.codePointAt(0) ?? 0).toString(16)}}`);
}

/** One line, at most `max` characters, with what was cut shown as …. */
export function oneLine(text: string, max: number): string {
  const line = clean(text).replace(/\s+/g, " ").trim();
  return line.length <= max ? line : `${line.slice(0, Math.max(0, max - 1))}…`;
}

/** Columns aligned by their widest cell, no boxes. Cells are plain text; `paint` colors a whole cell after it is padded. */
export function table(
  rows: readonly (readonly string[])[],
  paint: (row: number, column: number, cell: string) => string = (_r, _c, cell) => cell,
): string {
  const widths: number[] = [];
  for (const row of rows)
    for (const [i, cell] of row.entries()) widths[i] = Math.max(widths[i] ?? 0, cell.length);
  return rows
    .map((row, r) =>
      row
        .map((cell, c) => paint(r, c, c === row.length - 1 ? cell : cell.padEnd(widths[c] ?? 0)))
        .join("  ")
        .trimEnd(),
    )
    .join("\n");
}

/** `3m 12s`, `42s`, `1h 4m`. */
export function duration(ms: number): string {
  const seconds = Math.round(ms / 1000);
  if (seconds < 60) return `${seconds}s`;
  const minutes = Math.floor(seconds / 60);
  if (minutes < 60) return `${minutes}m ${seconds % 60}s`;
  return `${Math.floor(minutes / 60)}h ${minutes % 60}m`;
}

export function usd(amount: number): string {
  return `$${amount.toFixed(2)}`;
}

/** What else is wrong is shown up to here: whoever has mended that much runs the command again. */
const maxMore = 20;

/** Shows an error the way every command does, and returns its exit code. */
export function sayFault(error: unknown, json: boolean): number {
  const fault = toFault(error);
  if (json) sayJson({ schema: 1, error: fault.toJSON() });
  else {
    for (const line of [fault.message, ...fault.more.slice(0, maxMore)])
      note(`${tint("bad", "✗", process.stderr)} ${clean(line)}`);
    if (fault.more.length > maxMore) note(`  and ${fault.more.length - maxMore} more`);
    if (fault.remedy !== null) note(`${tint("dim", "↳", process.stderr)} ${clean(fault.remedy)}`);
  }
  return exitCodes[fault.code];
}

export function toFault(error: unknown): Fault {
  if (error instanceof Fault) return error;
  const text = error instanceof Error ? (error.message.split("\n")[0] ?? "unknown") : String(error);
  return new Fault("internal", `muster failed: ${text}`, { remedy: "muster doctor", cause: error });
}
