/** A limit on what muster keeps: which of the oldest have to go so that the rest is within it. */
import { readdirSync } from "node:fs";
import { join } from "node:path";
import type { OldItem } from "../../api/housekeeping.ts";
import { type Weight, weighAll } from "./disk.ts";

/** Five seconds for everything that counts: a sum that is cut off is too small, so less goes than could. */
const weighMs = 5_000;

/** What counts: attempts, gates and logs. Worktrees go by `clean` as such, the trash goes by itself, and the ledger stays. */
function counted(home: string): readonly string[] {
  const logs = readdirSync(home).filter((name) => /^muster\.ndjson(?:\.\d+)?$/.test(name));
  return ["attempts", "gates", ...logs].map((name) => join(home, name));
}

/**
 * Of `candidates`, which are oldest first: as many as have to go so that at most `bytes` stay after `going`. What is
 * blocked on the way is among them and frees nothing.
 */
export async function overSize<T extends { readonly item: Pick<OldItem, "folders" | "blocked"> }>(
  home: string,
  bytes: number,
  going: readonly string[],
  candidates: readonly T[],
): Promise<T[]> {
  const weights = (paths: readonly string[]): Promise<Weight[]> => weighAll(paths, weighMs);
  // What goes and can't be weighed whole may be all that has to go.
  const freed = async (paths: readonly string[]): Promise<number> => {
    const all = await weights(paths);
    return all.every(({ whole }) => whole) ? sum(all) : Number.POSITIVE_INFINITY;
  };
  let left = sum(await weights(counted(home))) - (await freed(going));
  const over: T[] = [];
  for (const candidate of candidates) {
    if (left <= bytes) break;
    over.push(candidate);
    if (candidate.item.blocked === null) left -= await freed(candidate.item.folders);
  }
  return over;
}

function sum(weights: readonly Weight[]): number {
  return weights.reduce((all, { bytes }) => all + bytes, 0);
}
