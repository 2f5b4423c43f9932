/**
 * Names in git are bytes. Inside this folder a path is held one byte a character (latin1), so any name survives a trip through
 * a string, a set or a map; what leaves it is readable text that can be read back.
 */
import { Buffer, isUtf8 } from "node:buffer";

/** A path relative to the top of a worktree, one character per byte. */
export type RawPath = string;

/** The NUL-separated names of a git output. */
export function rawPaths(output: Buffer): RawPath[] {
  return output
    .toString("latin1")
    .split("\0")
    .filter((name) => name !== "");
}

/** The bytes of NUL-terminated names, as git reads them with `-z --stdin`. */
export function nulTerminated(lines: readonly RawPath[]): Buffer {
  return Buffer.from(lines.map((line) => `${line}\0`).join(""), "latin1");
}

/** The file's own name for `node:fs`: bytes, so that a name outside UTF-8 is found. */
export function onDisk(root: string, path: RawPath): Buffer {
  return Buffer.concat([Buffer.from(`${root}/`), Buffer.from(path, "latin1")]);
}

/** The path as UTF-8 text, or undefined where its bytes are none. */
export function asText(path: RawPath): string | undefined {
  const bytes = Buffer.from(path, "latin1");
  return isUtf8(bytes) ? bytes.toString("utf8") : undefined;
}

/**
 * The path as a person reads it, lossless: a backslash is doubled and, in a name that is not UTF-8, each byte from 0x80 up is
 * written `\xNN`. `rawOf` is the inverse.
 */
export function shown(path: RawPath): string {
  const escaped = path.replaceAll("\\", "\\\\");
  const text = asText(escaped);
  return text ?? escaped.replace(/[\x80-\xff]/g, (byte) => `\\x${byte.charCodeAt(0).toString(16)}`);
}

/** The path that `shown` wrote. */
export function rawOf(text: string): RawPath {
  const raw = Buffer.from(text, "utf8").toString("latin1");
  return raw.replace(/\\(?:\\|x([0-9a-f]{2}))/g, (_, hex: string | undefined) =>
    hex === undefined ? "\\" : String.fromCharCode(Number.parseInt(hex, 16)),
  );
}

/** All folders above a path, outermost first. */
export function parentsOf(path: RawPath): RawPath[] {
  const parts = path.split("/");
  return parts.slice(0, -1).map((_, n) => parts.slice(0, n + 1).join("/"));
}

/** True where `path` is `folder` or lies in it; `folder` may end in a slash. */
export function isWithin(path: string, folder: string): boolean {
  const base = folder.replace(/\/+$/, "");
  return path === base || path === `${base}/` || path.startsWith(`${base}/`);
}
