/** What `doctor --repair` says over the wire: one plan, for showing and for doing. */

/** In the order in which they are mended: what is alive first, then what it held, then files, then refs. */
export const findingKinds = [
  "process",
  "claim",
  "lock",
  "journal",
  "worktree",
  "registration",
  "gate place",
  "attempt",
  "folder",
  "scratch",
  "ref",
] as const;
export type FindingKind = (typeof findingKinds)[number];

/** Something of muster's that nobody looks after any more. Either `repair` or `stays` says what becomes of it. */
export interface Finding {
  /** The same for the same thing at every look. */
  readonly id: string;
  readonly kind: FindingKind;
  /** A path, a ref, or a process with its command. */
  readonly what: string;
  readonly attempt: string | null;
  /** Root of the repository that it is in; null for what is only below MUSTER_HOME. */
  readonly project: string | null;
  /** What is wrong with it. */
  readonly why: string;
  /** What repairing does; null where it is left. */
  readonly repair: string | null;
  /** Why it is left, with what a person can do. */
  readonly stays: string | null;
}

/** How much was looked at. */
export interface Looked {
  readonly projects: number;
  /** Projects that are not where they were. */
  readonly absent: number;
  readonly worktrees: number;
  readonly folders: number;
  readonly refs: number;
  /** Processes with a tag of muster's, of any home; 0 where processes can't be looked at. */
  readonly processes: number;
}

export interface RepairPlan {
  readonly findings: readonly Finding[];
  readonly looked: Looked;
}

/** What came of a finding. */
export interface Repaired {
  readonly id: string;
  readonly done: boolean;
  /** The ref that holds what was there, where one does. */
  readonly ref: string | null;
  /** Why it was not done. */
  readonly why: string | null;
}

export interface RepairQuery {
  /** What nobody knows is removed only where it is older than this. */
  readonly retentionMs: number;
}
