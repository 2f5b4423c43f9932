/** What muster's own folders take on disk. Looking ends when its time is up, and lets others in meanwhile. */
import { type Stats, lstatSync, readdirSync } from "node:fs";
import { join } from "node:path";
import { setImmediate as breathe } from "node:timers/promises";
import type { DiskUse } from "../../api/housekeeping.ts";

export interface Weight {
  readonly bytes: number;
  /** False where it is a lower bound. */
  readonly whole: boolean;
}

/** Between two chances for others: far below what a person notices. */
const sliceMs = 10;
/** A block of `st_blocks`, whatever the file system's own are (stat(2)). */
const blockBytes = 512;

/** Weighs folders (or files) one after another, links not followed, all within `limitMs`. What is not there weighs nothing. */
export async function weighAll(paths: readonly string[], limitMs: number): Promise<Weight[]> {
  const end = performance.now() + limitMs;
  const weights: Weight[] = [];
  for (const path of paths) weights.push(await weigh(path, end));
  return weights;
}

async function weigh(path: string, end: number): Promise<Weight> {
  const pending = [path];
  let bytes = 0;
  let slice = performance.now() + sliceMs;
  for (let next = pending.pop(); next !== undefined; next = pending.pop()) {
    const stats = readStat(next);
    if (stats === undefined) continue;
    bytes += stats.blocks * blockBytes;
    if (stats.isDirectory()) for (const name of readNames(next)) pending.push(join(next, name));
    const now = performance.now();
    if (now > end) return { bytes, whole: pending.length === 0 };
    if (now <= slice) continue;
    await breathe();
    slice = performance.now() + sliceMs;
  }
  return { bytes, whole: true };
}

function readStat(path: string): Stats | undefined {
  try {
    return lstatSync(path);
  } catch {
    return undefined; // As below.
  }
}

function readNames(folder: string): string[] {
  try {
    return readdirSync(folder);
  } catch {
    return []; // Gone meanwhile, or closed to us.
  }
}

/** Half a second: about 100,000 files on a warm cache (5 µs each, measured with 18,805). */
const limitMs = 500;

/** The use of a home by folder. */
export async function diskUse(home: string): Promise<DiskUse> {
  const named = ["worktrees", "attempts", "gates"];
  const rest = readNames(home).filter((name) => !named.includes(name));
  // The small ones first: the worktrees are what takes the time.
  const order = [...rest, "gates", "attempts", "worktrees"];
  const weights = await weighAll(
    order.map((name) => join(home, name)),
    limitMs,
  );
  const of = (names: readonly string[]): number =>
    weights.reduce((sum, { bytes }, i) => sum + (names.includes(order[i] ?? "") ? bytes : 0), 0);
  return {
    worktrees: of(["worktrees"]),
    attempts: of(["attempts"]),
    gates: of(["gates"]),
    rest: of(rest),
    whole: weights.every(({ whole }) => whole),
  };
}

/** One minute: what a list shows need not be newer. */
const freshMs = 60_000;
const looks = new Map<string, { readonly at: number; readonly use: Promise<DiskUse> }>();

/** As `diskUse`, looked at once a minute at most. */
export function recentDiskUse(home: string): Promise<DiskUse> {
  const now = performance.now();
  const known = looks.get(home);
  if (known !== undefined && now - known.at < freshMs) return known.use;
  const use = diskUse(home);
  looks.set(home, { at: now, use });
  return use;
}
