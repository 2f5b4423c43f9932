/** Text of files that people write: UTF-8 or a clear refusal, and never a wait on something that is no file. */
import { isUtf8 } from "node:buffer";
import { closeSync, constants, fstatSync, openSync, readFileSync } from "node:fs";
import { Fault } from "../core/fault.ts";
import { oneLine } from "../core/words.ts";

/** Larger than any plan that is taken (16 MB of characters). */
const maxBytes = 64 * 1024 * 1024;

type TextFault = "bad_plan" | "bad_config";

/** `bytes` as text without byte order mark. Throws a Fault that names the first line that is not UTF-8. */
export function decodeText(bytes: Uint8Array, file: string, code: TextFault): string {
  if (isUtf8(bytes)) return new TextDecoder("utf-8").decode(bytes);
  const utf16 =
    (bytes[0] === 0xff && bytes[1] === 0xfe) || (bytes[0] === 0xfe && bytes[1] === 0xff);
  const line = utf16 ? 1 : firstBadLine(bytes);
  const what = utf16 ? "UTF-16 text" : "bytes that are not UTF-8";
  throw new Fault(code, `${oneLine(file)}:${line}: ${what}, expected UTF-8`, {
    remedy: `To convert a file, run iconv -f ${utf16 ? "UTF-16" : "LATIN1"} -t UTF-8 FILE > NEW`,
  });
}

function firstBadLine(bytes: Uint8Array): number {
  let start = 0;
  for (let line = 1; ; line++) {
    const end = bytes.indexOf(0x0a, start);
    if (end < 0 || !isUtf8(bytes.subarray(start, end))) return line;
    start = end + 1;
  }
}

/**
 * The text of a regular file, undefined where there is none. Throws Fault `code` for a folder, a pipe, a device, more than 64 MB
 * and anything that is not UTF-8, and `not_found` where reading is not permitted.
 */
export function readTextFile(path: string, code: TextFault): string | undefined {
  let fd: number;
  try {
    // Without O_NONBLOCK, opening a pipe waits for its writer.
    fd = openSync(path, constants.O_RDONLY | constants.O_NONBLOCK | constants.O_NOCTTY);
  } catch (error) {
    const reason = errorCode(error);
    if (reason === "ENOENT" || reason === "ENOTDIR") return undefined;
    throw unreadable(path, reason, error);
  }
  try {
    const stat = fstatSync(fd);
    if (!stat.isFile())
      throw new Fault(code, `${oneLine(path)} is ${kindOf(stat)}, expected a text file`);
    if (stat.size > maxBytes)
      throw new Fault(code, `${oneLine(path)} is over 64 MB, expected a smaller file`);
    return decodeText(readFileSync(fd), path, code);
  } finally {
    closeSync(fd);
  }
}

function kindOf(stat: { isDirectory(): boolean }): string {
  return stat.isDirectory() ? "a folder" : "a pipe or a device";
}

function unreadable(path: string, reason: string, cause: unknown): Fault {
  return new Fault("not_found", `cannot read ${oneLine(path)}: ${reason}`, {
    remedy: "To see what muster can reach, run muster doctor",
    cause,
  });
}

/** The code of a system error such as `ENOENT`, else its message on one line. */
export function errorCode(error: unknown): string {
  if (!(error instanceof Error)) return oneLine(String(error));
  return "code" in error && typeof error.code === "string" ? error.code : oneLine(error.message);
}
