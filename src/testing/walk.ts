/**
 * Steps of one task's way through the core, for tests: each feeds the observations that a good world would give, the snapshot of
 * what a broken-off round left among them.
 */
import type { TaskKey } from "../core/ids.ts";
import type { Observed, RoundFailure } from "../core/inputs.ts";
import type { Attempt, GateEvidence, Head, Worktree } from "../core/attempt.ts";
import { handoverAsked } from "../core/queries.ts";
import type { Drive } from "./core.ts";

/** A commit and its tree, named after `name`. */
export function head(name: string): Head {
  return { commit: `commit-${name}`, tree: `tree-${name}` };
}

export function worktree(key: TaskKey, over: Partial<Worktree> = {}): Worktree {
  return {
    path: `/worktrees/${key}`,
    gitDir: `/git/${key}`,
    branch: `muster/run_a/${key}`,
    base: "commit-base",
    baseTree: "tree-base",
    config: "c".repeat(40),
    basis: {},
    ...over,
  };
}

export function evidence(of: Head, over: Partial<GateEvidence> = {}): GateEvidence {
  return {
    command: "test",
    exit: 0,
    commit: of.commit,
    tree: of.tree,
    on: "head",
    durationMs: 10,
    log: "/log",
    logSha: "sha",
    tail: "the end of the log\n",
    reusedFrom: null,
    ...over,
  };
}

type Inspected = Extract<Observed, { saw: "inspected" }>;

/** A clean look at `name`. */
export function inspected(name: string, over: Partial<Inspected> = {}): Inspected {
  return {
    saw: "inspected",
    head: head(name),
    dirty: false,
    related: true,
    onTarget: false,
    outside: [],
    missing: [],
    ...over,
  };
}

type Asked = Extract<Observed, { saw: "asked" }>;

/** A session asks whether it may run `make`. */
export function asked(over: Partial<Asked> = {}): Asked {
  return {
    saw: "asked",
    ask: "q",
    kind: "permission",
    tool: "Bash",
    text: "run make?",
    input: { command: "make" },
    rule: null,
    offset: 5_000,
    ...over,
  };
}

export interface Walk {
  provision(key: TaskKey, over?: Partial<Worktree>): string[];
  /** The session of the newest start is up. */
  start(key: TaskKey): string[];
  /** The session takes the oldest message that it has not taken, or the one that asks it to hand over. */
  take(key: TaskKey): string[];
  endRound(key: TaskKey, failure?: RoundFailure | "void" | null): string[];
  exit(key: TaskKey, why?: string): string[];
  snapshot(key: TaskKey): string[];
  /** Takes the snapshot that is due before the next message; nothing where none is. Every step but `snapshot` does it too. */
  save(key: TaskKey): string[];
  /** From a new attempt to a round in flight. */
  work(key: TaskKey): void;
  /** From a round in flight to a verified commit or its gate: ends the round with commit `name`, clean. */
  commit(key: TaskKey, name?: string): string[];
  /** The due gate ends, green or red. */
  gate(key: TaskKey, passed?: boolean): string[];
  /** From a new attempt to a verified commit with a green gate. */
  prove(key: TaskKey, name?: string): void;
  /** The due merge gives `tree` on `target`. */
  merge(key: TaskKey, name: string, target?: string): string[];
  land(key: TaskKey): string[];
  retire(key: TaskKey): string[];
  /** Stops a task whose worktree is not made yet, to its final end. */
  cancel(key: TaskKey): string[];
  /** Everything, from a new attempt to a retired one. */
  finish(key: TaskKey): void;
}

type Said = Pick<Walk, "start" | "take" | "endRound" | "exit">;

/** What a session says; a round before it is admitted once what is there is in a snapshot. */
function sessionSteps(d: Drive, save: Walk["save"]): Said {
  const say = (key: TaskKey, seen: (attempt: Attempt, next: number) => Observed): string[] => {
    const before = save(key);
    const attempt = d.attempt(key);
    return [...before, ...d.see(key, seen(attempt, attempt.offset + 100)), ...save(key)];
  };
  return {
    start: (key) =>
      say(key, ({ starts: n }) => ({ saw: "session_started", n, pid: 100, version: "2.1.0" })),
    take: (key) =>
      say(key, (attempt, offset) => {
        const message = handoverAsked(attempt) ?? attempt.mail.find(({ taken }) => !taken);
        if (message === undefined) throw new Error(`${key} has no message to take`);
        return { saw: "message_taken", uuid: message.uuid, offset };
      }),
    endRound: (key, failure = null) =>
      say(key, (_, offset) => ({
        saw: "round_ended",
        failure,
        text: "done",
        turns: 1,
        usd: 0.5,
        offset,
      })),
    exit: (key, why = "exited 0") =>
      say(key, ({ starts: n }) => ({ saw: "session_exited", n, code: 0, signal: null, why })),
  };
}

export function walk(d: Drive): Walk {
  const save = (key: TaskKey): string[] => {
    const { phase } = d.attempt(key);
    const waits = phase.at === "idle" || phase.at === "working";
    return waits && d.effect(key, "snapshot") !== undefined ? self.snapshot(key) : [];
  };
  const step = (key: TaskKey, seen: Observed): string[] => [...d.see(key, seen), ...save(key)];
  const self: Walk = {
    ...sessionSteps(d, save),
    save,
    provision: (key, over) => step(key, { saw: "provisioned", worktree: worktree(key, over) }),
    snapshot(key) {
      const ref = d.effect(key, "snapshot")?.ref ?? "";
      return d.see(key, { saw: "snapshot", ref, commit: "commit-snapshot", left: 0 });
    },
    work(key) {
      self.provision(key);
      self.start(key);
      self.take(key);
    },
    commit(key, name = key) {
      self.endRound(key);
      self.snapshot(key);
      return step(key, inspected(name));
    },
    gate(key, passed = true) {
      const effect = d.effect(key, "gate");
      if (effect === undefined) throw new Error(`no gate of ${key} is due`);
      const ran = effect.commands.map((command) =>
        evidence(effect.head, { command, exit: passed ? 0 : 1, on: effect.on }),
      );
      return step(key, { saw: "gated", head: effect.head, evidence: ran, passed });
    },
    prove(key, name = key) {
      self.work(key);
      self.commit(key, name);
      self.gate(key);
    },
    merge: (key, name, target = "commit-base") =>
      step(key, { saw: "merged", merge: { target, ...head(name) } }),
    land(key) {
      const commit = d.effect(key, "land")?.merge.commit ?? "";
      return d.see(key, { saw: "landed", commit, followed: null });
    },
    retire: (key) => d.see(key, { saw: "retired", ref: null }),
    cancel(key) {
      d.command({ type: "stop", run: d.attempt(key).run, task: key });
      return d.see(key, { saw: "provision_failed", why: "stopped", retry: true });
    },
    finish(key) {
      self.prove(key);
      self.exit(key);
      self.merge(key, key);
      self.land(key);
      self.retire(key);
    },
  };
  return self;
}
