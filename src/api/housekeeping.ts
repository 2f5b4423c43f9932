/** What `clean`, `restore` and disk use say over the wire. */

/** A worktree that is there though its attempt is over, and what would become of it. */
export interface CleanItem {
  readonly run: string;
  readonly task: string;
  readonly attempt: string;
  readonly project: string;
  readonly worktree: string;
  /** Why it may go: why it was kept, or that it was restored for a person. */
  readonly why: string;
  /** The ref that will hold everything in it. */
  readonly ref: string;
  /** The branch that goes after it, as all of it is held elsewhere; null where it stays. */
  readonly branch: string | null;
  /** Brought back by `restore`: the person's, which goes only where its run or task is named. */
  readonly restored: boolean;
  /** On disk; null where it took too long to look. */
  readonly bytes: number | null;
  /** Why it has to stay, with what to do about it; null where it may go. */
  readonly blocked: string | null;
}

/** What is left of an attempt whose run is settled: what its sessions said, and its snapshots. */
export interface OldItem {
  readonly run: string;
  readonly task: string;
  readonly attempt: string;
  readonly project: string;
  /** When its run was settled, or its last snapshot was taken; ms since 1970. */
  readonly since: number;
  /** Folders below MUSTER_HOME: its transcript and configuration, the logs of its gates. */
  readonly folders: readonly string[];
  /** Too old, or among the oldest where there is too much. */
  readonly why: "age" | "size";
  /** Snapshots, which go last, and only for their age: they hold what it made. */
  readonly refs: readonly string[];
  /** Of the folders; null where it took too long to look. */
  readonly bytes: number | null;
  readonly blocked: string | null;
}

/** What `clean` does. `old` is only there where an age or a size was asked for. */
export interface CleanPlan {
  readonly items: readonly CleanItem[];
  readonly old: readonly OldItem[];
}

export interface Cleaned {
  readonly attempt: string;
  readonly worktree: string;
  readonly removed: boolean;
  readonly ref: string | null;
  /** The branch that went as well. */
  readonly branch: string | null;
  /** Why it was not removed. */
  readonly why: string | null;
}

/** What came of an `OldItem`. */
export interface Forgotten {
  readonly attempt: string;
  readonly removed: boolean;
  readonly refs: readonly string[];
  readonly why: string | null;
}

export interface CleanOutcome {
  readonly cleaned: readonly Cleaned[];
  readonly forgotten: readonly Forgotten[];
}

/** One snapshot of a task. */
export interface SnapshotItem {
  /** What `--at` takes: `3`, or `1.3` for the third one of the task's first attempt. */
  readonly at: string;
  readonly attempt: string;
  readonly ref: string;
  readonly commit: string;
  /** ms since 1970. */
  readonly takenAt: number;
  readonly about: string;
  /** In the object store, beyond the commit it was taken on; null where it took too long to look. */
  readonly bytes: number | null;
  /** Files that it says it lacks. */
  readonly left: number;
}

/** What `restore` does, or has done. */
export interface Restoration {
  readonly run: string;
  readonly task: string;
  readonly attempt: string;
  readonly project: string;
  readonly at: string;
  readonly ref: string;
  readonly commit: string;
  readonly takenAt: number;
  readonly worktree: string;
  /** The commit that it stands on. */
  readonly head: string;
  /** null where it is on none; then `detached` says why. */
  readonly branch: string | null;
  /** The branch was gone and is made again. */
  readonly branchMade: boolean;
  readonly detached: string | null;
  /** What was staged is not known, so the index is made from the head. */
  readonly unstaged: boolean;
  /** Files that the snapshot says it lacks. */
  readonly left: number;
  /** What setup and `copy` had brought, which no snapshot holds. */
  readonly brought: readonly string[];
}

/** Bytes on disk below MUSTER_HOME; lower bounds where `whole` is false. */
export interface DiskUse {
  readonly worktrees: number;
  readonly attempts: number;
  readonly gates: number;
  readonly rest: number;
  readonly whole: boolean;
}
