/** A real engine on a ledger, with a world that only remembers what is due: for what clocks and disks do to it. */
import { randomUUID } from "node:crypto";
import { type Engine, engine } from "../../src/daemon/engine.ts";
import type { Effect } from "../../src/core/effects.ts";
import type { Observed } from "../../src/core/inputs.ts";
import { answered, phaseKey, sessionKey } from "../../src/core/keys.ts";
import type { Ledger } from "../../src/core/ports.ts";
import type { Attempt } from "../../src/core/attempt.ts";
import { noBoundary } from "../../src/host/boundary.ts";
import { roomy, startOf, taskSpec } from "../../src/testing/core.ts";
import { head, inspected, worktree } from "../../src/testing/walk.ts";

export interface Driven {
  readonly engine: Engine;
  /** What was due last. */
  due(): readonly Effect[];
  /** The keys that a host was told are over, in order. */
  readonly over: readonly string[];
  attempt(): Attempt;
  /** Tells what the world answered to the phase or session of the only attempt. */
  see(observed: Observed): Promise<void>;
  /** From the start of a run of one task to a round in flight, in a worktree at `path`. */
  work(path?: string): Promise<void>;
  /** From a round in flight to its end with a commit. */
  commit(name: string): Promise<void>;
}

export function driven(ledger: Ledger, now: () => number): Driven {
  let effects: readonly Effect[] = [];
  const over: string[] = [];
  const core = engine({
    ledger,
    capacity: () => roomy,
    perform: (next) => {
      effects = next;
    },
    forget: (next) => {
      const due = new Set(next.map(({ key }) => key));
      over.push(...effects.map(({ key }) => key).filter((key) => !due.has(key)));
    },
    now,
    boundary: noBoundary,
    log: () => {},
    fail: (error) => {
      throw error;
    },
  });
  const attempt = (): Attempt => {
    const [found] = core.state.attempts.values();
    if (found === undefined) throw new Error("no attempt is open");
    return found;
  };
  const see = (observed: Observed): Promise<void> => {
    const of = attempt();
    const key =
      answered[observed.saw] === undefined ? sessionKey(of.id, of.starts) : (phaseKey(of) ?? "");
    return core.observe({ att: of.id, key, ...observed });
  };
  const next = (): number => attempt().offset + 100;
  return {
    engine: core,
    due: () => effects,
    over,
    attempt,
    see,
    async work(path) {
      await core.command(startOf([taskSpec("a")]));
      const over = path === undefined ? {} : { path };
      await see({ saw: "provisioned", worktree: worktree("a", over) });
      await see({ saw: "session_started", n: 1, pid: 100, version: null });
      const [message] = attempt().mail;
      await see({ saw: "message_taken", uuid: message?.uuid ?? randomUUID(), offset: next() });
    },
    async commit(name) {
      const ended = { failure: null, text: "done", turns: 1, usd: 0.1 } as const;
      await see({ saw: "round_ended", ...ended, offset: next() });
      const ref = effects.find((effect) => effect.do === "snapshot")?.ref ?? "";
      await see({ saw: "snapshot", ref, commit: head("snapshot").commit, left: 0 });
      await see(inspected(name));
    },
  };
}
