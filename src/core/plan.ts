/**
 * Plan: a declared set of tasks with needs, gates and limits. These are the words after reading and before resolving: what a
 * plan says, with defaults already folded into every task, without what only the repository knows (gate, setup, target).
 */
import type { TaskKey } from "./ids.ts";

export type RunnerName = "claude-cli" | "claude-sdk";
/** What a session loads of its repository's own configuration: nothing, or (once trusted) the base commit's (design §9). */
export type Profile = "isolated" | "project";
export type LandMode = "none" | "local" | "push" | "pr";

/** Per attempt, over all rounds. `fixes` is how often a red gate goes back to the same session. */
export interface Limits {
  readonly turns: number;
  readonly minutes: number;
  readonly usd: number;
  readonly fixes: number;
  /** Tokens of its session's context, at which Claude Code compacts it; absent = `defaultContext`. */
  readonly context?: number;
}

export const limitNames = ["turns", "minutes", "usd", "fixes", "context"] as const;

/** Defaults of design §8: turns 60, minutes 45, 2 USD a task, 2 fixes; parallel 3, 10 USD a run. */
export const defaultLimits: Limits = { turns: 60, minutes: 45, usd: 2, fixes: 2 };
/** Smaller than the models' own, because compacting costs one request with all of it (design §9, claude-code.md §9). */
export const defaultContext = 200_000;
export const defaultParallel = 3;
export const defaultRunUsd = 10;

/** Rules in Claude Code's own syntax; muster never parses them. `waitMs` null = no deadline, undefined = the run's default. */
export interface Permissions {
  readonly allow: readonly string[];
  readonly ask: readonly string[];
  readonly deny: readonly string[];
  readonly waitMs?: number | null;
}

export interface Need {
  readonly task: string;
  /** `verified`: the needed task's verified commit is enough; `landed`: wait until it is on the target. */
  readonly when: "verified" | "landed" | null;
}

/** Where something was read: for errors as `file:line`. */
export interface Place {
  readonly file: string;
  readonly line: number;
}

/** One task as the plan says it; null where the plan is silent and the project (or a default) decides. */
export interface PlannedTask {
  readonly id: string;
  readonly prompt: string;
  readonly needs: readonly Need[];
  readonly runner: RunnerName | null;
  readonly model: string | null;
  readonly profile: Profile | null;
  /** null = not said, [] = `none` said on purpose. */
  readonly gate: readonly string[] | null;
  readonly limits: Partial<Limits>;
  readonly cwd: string | null;
  readonly paths: readonly string[] | null;
  readonly artifacts: readonly string[];
  readonly tools: readonly string[] | null;
  readonly permissions: Partial<Permissions>;
  readonly approval: boolean;
  readonly land: LandMode | null;
  /** As written, relative to the plan's folder; null = the project of the run. */
  readonly project: string | null;
  readonly target: string | null;
  readonly place: Place;
}

export interface Plan {
  readonly id: string;
  readonly name: string;
  readonly target: string | null;
  readonly parallel: number | null;
  readonly usd: number | null;
  readonly tasks: readonly PlannedTask[];
}

/** A task as it runs: every question answered. */
export interface TaskSpec {
  readonly key: TaskKey;
  readonly id: string;
  readonly plan: string;
  readonly project: string;
  /** The project's root: the worktree that `run` was called in. */
  readonly root: string;
  readonly target: string;
  /** The person's branch that the target, a branch of muster's own, stands for; null where work lands on theirs. */
  readonly standsFor: string | null;
  readonly prompt: string;
  readonly needs: readonly {
    readonly key: TaskKey;
    readonly when: "verified" | "landed";
    readonly merge: boolean;
  }[];
  readonly runner: RunnerName;
  readonly model: string;
  readonly profile: Profile;
  readonly gate: readonly string[] | null;
  /** Where the gate comes from: said in a plan or muster.yaml, or only proposed by muster and not accepted yet. */
  readonly gateFrom: "said" | "proposed" | "missing";
  readonly limits: Limits;
  readonly cwd: string | null;
  readonly paths: readonly string[] | null;
  readonly artifacts: readonly string[];
  readonly tools: readonly string[] | null;
  readonly permissions: Permissions;
  readonly approval: boolean;
  readonly land: LandMode;
}
