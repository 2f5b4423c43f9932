/** Live processes of this user by what their environment says, each with its identity. Linux only: none are found elsewhere. */
import { readFileSync, readlinkSync, statSync } from "node:fs";
import { type Identity, isAlive, pids, readIdentity } from "./identity.ts";

export interface TaggedProcess {
  readonly identity: Identity;
  /** What the tag says. */
  readonly value: string;
  /** Other variables that were asked for, where it has them. */
  readonly env: ReadonlyMap<string, string>;
  /** Its working directory; null where it can't be read. */
  readonly cwd: string | null;
}

/** Processes of this user, without this one, whose environment has the variable `tag`; of all, or `among` these. */
export function readTagged(
  tag: string,
  wanted: readonly string[],
  among: readonly number[] = pids(),
): TaggedProcess[] {
  return among.flatMap((pid) => {
    if (pid === process.pid) return [];
    const identity = readIdentity(pid);
    const env = isOurs(pid) ? readEnvironment(pid, [tag, ...wanted]) : undefined;
    const value = env?.get(tag);
    if (identity === undefined || env === undefined || value === undefined) return [];
    const cwd = readFolder(pid);
    // Everything read in between is this one's, and not of a later process with its pid.
    return isAlive(identity) ? [{ identity, value, env, cwd }] : [];
  });
}

function isOurs(pid: number): boolean {
  try {
    return statSync(`/proc/${pid}`).uid === process.getuid?.();
  } catch {
    return false;
  }
}

function readEnvironment(pid: number, names: readonly string[]): Map<string, string> | undefined {
  let text: string;
  try {
    text = readFileSync(`/proc/${pid}/environ`, "utf8");
  } catch {
    return undefined; // Gone, or closed to us.
  }
  const found = new Map<string, string>();
  for (const line of text.split("\0")) {
    const name = line.slice(0, Math.max(0, line.indexOf("=")));
    if (names.includes(name) && !found.has(name)) found.set(name, line.slice(name.length + 1));
  }
  return found;
}

function readFolder(pid: number): string | null {
  try {
    return readlinkSync(`/proc/${pid}/cwd`);
  } catch {
    return null;
  }
}
