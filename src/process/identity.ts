/**
 * Identity of a process: pid, start time and boot id together (a pid alone comes back). Linux reads `/proc`; elsewhere `ps`
 * gives the start time with a resolution of one second and the boot id is the kernel's boot time (macOS, untested).
 * Source: proc(5), field 22 of `/proc/<pid>/stat`, parsed after the last `)`.
 */
import { execFileSync } from "node:child_process";
import { readFileSync, readdirSync } from "node:fs";

export interface Identity {
  readonly pid: number;
  /** Ticks since boot on Linux, an `lstart` text elsewhere; only ever compared. */
  readonly startedAt: string;
  readonly boot: string;
}

let boot: string | undefined;

/** This boot's id. */
export function bootId(): string {
  boot ??= readBootId();
  return boot;
}

function readBootId(): string {
  if (process.platform === "linux")
    return readFileSync("/proc/sys/kernel/random/boot_id", "utf8").trim();
  return execFileSync("sysctl", ["-n", "kern.boottime"], { encoding: "utf8" }).trim();
}

/** The identity of a live pid; undefined for one that is gone or a zombie. */
export function readIdentity(pid: number): Identity | undefined {
  const startedAt = process.platform === "linux" ? readLinuxStart(pid) : readPsStart(pid);
  return startedAt === undefined ? undefined : { pid, startedAt, boot: bootId() };
}

function readLinuxStart(pid: number): string | undefined {
  const stat = readStat(pid);
  return stat === undefined || stat.state === "Z" || stat.state === "X"
    ? undefined
    : stat.startedAt;
}

interface Stat {
  readonly state: string;
  readonly parent: number;
  readonly group: number;
  readonly startedAt: string;
}

/** `/proc/<pid>/stat`, or undefined where the process is gone. */
export function readStat(pid: number): Stat | undefined {
  let text: string;
  try {
    text = readFileSync(`/proc/${pid}/stat`, "utf8");
  } catch {
    return undefined;
  }
  const fields = text.slice(text.lastIndexOf(")") + 2).split(" ");
  const [state, parent, group] = fields;
  const startedAt = fields[19];
  if (state === undefined || startedAt === undefined) return undefined;
  return { state, parent: Number(parent), group: Number(group), startedAt };
}

function readPsStart(pid: number): string | undefined {
  try {
    const text = execFileSync("ps", ["-o", "stat=,lstart=", "-p", String(pid)], {
      encoding: "utf8",
    }).trim();
    return text === "" || text.startsWith("Z") ? undefined : text.replace(/^\S+\s+/, "");
  } catch {
    return undefined;
  }
}

/** True while exactly this process lives. */
export function isAlive(identity: Identity): boolean {
  if (identity.boot !== bootId()) return false;
  return readIdentity(identity.pid)?.startedAt === identity.startedAt;
}

/** Sends a signal to exactly this process, or to its group with `group`; false where it is gone. Checked right before. */
export function signal(
  identity: Identity,
  name: NodeJS.Signals,
  options: { readonly group?: boolean } = {},
): boolean {
  if (!isAlive(identity)) return false;
  try {
    process.kill(options.group === true ? -identity.pid : identity.pid, name);
    return true;
  } catch {
    return false;
  }
}

/** All pids of this machine; empty where there is no `/proc`. */
export function pids(): number[] {
  try {
    return readdirSync("/proc")
      .filter((name) => /^[0-9]+$/.test(name))
      .map(Number);
  } catch {
    return [];
  }
}
