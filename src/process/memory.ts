/**
 * What the kernel says of memory: how often it killed for want of it, what is free, and how long everybody waited for it. Linux only:
 * nothing is known elsewhere. Kills are counted per control group (memory.events of v2, memory.oom_control of v1: also where the
 * whole machine was out of memory, the group of the process that was killed counts it), and for the machine in /proc/vmstat, which a
 * container shares with its host: that one says only that something was killed.
 */
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";

/** Where kills are counted: the folder of a control group, or `machine` where no group's count can be read. */
export type KillScope = string;

export const machine: KillScope = "machine";

export interface Memory {
  /** Bytes that can be had without swapping, of the machine or of our group, whichever is less; null = unknown. */
  readonly freeBytes: number | null;
  /** Percent of the last 10 s in which nobody got on for want of memory; null = unknown. */
  readonly stalledPercent: number | null;
}

const groups = "/sys/fs/cgroup";
/** A limit that is none: v1 says the largest number of pages, in bytes. */
const noLimit = 2 ** 60;

/** Kills so far, as vmstat, memory.events and memory.oom_control all write it. */
export function parseKills(text: string): number | null {
  return numberAt(/^oom_kill (\d+)$/m, text);
}

/** MemAvailable of /proc/meminfo, in bytes. */
export function parseAvailable(meminfo: string): number | null {
  const kilobytes = numberAt(/^MemAvailable:\s+(\d+) kB$/m, meminfo);
  return kilobytes === null ? null : kilobytes * 1024;
}

/** `full avg10` of /proc/pressure/memory. */
export function parsePressure(text: string): number | null {
  return numberAt(/^full avg10=([\d.]+)/m, text);
}

/** Folders in which the memory of a process may be counted, by its /proc/<pid>/cgroup: v1's, else v2's, alone or beside v1. */
export function parseGroup(text: string): readonly string[] {
  const lines = text.split("\n").map((line) => /^\d+:([^:]*):(\/.*)$/.exec(line) ?? []);
  const v1 = lines.find(([, names = ""]) => names.split(",").includes("memory"))?.[2];
  if (v1 !== undefined) return [join(groups, "memory", v1), join(groups, "memory")];
  const v2 = lines.find(([, names]) => names === "")?.[2];
  // A container without a namespace of its own for groups sees its group at the top, under a path that is not there.
  return v2 === undefined ? [] : [join(groups, v2), groups];
}

/** Bytes left below a group's limit, its unused files not counted; null without a limit. `limit` and `used` in bytes or `max`. */
export function parseLeft(limit: string, used: string, stat: string): number | null {
  const most = Number(limit.trim());
  if (!(most < noLimit)) return null;
  const files =
    numberAt(/^total_inactive_file (\d+)$/m, stat) ?? numberAt(/^inactive_file (\d+)$/m, stat);
  return Math.max(0, most - Number(used.trim()) + (files ?? 0));
}

function numberAt(pattern: RegExp, text: string): number | null {
  const [, digits] = pattern.exec(text) ?? [];
  return digits === undefined ? null : Number(digits);
}

/** Where kills of this process are counted; undefined for one that is gone. */
export function readScope(pid: number | "self"): KillScope | undefined {
  const text = readText(`/proc/${pid}/cgroup`);
  if (text === undefined) return undefined;
  return parseGroup(text).find((folder) => readKills(folder) !== null) ?? machine;
}

/** How often the kernel killed there for want of memory since its boot, or since the group was made; null = unknown. */
export function readKills(scope: KillScope): number | null {
  const paths =
    scope === machine
      ? ["/proc/vmstat"]
      : ["memory.events", "memory.oom_control"].map((name) => join(scope, name));
  for (const path of paths) {
    const kills = parseKills(readText(path) ?? "");
    if (kills !== null) return kills;
  }
  return null;
}

/** What is free for the processes of `scope`, and how hard memory is to get. */
export function readMemory(scope: KillScope): Memory {
  const free = parseAvailable(readText("/proc/meminfo") ?? "");
  const left = scope === machine ? null : readLeft(scope);
  return {
    freeBytes: free === null || left === null ? (free ?? left) : Math.min(free, left),
    stalledPercent: parsePressure(readText("/proc/pressure/memory") ?? ""),
  };
}

function readLeft(folder: string): number | null {
  const limit =
    readText(join(folder, "memory.max")) ?? readText(join(folder, "memory.limit_in_bytes"));
  const used =
    readText(join(folder, "memory.current")) ?? readText(join(folder, "memory.usage_in_bytes"));
  if (limit === undefined || used === undefined) return null;
  return parseLeft(limit, used, readText(join(folder, "memory.stat")) ?? "");
}

/** What the kernel would rather kill than us: a session can be resumed. Added to what it has; a thousand is the most there is. */
export const rather = 200;

/** Has the kernel kill this process rather than us; without effect where it can't be said. */
export function preferAsVictim(pid: number): void {
  const path = `/proc/${pid}/oom_score_adj`;
  const now = Number(readText(path) ?? Number.NaN);
  try {
    if (Number.isInteger(now)) writeFileSync(path, `${Math.min(1000, now + rather)}\n`);
  } catch {
    // Gone already.
  }
}

function readText(path: string): string | undefined {
  try {
    return readFileSync(path, "utf8");
  } catch {
    return undefined;
  }
}
