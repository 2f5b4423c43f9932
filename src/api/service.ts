/** What the daemon offers over the wire; implemented by the composition root, served by `server.ts`, called through `client.ts`. */
import type { Event } from "../core/events.ts";
import type { RunView } from "../core/view.ts";
import type { CommandRequest, RunRequest } from "./schema.ts";

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
    readonly phase: string;
    readonly base: string | null;
    readonly kept: string | null;
    readonly snapshots: number;
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

export interface Service {
  version(): VersionInfo;
  host(): HostInfo;
  /** Ends the daemon once the answer is out; sessions under the shim go on unless `sessions`. */
  stopHost(options: { readonly sessions: boolean }): Promise<void>;
  preview(request: RunRequest): Promise<Preview>;
  start(request: RunRequest): Promise<{ readonly run: string }>;
  /** Open runs and the latest settled ones, newest first. */
  runs(limit: number): Promise<readonly RunSummary[]>;
  /** A run by its id or a unique prefix of it. Throws Fault `not_found`. */
  run(id: string): Promise<RunDetail>;
  command(request: CommandRequest): Promise<void>;
  diff(run: string, task: string, options: { readonly stat: boolean }): Promise<string>;
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
