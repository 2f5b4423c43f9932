/** What the daemon offers over the wire; implemented by the composition root, served by `server.ts`, called through `client.ts`. */
import type { Event } from "../core/events.ts";
import type { RunView } from "../core/view.ts";
import type {
  CleanItem,
  CleanOutcome,
  CleanPlan,
  DiskUse,
  Restoration,
  SnapshotItem,
} from "./housekeeping.ts";
import type { RepairPlan, RepairQuery, Repaired } from "./repair.ts";
import type {
  AttachRequest,
  CleanQuery,
  CleanRequest,
  CommandRequest,
  RepairRequest,
  RestoreRequest,
  RunRequest,
  TrustGiven,
  TrustRequest,
} from "./schema.ts";

export interface VersionInfo {
  readonly version: string;
  readonly api: number;
  readonly pid: number;
}

export interface HostInfo {
  readonly pid: number;
  readonly version: string;
  readonly socket: string;
  readonly sessions: readonly {
    readonly task: string;
    readonly session: string;
    readonly pid: number;
  }[];
  /** Rounds at once where fewer run than could, and why; null where nothing is held back. */
  readonly heldBack: {
    readonly parallel: number;
    readonly of: number;
    readonly why: string;
  } | null;
  readonly unrecorded: Unrecorded | null;
  readonly refused: readonly RefusedCredential[];
}

/** Nothing can be recorded, so what is shown is what was before; it goes on by itself. */
export interface Unrecorded {
  readonly why: string;
  /** The command that tells more. */
  readonly command: string;
}

/** A credential that tasks wait for until a person has seen to it. */
export interface RefusedCredential {
  readonly why: string;
  /** How many wait. */
  readonly tasks: number;
  /** Runs that use it, oldest first. */
  readonly runs: readonly string[];
}

/** What a run would do, before anything starts. */
export interface Preview {
  readonly tasks: readonly {
    readonly key: string;
    readonly plan: string;
    readonly project: string;
    readonly target: string;
    readonly runner: string;
    readonly model: string;
    readonly needs: readonly string[];
    readonly gate: readonly string[] | null;
    readonly gateFrom: "said" | "proposed" | "missing";
    readonly prompt: string;
    readonly limits: {
      readonly turns: number;
      readonly minutes: number;
      readonly usd: number;
      readonly fixes: number;
    };
    readonly approval: boolean;
    readonly land: string;
  }[];
  readonly parallel: number;
  readonly usd: number;
  /** The run that takes these tasks beside those that it has; `changed` are those the plan says otherwise by now. */
  readonly continues: {
    readonly run: string;
    readonly there: number;
    readonly changed: readonly string[];
  } | null;
  readonly credential: string;
  readonly claude: { readonly path: string; readonly version: string };
  /** Files of the person that no session will see, by project. */
  readonly uncommitted: Readonly<Record<string, number>>;
  /** Projects whose gate is only proposed and was not accepted before. */
  readonly newGates: readonly {
    readonly project: string;
    readonly commands: readonly string[];
    readonly reason: string;
  }[];
}

export interface RunDetail {
  readonly run: RunView;
  readonly name: string;
  readonly startedAt: number;
  readonly parallel: number;
  readonly usd: number;
  readonly paused: boolean;
  /** Why muster paused it itself. */
  readonly pausedFor: string | null;
  readonly unrecorded: Unrecorded | null;
  /** Nothing is left to do for it, cleaning up included. */
  readonly settled: boolean;
  /** By task key, what the views leave out. */
  readonly tasks: readonly TaskDetail[];
}

export interface TaskDetail {
  readonly key: string;
  readonly prompt: string;
  readonly needs: readonly string[];
  readonly detail: string | null;
  readonly attempts: readonly {
    readonly id: string;
    readonly session: string;
    /** Sessions that handed over to it, oldest first. */
    readonly formerSessions: readonly string[];
    readonly phase: string;
    readonly base: string | null;
    /** Why its worktree was left where it is; null where it was not, or is gone by now. */
    readonly kept: string | null;
    /** Whether it has a session's process, in the core's words. */
    readonly process: "none" | "starting" | "live" | "ending";
    readonly snapshots: number;
    /** Logs of its gates, oldest first. */
    readonly logs: readonly string[];
  }[];
  readonly asks: readonly {
    readonly id: string;
    readonly kind: string;
    readonly text: string;
    readonly deadline: string | null;
    readonly openedAt: number;
  }[];
}

export interface RunSummary {
  readonly id: string;
  readonly name: string;
  readonly state: RunView["state"];
  readonly startedAt: number;
  readonly durationMs: number;
  readonly costUsd: number;
  readonly projects: readonly string[];
  readonly counts: Readonly<Record<string, number>>;
  readonly asking: readonly {
    readonly task: string;
    readonly id: string;
    readonly kind: string;
    readonly text: string;
  }[];
}

/** What `uninstall` removes and what it leaves; it is refused while `openRuns`, `kept` or `unknown` are not empty. */
export interface UninstallPlan {
  readonly home: string;
  readonly remove: readonly { readonly path: string; readonly bytes: number }[];
  /** Work in the person's repositories: never touched. */
  readonly stays: readonly {
    readonly project: string;
    readonly refs: number;
    readonly branches: number;
  }[];
  readonly openRuns: readonly string[];
  readonly kept: readonly CleanItem[];
  /** Folders among the worktrees that the ledger does not know. */
  readonly unknown: readonly string[];
}

/** How a terminal takes over a session: Claude Code itself, on the attempt's own transcript. */
export interface Attachment {
  readonly attempt: string;
  readonly argv: readonly [string, ...string[]];
  readonly cwd: string;
  /** Added to the person's own environment. */
  readonly env: Readonly<Record<string, string>>;
  /** The claim that was made for the terminal: it names its program there, and removes it at the end. Null without one. */
  readonly claim: string | null;
}

/** A project's own Claude configuration, as a person looks at it before trusting it. */
export interface OwnConfigView {
  readonly project: string;
  readonly target: string;
  readonly commit: string;
  /** Hash of all of it; null where there is nothing to trust. */
  readonly tree: string | null;
  readonly trusted: boolean;
  readonly files: readonly {
    readonly path: string;
    readonly bytes: number;
    readonly executable: boolean;
    /** Of settings and server lists, which say what runs; null for other files and where it is too long. */
    readonly text: string | null;
  }[];
  /** Links and submodules, which no session gets. */
  readonly leftOut: readonly string[];
}

/** One line of `muster doctor`. `note` works, but a person should know. */
export interface Check {
  readonly name: string;
  readonly is: "ok" | "note" | "bad";
  readonly text: string;
  readonly remedy: string | null;
}

/** One row of `muster config explain`: a dotted key, its value, and where that was said. */
export interface ConfigRow {
  readonly key: string;
  readonly value: unknown;
  readonly from: string;
}

export interface ConfigExplained {
  /** The person's own: runs, sessions, login. */
  readonly user: readonly ConfigRow[];
  /** Of the repository around this folder; null where there is none. */
  readonly project: {
    readonly root: string;
    readonly target: string;
    readonly commit: string;
    readonly rows: readonly ConfigRow[];
  } | null;
}

export interface Service {
  version(): VersionInfo;
  host(): HostInfo;
  /** Ends the daemon once the answer is out; sessions under the shim go on unless `sessions`. */
  stopHost(options: { readonly sessions: boolean }): Promise<void>;
  preview(request: RunRequest): Promise<Preview>;
  start(request: RunRequest): Promise<{ readonly run: string }>;
  /** Every open run and the settled ones among the newest `limit`, newest first. */
  runs(limit: number): Promise<readonly RunSummary[]>;
  /** A run by its id or a unique prefix of it. Throws Fault `not_found`. */
  run(id: string): Promise<RunDetail>;
  command(request: CommandRequest): Promise<void>;
  /** What a task with `profile: project` would load. */
  ownConfig(request: TrustRequest): Promise<OwnConfigView>;
  /** Records that it is trusted. Throws Fault `refused` where it is not what `tree` says any more. */
  trust(request: TrustGiven): Promise<OwnConfigView>;
  /** The work of a task against what it started from, byte for byte. */
  diff(run: string, task: string, options: { readonly stat: boolean }): Promise<Uint8Array>;
  /** Worktrees of attempts that are over, of one run or task and older than an age where asked; with an age, old data too. */
  clean(query: CleanQuery): Promise<CleanPlan>;
  /** Removes these, as the plan says now. */
  performClean(request: CleanRequest): Promise<CleanOutcome>;
  /** What is muster's and broken or left over, and what becomes of it. */
  repair(query: RepairQuery): Promise<RepairPlan>;
  /** Mends these, as they are found now. */
  performRepair(request: RepairRequest): Promise<readonly Repaired[]>;
  /** The snapshots of a task, oldest first. Throws Fault `not_found`. */
  snapshots(run: string, task: string): Promise<readonly SnapshotItem[]>;
  /** Brings a worktree back, or says how it would. Throws Fault `refused` where something is in its place, `not_found`. */
  restore(request: RestoreRequest): Promise<Restoration>;
  /** Looked at once a minute at most. */
  disk(): Promise<DiskUse>;
  /** Throws Fault `refused` where there is no session, no worktree, or the session is in use. */
  attachment(request: AttachRequest): Promise<Attachment>;
  uninstallPlan(): Promise<UninstallPlan>;
  /** Gives back what belongs to no attempt and ends the daemon. Throws Fault `refused` where the plan says so. */
  uninstall(): Promise<UninstallPlan>;
  /** Events behind `after` and all that follow, until `signal` aborts. */
  events(after: number, run: string | null, signal: AbortSignal): AsyncIterable<Event>;
  /** A task's live transcript as lines for people, from the beginning; with `follow` until it is settled. */
  transcript(
    run: string,
    task: string,
    follow: boolean,
    signal: AbortSignal,
  ): AsyncIterable<TranscriptLine>;
}

export interface TranscriptLine {
  readonly attempt: string;
  readonly kind: "prompt" | "said" | "tool" | "asked" | "round" | "note";
  readonly text: string;
}
