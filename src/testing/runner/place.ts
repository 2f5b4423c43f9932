/** Where a conformance case runs: a repository, an attempt's folder, a scripted model, and sessions that all end with it. */
import { mkdirSync, mkdtempSync, realpathSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { AttemptId, Uuid } from "../../core/ids.ts";
import type { RunnerName } from "../../core/plan.ts";
import type { AgentEvent, Launch, Live, Runner, SessionEnvironment } from "../../core/runner.ts";
import { sweep } from "../../process/end.ts";
import { run } from "../../process/run.ts";
import { findBinary } from "../../runner/binary.ts";
import { claudeCli } from "../../runner/claude-cli.ts";
import { claudeSdk } from "../../runner/claude-sdk.ts";
import { defaultRules, defaultTools } from "../../runner/profile.ts";
import { type Model, startModel } from "../model/model.ts";
import { type Collected, collect } from "./collect.ts";

export interface RunnerSetup {
  readonly runner: RunnerName;
  /** `claude`, or the stand-in. */
  readonly binary: string;
  /** False for the stand-in: it asks the scripted model in its own process and has no configuration to be led astray by. */
  readonly real: boolean;
}

export interface Session extends Collected {
  readonly live: Live;
  readonly launch: Launch;
  /** Sends a message, under a new uuid unless one is given. */
  say(text: string, uuid?: Uuid): Promise<Uuid>;
  /** Releases it, so that another may adopt it. */
  letGo(): Promise<void>;
}

export interface Place {
  readonly setup: RunnerSetup;
  /** Everything of this case is in here. */
  readonly dir: string;
  readonly repo: string;
  readonly model: Model;
  /** A session's environment with an API key. */
  readonly given: SessionEnvironment;
  /** A first start, unless `changes` say else. */
  launch(changes?: Partial<Launch>): Launch;
  /** Starts by a new runner object, as a new daemon would. */
  start(launch?: Launch, given?: SessionEnvironment): Promise<Session>;
  git(...args: readonly string[]): Promise<string>;
  /** Ends what still runs here, deletes everything, and throws where a session's events broke the rules. */
  close(): Promise<void>;
}

export const apiKey = "sk-ant-dummy-key-of-a-test";
/** Its price is in every version that is supported; a newer model an older binary bills by guess. */
export const pricedModel = "claude-opus-4-8";
const stopGraceMs = 3_000;
let places = 0;

/** A runner on this binary, made from nothing. */
export function makeRunner({ runner, binary }: Pick<RunnerSetup, "runner" | "binary">): Runner {
  const find = () => findBinary(binary, { PATH: process.env["PATH"] ?? "", HOME: tmpdir() });
  return runner === "claude-cli" ? claudeCli(find) : claudeSdk(find);
}

/** Opens a place with a repository of one empty commit. */
export async function openPlace(setup: RunnerSetup): Promise<Place> {
  const dir = realpathSync(mkdtempSync(join(tmpdir(), "muster-r-")));
  const repo = join(dir, "repo");
  for (const folder of [repo, join(dir, "home")]) mkdirSync(folder);
  const model = await startModel();
  const att: AttemptId = `att_t${process.pid}x${(places++).toString(36)}_1`;
  const given: SessionEnvironment = { env: environmentOf(dir, model.url), apiKey, configDir: null };
  const sessions = new Set<Session>();
  const git = async (...args: readonly string[]): Promise<string> => {
    const done = await run({
      argv: ["git", ...args],
      cwd: repo,
      env: given.env,
      timeoutMs: 10_000,
    });
    return done.stdout.toString().trim();
  };
  await git("init", "-q", "-b", "main");
  await git("commit", "-q", "--allow-empty", "-m", "start");
  const launchOf = launcher({ att, runner: setup.runner, dir: join(dir, "att"), cwd: repo });
  return {
    setup,
    dir,
    repo,
    model,
    given,
    launch: launchOf,
    async start(launch = launchOf(), environment = given) {
      const session = await startSession(makeRunner(setup), launch, environment, sessions);
      sessions.add(session);
      return session;
    },
    git,
    async close() {
      const problems = (await Promise.all([...sessions].map(end))).flat();
      await sweep(`MUSTER_ATTEMPT=${att}`);
      await model.close();
      // A killed session's own children may still be writing for a moment.
      rmSync(dir, { recursive: true, force: true, maxRetries: 10, retryDelay: 50 });
      if (problems.length > 0) throw new Error(problems.join("; "));
    },
  };
}

function environmentOf(dir: string, url: string): Record<string, string> {
  return {
    PATH: process.env["PATH"] ?? "",
    HOME: join(dir, "home"),
    LANG: "C.UTF-8",
    GIT_CONFIG_GLOBAL: "/dev/null",
    GIT_AUTHOR_NAME: "test",
    GIT_AUTHOR_EMAIL: "test@localhost",
    GIT_COMMITTER_NAME: "test",
    GIT_COMMITTER_EMAIL: "test@localhost",
    ANTHROPIC_BASE_URL: url,
  };
}

function launcher(
  fixed: Pick<Launch, "att" | "runner" | "dir" | "cwd">,
): (changes?: Partial<Launch>) => Launch {
  const rules = defaultRules(["sh *"]);
  const session = crypto.randomUUID();
  return (changes = {}) => ({
    ...fixed,
    n: 1,
    session,
    resume: false,
    model: "claude-opus-5-5",
    profile: "isolated",
    tools: [...defaultTools],
    permissions: { ...rules, deny: [] },
    instructions: "",
    turns: 50,
    usd: 50,
    context: 200_000,
    readable: [join(fixed.dir, "msg")],
    ...changes,
  });
}

async function startSession(
  runner: Runner,
  launch: Launch,
  given: SessionEnvironment,
  sessions: Set<Session>,
): Promise<Session> {
  mkdirSync(launch.dir, { recursive: true, mode: 0o700 });
  const collected = collect();
  const live = await runner.start(launch, () => given, collected.onEvent);
  const session: Session = {
    ...collected,
    live,
    launch,
    async say(text, uuid = crypto.randomUUID()) {
      await live.send({ uuid, text });
      return uuid;
    },
    async letGo() {
      await live.release();
      sessions.delete(session);
    },
  };
  return session;
}

async function end({ live, events }: Session): Promise<string[]> {
  await live.stop(stopGraceMs);
  return brokenRules(events);
}

/** What no session may do, whatever happened to it. */
function brokenRules(events: readonly AgentEvent[]): string[] {
  const problems: string[] = [];
  if (events.filter(({ is }) => is === "exited").length !== 1)
    problems.push("`exited` did not come exactly once");
  if (events.at(-1)?.is !== "exited") problems.push("`exited` was not the last event");
  for (const [index, { offset }] of events.entries())
    if (offset < (events[index - 1]?.offset ?? 0)) problems.push(`event ${index} goes back`);
  return problems;
}

/** Writes a script that sessions may run unasked as `sh <name>`. */
export function writeScript(place: Place, name: string, text: string): void {
  writeFileSync(join(place.repo, name), `${text}\n`);
}

/** Where the session's transcript is. */
export function transcriptOf({ dir, att, session }: Launch): string {
  return join(dir, "cfg", "projects", att, `${session}.jsonl`);
}
