/**
 * How much this host takes on, by what memory says. After a kill for want of memory: half the rounds that were in flight, doubled after
 * every quiet time until nothing is held back. While memory is scarce: nothing beyond what runs. One round may always run, else nothing
 * would ever end. A pure function of what was seen.
 */
import type { Capacity } from "../../core/inputs.ts";
import { count } from "../../core/words.ts";
import type { Memory } from "../../process/memory.ts";

export interface Restraint {
  /** Rounds at once; null = as many as the host takes. */
  readonly rounds: number | null;
  /** When the kernel killed last; null = not in this daemon's life. */
  readonly killedAt: number | null;
  /** When `rounds` was set. */
  readonly since: number;
  readonly memory: Memory;
}

/** One look. Times are monotonic ms. */
export interface Look {
  readonly now: number;
  /** True where the kernel killed since the look before. */
  readonly killed: boolean;
  /** Rounds in flight. */
  readonly inFlight: number;
  readonly memory: Memory;
}

/** Four working sessions take so much (125 MB each), or one that builds. */
export const leastFreeBytes = 512 * 1024 * 1024;
/** A tenth of the time lost by everybody: systemd-oomd kills at 60 %, and new work only adds to it. */
export const mostStalledPercent = 10;
/** Longer than a build takes to reach its size again: only then is it known whether more fits. */
export const quietMs = 3 * 60_000;

export const unrestrained: Restraint = {
  rounds: null,
  killedAt: null,
  since: 0,
  memory: { freeBytes: null, stalledPercent: null },
};

/** What holds after a look, on a host that takes `parallel` rounds. */
export function restrain(was: Restraint, look: Look, parallel: number): Restraint {
  const { now, memory, inFlight } = look;
  if (look.killed) {
    const half = Math.max(1, Math.floor(inFlight / 2));
    const rounds = Math.min(was.rounds ?? parallel, half);
    return { rounds, killedAt: now, since: now, memory };
  }
  if (was.rounds === null || isScarce(memory) || now - was.since < quietMs)
    return { ...was, memory, since: isScarce(memory) ? now : was.since };
  const rounds = was.rounds * 2;
  return { ...was, memory, since: now, rounds: rounds >= parallel ? null : rounds };
}

/** True where what is free or what is waited for forbids more. What is unknown forbids nothing. */
export function isScarce({ freeBytes, stalledPercent }: Memory): boolean {
  return (
    (freeBytes !== null && freeBytes < leastFreeBytes) ||
    (stalledPercent !== null && stalledPercent >= mostStalledPercent)
  );
}

/** What of `whole` may be in use while `inFlight` rounds run; gates are as large as sessions, so one at once. */
export function restrained(restraint: Restraint, whole: Capacity, inFlight: number): Capacity {
  const rounds = Math.min(
    whole.parallel,
    restraint.rounds ?? whole.parallel,
    isScarce(restraint.memory) ? Math.max(1, inFlight) : whole.parallel,
  );
  if (rounds === whole.parallel) return whole;
  return { parallel: rounds, resident: Math.min(whole.resident, 2 * rounds), gates: 1 };
}

/** Why less runs than could, for a person; null where nothing is held back. */
export function reasonOf(restraint: Restraint, now: number): string | null {
  const { rounds, killedAt, memory } = restraint;
  const { freeBytes, stalledPercent } = memory;
  if (rounds !== null && killedAt !== null) {
    const minutes = Math.floor((now - killedAt) / 60_000);
    const ago = minutes === 0 ? "less than a minute" : count(minutes, "minute");
    return `the kernel killed for want of memory ${ago} ago`;
  }
  if (!isScarce(memory)) return null;
  if (freeBytes !== null && freeBytes < leastFreeBytes)
    return `${Math.floor(freeBytes / 1024 ** 2)} MB of memory are free`;
  return `everything waits for memory ${Math.round(stalledPercent ?? 0)} % of the time`;
}
