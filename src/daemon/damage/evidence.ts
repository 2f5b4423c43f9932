/**
 * What the world knows of attempts, beside what the ledger does: their folders, their worktrees, and which start was claimed. An
 * effect is performed only after its event is durable, so a folder that the ledger does not know is a lost event.
 */
import { readdirSync } from "node:fs";
import { join } from "node:path";
import { type AttemptId, type RunId, attemptId } from "../../core/ids.ts";
import type { Ledger } from "../../core/ports.ts";
import { readShim } from "../../process/shim.ts";

const attemptName = /^att_([0-9a-z]+)_(\d{1,9})$/;

export interface Trace {
  readonly att: AttemptId;
  readonly run: RunId;
  readonly n: number;
  /** Its worktree below the home; null for none. */
  readonly worktree: string | null;
  /** The highest start that was claimed, 0 for none. */
  readonly starts: number;
}

export interface Known {
  /** Attempts by run: numbered from 1, so a number says it all. */
  readonly attempts: ReadonlyMap<RunId, number>;
  /** The highest start of each attempt. */
  readonly starts: ReadonlyMap<AttemptId, number>;
}

/** What the ledger says of attempts and starts. */
export async function readKnown(ledger: Ledger): Promise<Known> {
  const attempts = new Map<RunId, number>();
  const starts = new Map<AttemptId, number>();
  const types = ["run.started", "attempt.admitted", "session.planned"] as const;
  for await (const event of ledger.read(0, { types })) {
    if (event.type === "run.started") attempts.set(event.run, attempts.get(event.run) ?? 0);
    else if (event.type === "attempt.admitted")
      attempts.set(event.run, (attempts.get(event.run) ?? 0) + 1);
    else if (event.type === "session.planned") starts.set(event.att, event.n);
  }
  return { attempts, starts };
}

/** Attempts of which there is a folder or a worktree, in order of their numbers. */
export function readTraces(home: string): Trace[] {
  const worktrees = new Map(
    names(join(home, "worktrees")).flatMap((project) =>
      names(join(home, "worktrees", project)).map((name) => [
        name,
        join(home, "worktrees", project, name),
      ]),
    ),
  );
  const all = new Set([...names(join(home, "attempts")), ...worktrees.keys()]);
  return [...all]
    .flatMap((name): Trace[] => {
      const [, of, digits] = attemptName.exec(name) ?? [];
      if (of === undefined) return [];
      const run: RunId = `run_${of}`;
      const n = Number(digits);
      const att = attemptId(run, n);
      return [{ att, run, n, worktree: worktrees.get(name) ?? null, starts: lastStart(home, att) }];
    })
    .toSorted((a, b) => a.n - b.n);
}

/** Traces that tell of more than the ledger does. */
export function unrecorded(traces: readonly Trace[], known: Known): Trace[] {
  return traces.filter(
    ({ att, run, n, starts }) =>
      n > (known.attempts.get(run) ?? 0) || starts > (known.starts.get(att) ?? 0),
  );
}

function lastStart(home: string, att: AttemptId): number {
  const dir = join(home, "attempts", att);
  return names(dir)
    .filter((name) => /^[1-9]\d{0,8}$/.test(name) && readShim(join(dir, name)).claimed)
    .reduce((last, name) => Math.max(last, Number(name)), 0);
}

function names(folder: string): string[] {
  try {
    return readdirSync(folder);
  } catch {
    return [];
  }
}
