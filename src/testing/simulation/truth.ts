/**
 * What is really so in the simulated world, whatever the core believes: commits and their trees, the targets and what landed on
 * them, worktrees and their unsaved bytes, which tree passed which gate, what was charged.
 */
import type { AttemptId, RunId, Sha, TaskKey } from "../../core/ids.ts";
import type { TaskSpec } from "../../core/plan.ts";
import { laneOf } from "../../core/queries.ts";
import type { Worktree } from "../../core/attempt.ts";
import type { FaultKind } from "./faults.ts";
import type { Random } from "./random.ts";
import type { Timeline } from "./timeline.ts";

/** A commit is the set of changes it holds; a change is `<author>#<n>`, the author an attempt or `else`. */
export interface Commit {
  readonly id: Sha;
  readonly tree: Sha;
  readonly changes: readonly string[];
  /** What an inspection would find wrong with it. */
  readonly outside: readonly string[];
  readonly missing: readonly string[];
  readonly related: boolean;
  readonly onTarget: boolean;
}

export interface Landing {
  readonly run: RunId;
  readonly task: TaskKey;
  readonly att: AttemptId;
  readonly head: Sha;
  readonly merge: Sha;
}

export interface Lane {
  head: Sha;
  readonly merges: Set<Sha>;
}

export interface WorkingTree {
  readonly worktree: Worktree;
  /** Its setup has succeeded. */
  isReady: boolean;
  head: Sha;
  dirty: boolean;
  /** Writes of the session so far, and how many of them a snapshot holds. */
  writes: number;
  saved: number;
}

export interface Truth {
  readonly r: Random;
  /** What may still go wrong; once it is 0 everything goes well, so that every run can settle. */
  faults: number;
  /** How often which kind of trouble was made. */
  readonly made: Map<FaultKind, number>;
  /** Virtual ms until which the disk of the worktrees is full, and that of the ledger is full, and slow. */
  readonly disk: { fullUntil: number; ledgerFullUntil: number; slowUntil: number };
  /** There is no space for effects now. */
  readonly isFull: boolean;
  readonly commits: Map<Sha, Commit>;
  readonly landings: Landing[];
  readonly worktrees: Map<AttemptId, WorkingTree>;
  /** Attempts whose retiring has begun. */
  readonly retired: Set<AttemptId>;
  /** `<tree> <command>` → exit 0. */
  readonly gates: Map<string, boolean>;
  readonly charged: Map<RunId, number>;
  /** `<run>/<task> <commit>`: what a person said yes to; true where no gate was there to prove it. */
  readonly approvals: Map<string, boolean>;
  /** The gate that a person accepted for a project; null before that. */
  accepted(project: string): readonly string[] | null;
  /** The tree hash of a project's own Claude configuration; now and then somebody changes it. */
  config(project: string): string;
  /** What the wall clock shows. */
  wall(): number;
  /** Spends a fault with that probability; one of a kind is counted. */
  fault(probability: number, kind?: FaultKind): boolean;
  /** Counts trouble that no fault is spent on. */
  count(kind: FaultKind): void;
  lane(spec: TaskSpec): Lane;
  commit(changes: Iterable<string>, flaws?: Partial<Commit>): Commit;
  change(author: string): string;
  /** Throws where the commit was never made. */
  of(id: Sha): Commit;
}

const clean = { outside: [], missing: [], related: true, onTarget: false };

export function truth({
  r,
  faults,
  time,
}: Pick<Truth, "r" | "faults"> & { time: Timeline }): Truth {
  const lanes = new Map<string, Lane>();
  const trees = new Map<string, Sha>();
  const configs = new Map<string, string>();
  let ids = 0;
  let changes = 0;
  const id = (): Sha => (++ids).toString(16).padStart(40, "0");
  const self: Truth = {
    r,
    faults,
    made: new Map(),
    disk: { fullUntil: 0, ledgerFullUntil: 0, slowUntil: 0 },
    get isFull() {
      return time.now < self.disk.fullUntil;
    },
    commits: new Map(),
    landings: [],
    worktrees: new Map(),
    retired: new Set(),
    gates: new Map(),
    charged: new Map(),
    approvals: new Map(),
    accepted: () => null,
    wall: () => time.now,
    fault(probability, kind) {
      if (self.faults <= 0 || !r.chance(probability)) return false;
      self.faults--;
      if (kind !== undefined) self.count(kind);
      return true;
    },
    count: (kind) => void self.made.set(kind, (self.made.get(kind) ?? 0) + 1),
    config(project) {
      const known = configs.get(project);
      const now = known === undefined || self.fault(0.1) ? id() : known;
      configs.set(project, now);
      return now;
    },
    lane(spec) {
      const key = laneOf(spec);
      const known = lanes.get(key);
      if (known !== undefined) return known;
      const lane = { head: self.commit([self.change("else")]).id, merges: new Set<Sha>() };
      lanes.set(key, lane);
      return lane;
    },
    commit(held, flaws = {}) {
      const sorted = [...new Set(held)].toSorted();
      const content = sorted.join(" ");
      const tree = trees.get(content) ?? id();
      trees.set(content, tree);
      const commit = { ...clean, ...flaws, id: id(), tree, changes: sorted };
      self.commits.set(commit.id, commit);
      return commit;
    },
    change: (author) => `${author}#${++changes}`,
    of(sha) {
      const found = self.commits.get(sha);
      if (found === undefined) throw new Error(`commit ${sha} was never made`);
      return found;
    },
  };
  return self;
}
