/** What of a run's terminal outlives its daemon: everything but secrets, and those where the next daemon has the same. */
import { existsSync, mkdirSync, readFileSync, readdirSync, statSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import type { RunId } from "../../src/core/ids.ts";
import { knowCaller } from "../../src/daemon/callers/caller.ts";
import { openCallers } from "../../src/daemon/callers/callers.ts";
import { writeAgentProgram } from "../../src/testing/agent/program.ts";
import { prompt } from "../../src/testing/model/behaviors.ts";
import { bash, commit, say, write } from "../../src/testing/model/steps.ts";
import { type World, hold, statesOf, taskOf } from "../e2e/harness.ts";
import { type Context, tempFolder } from "./folder.ts";
import { opened } from "./world.ts";

/** Starts a run of one held task from a terminal with these variables, under a daemon that was started without them. */
async function startWith(world: World, env: Readonly<Record<string, string>>): Promise<string> {
  await world.muster(["ls"]);
  const steps = [bash(hold("a")), write("a.txt", "good\n"), commit("Add a"), say("Done.")];
  const task = { id: "a", prompt: prompt("Add a.", steps), permissions: { allow: ["Bash"] } };
  const { stdout } = await world.muster(["run", "--detach", world.plan([task])], { env });
  await world.held("a");
  return stdout.trim();
}

/** Files below a folder that have one of these texts in them. */
function filesWith(dir: string, texts: readonly string[]): string[] {
  return readdirSync(dir, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map((entry) => join(entry.parentPath, entry.name))
    .filter((path) => {
      const bytes = existsSync(path) ? readFileSync(path) : Buffer.alloc(0);
      return texts.some((text) => bytes.includes(text));
    });
}

const runFileOf = (world: World, run: string): string => join(world.state, "runs", `${run}.json`);

test.concurrent("no secret of a run's terminal is on disk, and its file goes when it is settled (F47)", async (context) => {
  const world = await opened(context);
  writeUserConfig(world, "env: [DATABASE_URL]\n");
  const secrets = ["db://pat:hidden@db", "proxy-password", "sk-ant-of-the-other-terminal"];
  const run = await startWith(world, {
    DATABASE_URL: "db://pat:hidden@db",
    HTTPS_PROXY: "http://pat:proxy-password@127.0.0.1:1",
    ANTHROPIC_API_KEY: "sk-ant-of-the-other-terminal",
    NO_PROXY: "127.0.0.1",
  });
  const path = runFileOf(world, run);
  expect(statSync(path).mode & 0o777).toBe(0o600);
  const file = JSON.parse(readFileSync(path, "utf8"));
  expect(file).toMatchObject({ kind: "api-key", configHome: null, env: { HOME: world.home } });
  expect(file.session.names).toEqual(["ANTHROPIC_API_KEY", "DATABASE_URL", "HTTPS_PROXY"]);
  expect(file.gate.names).toEqual(["DATABASE_URL", "HTTPS_PROXY"]);
  expect(filesWith(world.state, secrets)).toEqual([]);
  world.letGo("a");
  expect(statesOf(await world.settled(run))).toEqual({ a: "landed" });
  expect(existsSync(path)).toBe(false);
});

function writeUserConfig(world: World, text: string): void {
  mkdirSync(join(world.home, ".config/muster"), { recursive: true });
  writeFileSync(join(world.home, ".config/muster/config.yaml"), text);
}

test.concurrent("a gate that had a variable which the next daemon has not waits for a person, and passes then (F47)", async (context) => {
  const files = { "test.sh": '[ "$DATABASE_URL" = db://other ]\n' };
  const world = await opened(context, { files });
  writeUserConfig(world, "env: [DATABASE_URL]\n");
  const env = { DATABASE_URL: "db://other" };
  const run = await startWith(world, env);
  await world.killDaemon();
  world.letGo("a");
  const parked = await world.until(run, (now) => taskOf(now, "a").reason === "credentials");
  expect(parked.tasks[0]?.detail).toContain("DATABASE_URL");
  expect((await world.muster(["resume", run], { env })).code).toBe(0);
  expect(statesOf(await world.settled(run))).toEqual({ a: "landed" });
});

test.concurrent("with another key in its own environment a daemon starts no session of a run, but proves and lands what it did (F47)", async (context) => {
  const world = await opened(context);
  const env = { ANTHROPIC_API_KEY: "sk-ant-of-the-other-terminal" };
  const run = await startWith(world, env);
  await world.killDaemon();
  world.letGo("a");
  expect(statesOf(await world.settled(run))).toEqual({ a: "landed" });
});

test.concurrent("a session that was killed with its daemon is resumed with its own key only (F47)", async (context) => {
  const world = await opened(context);
  const env = { ANTHROPIC_API_KEY: "sk-ant-of-the-other-terminal" };
  const run = await startWith(world, env);
  const [session] = (await world.api.host()).sessions;
  process.kill(session?.pid ?? 0, "SIGKILL");
  await world.killDaemon();
  world.letGo("a");
  const parked = await world.until(run, (now) => taskOf(now, "a").reason === "credentials");
  expect(parked.tasks[0]?.detail).toContain("ANTHROPIC_API_KEY");
  expect((await world.muster(["resume", run], { env })).code).toBe(0);
  expect(statesOf(await world.settled(run))).toEqual({ a: "landed" });
});

const log = (): void => {};
const run: RunId = "run_x1";

async function terminal(context: Context, more: Readonly<Record<string, string>> = {}) {
  const dir = tempFolder(context);
  for (const name of ["bin", "home/.claude", "m"]) mkdirSync(join(dir, name), { recursive: true });
  await writeAgentProgram(join(dir, "bin"));
  writeFileSync(join(dir, "home/.claude/.credentials.json"), "{}");
  const home = join(dir, "m");
  const env = { PATH: `${dir}/bin:/usr/bin:/bin`, HOME: join(dir, "home"), ...more };
  const caller = await knowCaller({ env, configHome: null, claudeConfigDir: null });
  const open = (own: Readonly<Record<string, string>>) =>
    openCallers({ home, env: own, own: undefined, log });
  await (await open({})).bring(run, caller);
  return { home, env, caller, open };
}

test.concurrent("a login needs no secret: the run is whole again under any daemon (F47)", async (context) => {
  const { env, caller, open } = await terminal(context, { LC_ALL: "C" });
  expect(caller.kind).toBe("login");
  const again = (await open({ ANTHROPIC_API_KEY: "sk-ant-not-of-this-run" })).get(run);
  expect(again).toMatchObject({ kind: "login", fingerprint: caller.fingerprint });
  expect(again?.environment.session()).toEqual(caller.environment.session());
  expect(again?.environment.gate).toEqual(env);
});

test.concurrent("a secret is used where the next daemon has the same, and only then (F47)", async (context) => {
  const { env, caller, open } = await terminal(context, { CLAUDE_CODE_OAUTH_TOKEN: "token-1" });
  const same = (await open({ CLAUDE_CODE_OAUTH_TOKEN: "token-1" })).get(run);
  expect(same?.environment.session()).toEqual(caller.environment.session());
  for (const own of [{ CLAUDE_CODE_OAUTH_TOKEN: "token-2" }, {}]) {
    const other = (await open(own)).get(run);
    expect(other?.environment).toMatchObject({ gate: { PATH: env.PATH }, lost: [] });
    expect(() => other?.environment.session()).toThrow(/CLAUDE_CODE_OAUTH_TOKEN of run_x1/);
  }
});

test.concurrent("a damaged file of a run loses its environment, and no other takes its place (F47)", async (context) => {
  const { home, caller } = await terminal(context, { ANTHROPIC_API_KEY: "sk-ant-1" });
  writeFileSync(join(home, "runs", `${run}.json`), "{");
  const callers = await openCallers({ home, env: {}, own: caller, log });
  expect(callers.get(run)).toBeUndefined();
  expect(callers.get("run_before")).toBe(caller);
  callers.settleAllBut(new Set());
  expect(readdirSync(join(home, "runs"))).toEqual([]);
});
