/**
 * Shrinking: the choices of a failing run, made fewer and smaller for as long as the same thing fails. Fewer tasks, fewer faults
 * and shorter waits follow from that, since 0 is the quietest choice everywhere.
 */
import type { Script } from "./random.ts";

/** Runs a script: what it chose where it fails as it should, null where it does not. */
export type Fails = (script: Script) => Script | null;

/** The smallest script that was found before `isOver`; it fails as `script` does. */
export function shrink(script: Script, fails: Fails, isOver: () => boolean): Script {
  let best = script;
  const replace = (name: string, values: readonly number[]): boolean => {
    if (isOver()) return false;
    const next = fails({ ...best, [name]: values });
    if (next !== null) best = next;
    return next !== null;
  };
  const all = [dropAll, quieten, cutOut, lower];
  for (;;) {
    const before = JSON.stringify(best);
    for (const pass of all)
      for (const name of Object.keys(best))
        pass(
          () => best[name] ?? [],
          (values) => replace(name, values),
        );
    if (isOver() || JSON.stringify(best) === before) return best;
  }
}

/** What of a failure is the same whatever the names and numbers: two runs break the same rule where this is the same. */
export function ruleOf(what: string): string {
  const [line = ""] = what.split("\n");
  const [rule = ""] = line.replaceAll(/\b(?:run|att)_\S+|[0-9a-f]{40}|\d+/g, "…").split(":");
  return rule;
}

type Pass = (now: () => readonly number[], replace: (values: readonly number[]) => boolean) => void;

const dropAll: Pass = (_, replace) => void replace([]);

const quieten: Pass = (now, replace) =>
  inChunks(now, (values, from, to) => {
    const chunk = values.slice(from, to);
    if (chunk.every((value) => value === 0)) return;
    replace(values.with(from, 0).fill(0, from, to));
  });

const cutOut: Pass = (now, replace) =>
  inChunks(now, (values, from, to) => void replace(values.toSpliced(from, to - from)));

/** From half of it down to single choices, from the end. */
function inChunks(
  now: () => readonly number[],
  act: (values: readonly number[], from: number, to: number) => void,
): void {
  for (let size = Math.max(1, now().length >> 1); size >= 1; size >>= 1)
    for (let to = now().length; to > 0; to -= size) {
      const values = now();
      const end = Math.min(to, values.length);
      if (end > 0) act(values, Math.max(0, end - size), end);
    }
}

/** Each choice as low as it goes, by halving. */
const lower: Pass = (now, replace) => {
  for (let i = 0; i < now().length; i++) {
    let tooLow = 0;
    for (let value = now()[i] ?? 0; value - tooLow > 1; value = now()[i] ?? 0) {
      const middle = tooLow + ((value - tooLow) >> 1);
      if (!replace(now().with(i, middle))) tooLow = middle;
    }
  }
};
