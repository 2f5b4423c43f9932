/** What the host works with: folders, runners, limits, and the environments of open runs, whose secrets are kept in memory only. */
import { createHash } from "node:crypto";
import { basename, dirname, join } from "node:path";
import { Fault } from "../core/fault.ts";
import type { AttemptId, ProjectId, RunId } from "../core/ids.ts";
import type { Observed } from "../core/inputs.ts";
import type { RunnerName, TaskSpec } from "../core/plan.ts";
import type { Runner, SessionEnvironment } from "../core/runner.ts";
import { type Repository, openRepository } from "../git/git.ts";
import type { StallLimits } from "./stall.ts";

/** What a run brought along when it was started; what of it was lost with a daemon is asked for again. */
export interface RunEnvironment {
  /** For git and provisioning: the person's PATH, HOME and locale. */
  readonly base: Readonly<Record<string, string>>;
  /** For gates, setup and teardown: without credentials. */
  readonly gate: Readonly<Record<string, string>>;
  /** Names of variables that `gate` had and lacks since the daemon was restarted. */
  readonly lost: readonly string[];
  /** For sessions. Throws Fault `no_login` where there is no credential, or where a variable is lost. */
  readonly session: () => SessionEnvironment;
  readonly isolation: "none" | "home";
  /** The person's CLAUDE.md, empty for none. */
  readonly instructions: string;
}

export interface Host {
  readonly home: string;
  readonly runners: Readonly<Record<RunnerName, Runner>>;
  readonly stall: StallLimits;
  environment(run: RunId): RunEnvironment | undefined;
  /** Gives an observation to the core. */
  report(att: AttemptId, key: string, observed: Observed): void;
  log(
    level: "info" | "warn" | "error",
    message: string,
    fields?: Readonly<Record<string, unknown>>,
  ): void;
  now(): number;
  /** True where no other attempt is open in the project of this one, and no task waits to start one there. */
  isLastOf(project: ProjectId, att: AttemptId): boolean;
  /** True where the kernel killed for want of memory since `at` (monotonic ms) among those that process `pid` is counted with, or we. */
  killedSince(at: number, pid?: number): boolean;
  /** True for a worktree below the home that a person had restored: it is theirs, like a checkout elsewhere. */
  isRestored(worktree: string): boolean;
}

export const timeouts = {
  /** Design §5. */
  gateMs: 20 * 60_000,
  setupMs: 10 * 60_000,
  teardownMs: 60_000,
} as const;

/** A promised file is handed over whole; more than this is no file to copy around. */
export const maxArtifactBytes = 100 * 1024 * 1024;

export function attemptDir(host: Host, att: AttemptId): string {
  return join(host.home, "attempts", att);
}

/** `<name>-<8 hex of the project's id>`: readable, unique, and outside of the repository. */
export function projectFolder(host: Host, project: ProjectId, root: string): string {
  const hash = createHash("sha256").update(project).digest("hex").slice(0, 8);
  const name = basename(root).replace(/[^A-Za-z0-9._-]+/g, "-") || basename(dirname(root));
  return join(host.home, "worktrees", `${name}-${hash}`);
}

/** Why git is told that a worktree is locked; anybody else's lock has another reason. */
export function worktreeReason(run: RunId, task: string): string {
  return `muster ${run}/${task}`;
}

export function trashDir(host: Host): string {
  return join(host.home, "trash");
}

/** The run's environment. Throws Fault `no_login` where the daemon that had it is gone. */
export function requireEnvironment(host: Host, run: RunId): RunEnvironment {
  const environment = host.environment(run);
  if (environment === undefined)
    throw new Fault("no_login", `the environment of ${run} was lost with the daemon`, {
      remedy: `muster resume ${run}`,
    });
  return environment;
}

/** What gates and setup run with. Throws Fault `no_login` where anything of it was lost with the daemon that had it. */
export function requireGateEnvironment(host: Host, run: RunId): RunEnvironment["gate"] {
  const { gate, lost } = requireEnvironment(host, run);
  if (lost.length > 0)
    throw new Fault("no_login", `${lost.join(", ")} of ${run} went with the daemon`, {
      remedy: `muster resume ${run}`,
    });
  return gate;
}

/** Git needs no secret: after a restart it does with what the daemon itself was started with. */
export function gitEnvironment(host: Host, run: RunId): Readonly<Record<string, string>> {
  const own = ["SSH_AUTH_SOCK", "GNUPGHOME", "XDG_CONFIG_HOME"].flatMap((name) =>
    process.env[name] === undefined ? [] : [[name, process.env[name]]],
  );
  const { PATH = "/usr/bin:/bin", HOME = host.home } = process.env;
  return host.environment(run)?.base ?? { PATH, HOME, ...Object.fromEntries(own) };
}

const open = new Map<string, Promise<Repository>>();
/** More than are used at the same time; one that was let go of is opened again by a few calls of git. */
const maxOpen = 100;

/** The repository of a task's project, opened once per run. */
export function openProject(host: Host, run: RunId, spec: TaskSpec): Promise<Repository> {
  const key = `${host.home}\0${run}\0${spec.root}`;
  const known = open.get(key);
  if (known !== undefined) return known;
  const opening = openRepository(spec.root, gitEnvironment(host, run), {
    scratch: join(host.home, "tmp"),
  });
  open.set(key, opening);
  const [oldest] = open.keys();
  if (open.size > maxOpen && oldest !== undefined) open.delete(oldest);
  opening.catch(() => open.delete(key));
  return opening;
}
