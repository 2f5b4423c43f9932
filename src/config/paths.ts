/** Where muster keeps its things (design §7): home, socket, the person's configuration. */
import { createHash } from "node:crypto";
import {
  accessSync,
  chmodSync,
  constants,
  lstatSync,
  mkdirSync,
  realpathSync,
  statSync,
} from "node:fs";
import { dirname, isAbsolute, join, resolve } from "node:path";
import { Fault } from "../core/fault.ts";
import { errorCode } from "./text.ts";
import { oneLine } from "../core/words.ts";

type Env = Readonly<Record<string, string | undefined>>;

/** `sun_path` holds 108 bytes on Linux and 104 on macOS, with its end mark; design §7 stays below both. */
const maxSocketBytes = 100;

/** `$MUSTER_HOME`, else `$XDG_STATE_HOME/muster`, else `~/.local/state/muster`. Throws Fault `usage` for a relative home. */
export function musterHome(env: Env): string {
  const said = env["MUSTER_HOME"];
  if (said === undefined || said === "")
    return join(folder(env, "XDG_STATE_HOME", ".local/state"), "muster");
  if (isAbsolute(said) && !said.includes("\0")) return resolve(said);
  throw new Fault("usage", `MUSTER_HOME is ${oneLine(said)}, expected an absolute path`, {
    remedy: "To use muster's own folder, run unset MUSTER_HOME",
  });
}

/** `$XDG_CONFIG_HOME/muster/config.yaml`, else the one under `~/.config`. */
export function userConfigPath(env: Env): string {
  return join(folder(env, "XDG_CONFIG_HOME", ".config"), "muster", "config.yaml");
}

/** The XDG Base Directory Specification says to ignore a relative path. */
function folder(env: Env, name: string, below: string): string {
  const said = env[name];
  if (said !== undefined && isAbsolute(said)) return said;
  const home = env["HOME"];
  if (home !== undefined && isAbsolute(home)) return join(home, below);
  throw new Fault("usage", "HOME is not set, expected an absolute path", {
    remedy: "To name muster's folders, run export HOME=/home/NAME",
  });
}

/**
 * The daemon's socket: in the home, else in `$XDG_RUNTIME_DIR`, else in `/tmp/muster-<uid>`, the first whose path has at most
 * 100 bytes. The same home always gives the same path.
 */
export function socketPath(home: string, env: Env = {}, uid = process.getuid?.() ?? 0): string {
  const near = join(home, "muster.sock");
  if (Buffer.byteLength(near) <= maxSocketBytes) return near;
  const name = createHash("sha256").update(resolve(home)).digest("hex").slice(0, 8);
  const runtime = env["XDG_RUNTIME_DIR"];
  if (runtime !== undefined && isAbsolute(runtime)) {
    const path = join(runtime, `muster-${name}.sock`);
    if (Buffer.byteLength(path) <= maxSocketBytes) return path;
  }
  return `/tmp/muster-${uid}/${name}.sock`;
}

/**
 * Makes the home with mode 0700 where it is missing, closes one that others may enter, and returns its real path. Throws Fault
 * `unwritable` for one that is no folder, another user's, or not writable.
 */
export function ensureHome(home: string): string {
  return unwritableUnless(home, () => {
    makeFolder(home);
    return closed(home, statSync(home));
  });
}

/** Makes the folder of a socket like a home. A link in its place is refused: anybody may plant one in /tmp. */
export function ensureSocketFolder(socket: string): void {
  const path = dirname(socket);
  unwritableUnless(path, () => {
    makeFolder(path);
    return closed(path, lstatSync(path));
  });
}

/**
 * Makes a folder and its parents, one by one: the recursive option never returns where the kernel answers ENOENT below a folder
 * that is there, as in /proc (Node 24, measured).
 */
function makeFolder(path: string): void {
  if (statSync(path, { throwIfNoEntry: false })?.isDirectory() === true) return;
  const parent = dirname(path);
  if (parent !== path) makeFolder(parent);
  try {
    mkdirSync(path, { mode: 0o700 });
  } catch (error) {
    // Made by another process meanwhile, or no folder: what follows tells them apart.
    if (errorCode(error) !== "EEXIST") throw error;
  }
}

function closed(path: string, stat: ReturnType<typeof statSync>): string {
  if (stat === undefined || !stat.isDirectory()) throw unwritable(path, "it is no folder");
  const uid = process.getuid?.();
  if (uid !== undefined && Number(stat.uid) !== uid)
    throw unwritable(path, "it belongs to another user");
  if ((Number(stat.mode) & 0o777) !== 0o700) chmodSync(path, 0o700);
  accessSync(path, constants.W_OK | constants.X_OK);
  return realpathSync(path);
}

function unwritableUnless(path: string, act: () => string): string {
  try {
    return act();
  } catch (error) {
    if (error instanceof Fault) throw error;
    throw unwritable(path, errorCode(error), error);
  }
}

function unwritable(path: string, reason: string, cause?: unknown): Fault {
  return new Fault("unwritable", `cannot use ${oneLine(path)} as muster's folder: ${reason}`, {
    remedy: 'To use another folder, run export MUSTER_HOME="$HOME/muster-home"',
    cause,
  });
}
