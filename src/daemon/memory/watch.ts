/**
 * What memory does to this host: looked at every few seconds, at every admission and whenever something was killed. What the kernel
 * counted is kept for the next daemon, which learns from it that this one may have been killed itself.
 */
import { readFileSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import type { HostInfo } from "../../api/service.ts";
import type { Capacity } from "../../core/inputs.ts";
import { bootId } from "../../process/identity.ts";
import { type KillScope, machine, readKills, readMemory, readScope } from "../../process/memory.ts";
import type { Log } from "../log.ts";
import { type Restraint, reasonOf, restrain, restrained, unrestrained } from "./limit.ts";

/** The kernel's shortest mean of pressure is over 10 s. */
const lookMs = 5_000;
/** Admissions that follow each other look once: nothing has grown in between. */
const freshMs = 1_000;
const fileName = "memory.json";

export interface MemoryWatch {
  capacity(): Capacity;
  /** True where the kernel killed since `at` (monotonic ms) where the memory of process `pid` is counted, or ours. */
  killedSince(at: number, pid?: number): boolean;
  heldBack(): HostInfo["heldBack"];
  /** Nothing is looked at any more, and the next daemon is told that this one was not killed. */
  close(): void;
}

export interface WatchOptions {
  readonly home: string;
  /** What this host takes where memory is no matter. */
  readonly whole: Capacity;
  readonly log: Log;
  /** Rounds in flight. */
  inFlight(): number;
  /** Of live sessions. */
  pids(): readonly number[];
  /** Called where more may run than was said last. */
  onRoom(): void;
}

/** Begins to look. */
export function watchMemory(options: WatchOptions): MemoryWatch {
  const { home, whole, log } = options;
  const counts = countKills(home, options.pids);
  let restraint: Restraint = unrestrained;
  let lookedAt = Number.NEGATIVE_INFINITY;
  let given = whole.parallel;

  const look = (): void => {
    const now = performance.now();
    const killed = counts.look(now);
    lookedAt = now;
    const inFlight = options.inFlight();
    const memory = readMemory(counts.own());
    restraint = restrain(restraint, { now, killed, inFlight, memory }, whole.parallel);
    if (killed)
      log("warn", "The kernel killed for want of memory", {
        inFlight,
        parallel: restraint.rounds,
        ...memory,
      });
  };
  const now = (): Capacity => restrained(restraint, whole, options.inFlight());
  const timer = setInterval(() => {
    look();
    if (now().parallel > given) options.onRoom();
  }, lookMs);
  timer.unref();
  return {
    capacity() {
      if (performance.now() - lookedAt >= freshMs) look();
      const capacity = now();
      given = capacity.parallel;
      return capacity;
    },
    killedSince(at, pid) {
      look();
      return counts.roseAt(pid) >= at;
    },
    heldBack() {
      const why = reasonOf(restraint, performance.now());
      return why === null ? null : { parallel: now().parallel, of: whole.parallel, why };
    },
    close() {
      clearInterval(timer);
      counts.close();
    },
  };
}

interface Counts {
  /** True where a count rose since the look before, or since the last one of a daemon that was killed. */
  look(now: number): boolean;
  own(): KillScope;
  /** When the count of a process, or ours, was last seen to have risen. */
  roseAt(pid?: number): number;
  close(): void;
}

function countKills(home: string, pids: () => readonly number[]): Counts {
  const left = readLeft(home);
  const kills = new Map<KillScope, number>(left === undefined ? [] : [[left.scope, left.kills]]);
  const roseAt = new Map<KillScope, number>();
  let scopes = new Map<number, KillScope>();
  let own: KillScope = machine;

  /** A daemon that comes back elsewhere is told of what killed the one before it. */
  const before = left?.scope;
  const rose = (scope: KillScope, now: number): boolean => {
    const count = readKills(scope);
    if (count === null) return false;
    const was = kills.get(scope);
    kills.set(scope, count);
    if (was === undefined || count <= was) return false;
    roseAt.set(scope, now);
    if (scope === before) roseAt.set(own, now);
    return true;
  };
  return {
    look(now) {
      const was = `${own} ${kills.get(own)}`;
      own = readScope("self") ?? machine;
      // One that is gone keeps the place where it was last.
      scopes = new Map(pids().map((pid) => [pid, readScope(pid) ?? scopes.get(pid) ?? own]));
      const all = new Set([own, ...scopes.values(), ...(before === undefined ? [] : [before])]);
      const risen = [...all].filter((scope) => rose(scope, now));
      const count = kills.get(own);
      if (count !== undefined && was !== `${own} ${count}`)
        save(home, { boot: bootId(), scope: own, kills: count });
      return risen.length > 0;
    },
    own: () => own,
    roseAt: (pid) =>
      roseAt.get((pid === undefined ? undefined : scopes.get(pid)) ?? own) ??
      Number.NEGATIVE_INFINITY,
    close() {
      rmSync(join(home, fileName), { force: true });
    },
  };
}

interface Left {
  readonly boot: string;
  readonly scope: KillScope;
  readonly kills: number;
}

/** Nothing depends on it but a sentence, and how much is begun at once: it is not synced, and a full disk keeps the old one. */
function save(home: string, left: Left): void {
  const path = join(home, fileName);
  try {
    writeFileSync(`${path}.new`, `${JSON.stringify(left)}\n`, { mode: 0o600 });
    renameSync(`${path}.new`, path);
  } catch {
    rmSync(`${path}.new`, { force: true });
  }
}

/** What a daemon that did not end by itself had counted, in this life of the machine. */
function readLeft(home: string): Left | undefined {
  try {
    const left = JSON.parse(readFileSync(join(home, fileName), "utf8")) as Partial<Left>;
    const { boot, scope, kills } = left;
    if (boot !== bootId() || typeof scope !== "string" || typeof kills !== "number")
      return undefined;
    return { boot, scope, kills };
  } catch {
    return undefined;
  }
}

/** True where the daemon before this one did not end by itself, and the kernel has killed for want of memory since it last looked. */
export function wasLastKilled(home: string): boolean {
  const left = readLeft(home);
  return left !== undefined && (readKills(left.scope) ?? 0) > left.kills;
}
