/** muster as a person has it: its own home, repositories and environment, the real daemon, and nothing left behind. */
import { mkdirSync, mkdtempSync, readdirSync, realpathSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { vi } from "vitest";
import { type Client, client } from "../../src/api/client.ts";
import type { CommandRequest } from "../../src/api/schema.ts";
import type { RunDetail } from "../../src/api/service.ts";
import { socketPath } from "../../src/config/paths.ts";
import type { Event } from "../../src/core/events.ts";
import type { TaskView } from "../../src/core/view.ts";
import { awaitFile } from "../../src/process/files.ts";
import { run } from "../../src/process/run.ts";
import { writeAgentProgram } from "../../src/testing/agent/program.ts";
import { type Model, startModel } from "../../src/testing/model/model.ts";
import { patiently } from "./patiently.ts";
import { processesOf, removeWorld } from "./leftovers.ts";

export interface Result {
  readonly code: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

export interface MusterOptions {
  readonly input?: string;
  readonly cwd?: string;
  /** Over the world's own; undefined takes a variable away. */
  readonly env?: Readonly<Record<string, string | undefined>>;
}

export interface WorldOptions {
  /** `claude` is the real binary of the SDK's package, not the stand-in. */
  readonly real?: boolean;
  /** Files of the first commit, besides the gate and its muster.yaml. */
  readonly files?: Readonly<Record<string, string>>;
}

export interface World {
  /** Everything is below it: repo, home, m (MUSTER_HOME), bin, flags, plans. */
  readonly root: string;
  readonly repo: string;
  /** The person's HOME. */
  readonly home: string;
  /** MUSTER_HOME. */
  readonly state: string;
  readonly model: Model;
  readonly env: Readonly<Record<string, string>>;
  /** Talks to a daemon that runs; it starts none. */
  readonly api: Client;
  muster(args: readonly string[], options?: MusterOptions): Promise<Result>;
  /** `muster run --detach` with these arguments; the run's id. */
  start(...args: readonly string[]): Promise<string>;
  /** Writes a plan and returns its path. */
  plan(tasks: readonly PlanTask[], more?: Readonly<Record<string, unknown>>, name?: string): string;
  /** Another repository beside the first one. */
  addRepo(name: string, files?: Readonly<Record<string, string>>): Promise<string>;
  git(...args: readonly string[]): Promise<string>;
  gitIn(dir: string, ...args: readonly string[]): Promise<string>;
  /** The run once `holds`; a daemon that is being restarted is waited for. */
  until(run: string, holds: (detail: RunDetail) => boolean, timeoutMs?: number): Promise<RunDetail>;
  /** The run once nothing is left to do for it. */
  settled(run: string, timeoutMs?: number): Promise<RunDetail>;
  /** All events of the run up to the first one behind `after` that fits. */
  events(run: string, fits: (event: Event) => boolean, after?: number): Promise<readonly Event[]>;
  /** Kills the daemon and returns once another one answers. */
  killDaemon(): Promise<void>;
  command(request: CommandRequest): Promise<void>;
  /** Who a `resume` or `retry` comes from. */
  readonly caller: { env: Record<string, string>; configHome: null; claudeConfigDir: null };
  /** Once something has come to `hold(name)`. */
  held(name: string): Promise<void>;
  /** Lets go whatever is or will be held by `hold(name)`. */
  letGo(name: string): void;
  /** Processes that belong to this world, as `pid command`. */
  processes(): readonly string[];
  close(): Promise<void>;
}

export type PlanTask = Readonly<Record<string, unknown>> & {
  readonly id: string;
  readonly prompt: unknown;
};

// A machine that does something else as well takes its time.
vi.setConfig({ testTimeout: 180_000, hookTimeout: 60_000 });

export const bin = fileURLToPath(new URL("../../bin/muster.js", import.meta.url));
/** A gate that is green where every text file at the root says good. */
export const gateScript =
  'for f in *.txt; do [ -e "$f" ] || continue; grep -q good "$f" || { echo "bad $f"; exit 1; }; done\n';
export const gateCommand = "sh test.sh";
/** A shell command that notes that it has begun and waits for `letGo(name)`; for setups, gates and sessions alike. */
export function hold(name: string): string {
  const flag = `"$HOME/../flags/${name}`;
  return `echo begun >> ${flag}.held"; until [ -e ${flag}.go" ]; do sleep 0.05; done`;
}

const commandMs = 90_000;
const waitMs = 60_000;

/** Opens a world with one repository on `main`. */
export async function openWorld(options: WorldOptions = {}): Promise<World> {
  const root = realpathSync(mkdtempSync(join(tmpdir(), "me-")));
  const [repo, home, state, binDir] = ["repo", "home", "m", "bin"].map((name) => join(root, name));
  for (const folder of [home, binDir, join(root, "plans"), join(root, "flags")])
    mkdirSync(folder as string);
  const model = await startModel();
  if (options.real !== true) await writeAgentProgram(binDir as string);
  writeFileSync(join(home as string, ".gitconfig"), "[user]\n\tname = Pat\n\temail = pat@x\n");
  const env = {
    PATH: options.real === true ? "/usr/bin:/bin" : `${binDir}:/usr/bin:/bin`,
    HOME: home as string,
    LANG: "C.UTF-8",
    MUSTER_HOME: state as string,
    ANTHROPIC_API_KEY: "sk-ant-dummy-key-of-a-test",
    ANTHROPIC_BASE_URL: model.url,
  };
  const paths = { root, repo: repo as string, home: home as string, state: state as string };
  const world = makeWorld(paths, model, env);
  await world.addRepo("repo", options.files);
  return world;
}

type Paths = Pick<World, "root" | "repo" | "home" | "state">;

function makeWorld(paths: Paths, model: Model, env: Record<string, string>): World {
  const { root, repo, state } = paths;
  const api = client(socketPath(state, env));
  const gitIn = async (dir: string, ...args: readonly string[]): Promise<string> => {
    const { stdout, stderr, code } = await run({
      argv: ["git", ...args],
      cwd: dir,
      env: { PATH: env["PATH"] ?? "", HOME: paths.home },
      timeoutMs: 20_000,
    });
    if (code !== 0) throw new Error(`git ${args.join(" ")}: ${stderr.toString()}`);
    return stdout.toString().trimEnd();
  };
  const muster: World["muster"] = (args, { input, cwd = repo, env: more = {} } = {}) =>
    runMuster(args, cwd, defined({ ...env, ...more }), input);
  const until: World["until"] = (id, holds, timeoutMs = waitMs) =>
    untilHolds(api, id, holds, timeoutMs);
  let plans = 0;
  const { MUSTER_HOME: _, ...callerEnv } = env;
  return {
    ...paths,
    model,
    env,
    api,
    muster,
    gitIn,
    until,
    git: (...args) => gitIn(repo, ...args),
    settled: (id, timeoutMs = waitMs) => until(id, ({ settled }) => settled, timeoutMs),
    async start(...args) {
      const { code, stdout, stderr } = await muster(["run", "--detach", ...args]);
      if (code !== 0) throw new Error(`muster run ended with ${code}: ${stderr}`);
      return stdout.trim();
    },
    plan(tasks, more = {}, name = `plan-${++plans}`) {
      const path = join(root, "plans", `${name}.yaml`);
      writeFileSync(path, JSON.stringify({ version: 1, name, ...more, tasks }));
      return path;
    },
    async addRepo(name, files = {}) {
      const dir = join(root, name);
      await gitIn(root, "init", "-q", "-b", "main", dir);
      writeFiles(dir, { "muster.yaml": `gate: ${gateCommand}\n`, "test.sh": gateScript, ...files });
      await gitIn(dir, "add", "-A");
      await gitIn(dir, "commit", "-q", "-m", "start");
      return dir;
    },
    events: (id, fits, after = 0) => eventsUntil(api, id, fits, after),
    async killDaemon() {
      const { pid } = await api.version();
      process.kill(pid, "SIGKILL");
      await patiently(async () => (await api.version()).pid !== pid, waitMs, "a new daemon");
    },
    command: (request) => api.command(request),
    caller: { env: callerEnv, configHome: null, claudeConfigDir: null },
    async held(name) {
      const found = await awaitFile(join(root, "flags"), [`${name}.held`], waitMs);
      if (found === undefined) throw new Error(`nothing came to hold ${name}`);
    },
    letGo: (name) => writeFileSync(join(root, "flags", `${name}.go`), ""),
    processes: () => processesOf(root),
    close: () => removeWorld(root, api, model),
  };
}

/** Writes files below a folder. */
export function writeFiles(dir: string, files: Readonly<Record<string, string>>): void {
  for (const [path, text] of Object.entries(files)) {
    mkdirSync(dirname(join(dir, path)), { recursive: true });
    writeFileSync(join(dir, path), text);
  }
}

function defined(env: Readonly<Record<string, string | undefined>>): Record<string, string> {
  return Object.fromEntries(
    Object.entries(env).flatMap(([name, value]) => (value === undefined ? [] : [[name, value]])),
  );
}

async function runMuster(
  args: readonly string[],
  cwd: string,
  env: Readonly<Record<string, string>>,
  input = "",
): Promise<Result> {
  const argv: [string, ...string[]] = [process.execPath, bin, ...args];
  const done = await run({ argv, cwd, env, timeoutMs: commandMs, input });
  return { code: done.code, stdout: done.stdout.toString(), stderr: done.stderr.toString() };
}

async function untilHolds(
  api: Client,
  id: string,
  holds: (detail: RunDetail) => boolean,
  timeoutMs: number,
): Promise<RunDetail> {
  let last: RunDetail | undefined;
  const isSo = async (): Promise<boolean> => holds((last = await api.run(id)));
  await patiently(isSo, timeoutMs, holds.toString()).catch((error: unknown) => {
    const seen = last?.run.tasks.map(({ id: task, state, reason }) => [task, state, reason]);
    throw new Error(`${String(error)}; last seen ${JSON.stringify([last?.run.state, seen])}`);
  });
  return last as RunDetail;
}

async function eventsUntil(
  api: Client,
  id: string,
  fits: (event: Event) => boolean,
  after: number,
): Promise<readonly Event[]> {
  const ended = new AbortController();
  const timer = setTimeout(() => ended.abort(), waitMs);
  const seen: Event[] = [];
  try {
    for await (const event of api.events(0, id, ended.signal)) {
      seen.push(event);
      if (event.seq > after && fits(event)) return seen;
    }
  } finally {
    clearTimeout(timer);
    ended.abort();
  }
  throw new Error(`no such event; seen: ${seen.map(({ type }) => type).join(" ")}`);
}

/** A task of a run by its id. */
export function taskOf({ run: { tasks } }: Pick<RunDetail, "run">, id: string): TaskView {
  const found = tasks.find((task) => task.id === id);
  if (found === undefined) throw new Error(`no task ${id}`);
  return found;
}

/** States of a run's tasks by id. */
export function statesOf({ run: { tasks } }: Pick<RunDetail, "run">): Record<string, string> {
  return Object.fromEntries(tasks.map(({ id, state }) => [id, state]));
}

/** Every path below a folder, for comparing. */
export function listing(dir: string): readonly string[] {
  return readdirSync(dir, { recursive: true }).map(String).toSorted();
}
