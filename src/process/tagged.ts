/** Live processes of this user by what their environment says, each with its identity. Linux only: none are found elsewhere. */
import { readFileSync, readlinkSync, realpathSync, statSync } from "node:fs";
import { join, resolve } from "node:path";
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

/** An attempt's session in one home. Its id alone is not enough: a home that was copied has the same ones. */
export interface OwnSession {
  readonly att: string;
  /** The attempt's own folder. */
  readonly dir: string;
  /** It works there or below. */
  readonly works: string;
}

const sessionFolders = ["CLAUDE_CODE_TMPDIR", "CLAUDE_CONFIG_DIR"];

export function sessionIn(home: string, att: string): OwnSession {
  return { att, dir: join(home, "attempts", att), works: join(home, "worktrees") };
}

/** Processes of sessions, of whatever home. */
export function readSessionProcesses(among?: readonly number[]): TaggedProcess[] {
  return readTagged("MUSTER_ATTEMPT", sessionFolders, among);
}

/** True for a process of this session: it has its folders, or it works where it does and has no other home's. */
export function isOfSession({ value, env, cwd }: TaggedProcess, own: OwnSession): boolean {
  if (value !== own.att) return false;
  const said = sessionFolders.map((name) => resolve(env.get(name) ?? "/"));
  if (said.some((path) => isBelow(path, own.dir))) return true;
  const others = said.flatMap((path) => attemptFolder(path, own.att));
  if (others.length > 0) return others.some((folder) => isSame(folder, own.dir));
  return cwd !== null && (cwd === own.works || isBelow(cwd, own.works));
}

function isBelow(path: string, folder: string): boolean {
  return path.startsWith(`${folder}/`);
}

function attemptFolder(path: string, att: string): string[] {
  const name = join("/attempts", att);
  const at = `${path}/`.lastIndexOf(`${name}/`);
  return at === -1 ? [] : [path.slice(0, at + name.length)];
}

/** A home may be known by more than one path. */
function isSame(folder: string, dir: string): boolean {
  try {
    return realpathSync(folder) === realpathSync(dir);
  } catch {
    return false;
  }
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
