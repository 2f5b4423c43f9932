/** A session that goes silent, with the whole house around it but for its limits, which are short. */
import { mkdirSync, mkdtempSync, realpathSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, onTestFinished, test } from "vitest";
import type { Event } from "../../src/core/events.ts";
import type { Command } from "../../src/core/inputs.ts";
import { type RunId, attemptId } from "../../src/core/ids.ts";
import { engine } from "../../src/daemon/engine.ts";
import { noBoundary } from "../../src/host/boundary.ts";
import type { Host, RunEnvironment } from "../../src/host/context.ts";
import { performer } from "../../src/host/perform.ts";
import type { StallLimits } from "../../src/host/stall.ts";
import { run as runCommand } from "../../src/process/run.ts";
import { sweep } from "../../src/process/end.ts";
import { writeAgentProgram } from "../../src/testing/agent/program.ts";
import { roomy, startOf, taskSpec } from "../../src/testing/core.ts";
import { memoryLedger } from "../../src/testing/memory-ledger.ts";
import { prompt } from "../../src/testing/model/behaviors.ts";
import type { Steps } from "../../src/testing/model/script.ts";
import { bash, commit, say, write } from "../../src/testing/model/steps.ts";
import { makeRunner } from "../../src/testing/runner/place.ts";

/** Its own, since what a session leaves behind is found by its attempt's name on the whole machine. */
const run: RunId = `run_s${process.pid}`;
const stall: StallLimits = { startMs: 20_000, modelMs: 500, toolMs: 500 };

type Meddle = (event: Event, command: (command: Command) => void) => void;

/** Runs a task of these steps to its end and returns what happened. */
async function runThrough(
  steps: Steps,
  later: Steps,
  { meddle = () => {}, allow = "Bash" }: { meddle?: Meddle; allow?: string } = {},
): Promise<readonly Event[]> {
  const root = realpathSync(mkdtempSync(join(tmpdir(), "muster-stall-")));
  onTestFinished(() =>
    rmSync(root, { recursive: true, force: true, maxRetries: 10, retryDelay: 50 }),
  );
  const [repo, home, bin] = ["repo", "m", "bin"].map((name) => join(root, name)) as [
    string,
    string,
    string,
  ];
  for (const folder of [repo, home, join(home, "tmp"), bin]) mkdirSync(folder);
  const env = { PATH: process.env["PATH"] ?? "", HOME: root, GIT_CONFIG_GLOBAL: "/dev/null" };
  for (const args of [
    ["init", "-q", "-b", "main"],
    ["-c", "user.name=Pat", "-c", "user.email=p@x", "commit", "-q", "--allow-empty", "-m", "start"],
  ])
    await runCommand({ argv: ["git", ...args], cwd: repo, env, timeoutMs: 10_000 });
  const environment: RunEnvironment = {
    base: env,
    gate: env,
    session: () => ({ env, apiKey: "sk-ant-dummy", configDir: null }),
    lost: [],
    isolation: "home",
    instructions: "",
  };
  const binary = await writeAgentProgram(bin);
  const ledger = memoryLedger();
  const runner = makeRunner({ runner: "claude-cli", binary });
  const host: Host = {
    home,
    runners: { "claude-cli": runner, "claude-sdk": runner },
    stall,
    environment: () => environment,
    report: (att, key, observed) => void core.observe({ att, key, ...observed }),
    log: () => {},
    now: Date.now,
    isLastOf: () => true,
    killedSince: () => false,
    isRestored: () => false,
  };
  const effects = performer(host, noBoundary);
  const core = engine({
    ledger,
    capacity: () => roomy,
    perform: effects.perform,
    forget: effects.forget,
    now: Date.now,
    boundary: noBoundary,
    log: () => {},
    fail: (error) => {
      throw error;
    },
  });
  const events: Event[] = [];
  const settled = new Promise<void>((resolve) => {
    ledger.subscribe((added) => {
      events.push(...added);
      for (const event of added) meddle(event, (command) => void core.command(command));
      if (added.some(({ type }) => type === "run.settled")) resolve();
    });
  });
  onTestFinished(async () => {
    await core.stop();
    await sweep(`MUSTER_ATTEMPT=${attemptId(run, 1)}`);
  });
  await core.start();
  const goOn = [{ match: /goes on now|and the docs/, steps: later }];
  const spec = taskSpec("a", {
    project: join(repo, ".git"),
    root: repo,
    prompt: prompt("Go.", steps, goOn),
    gate: [],
    model: "claude-opus-5-5",
    permissions: { allow: [allow], ask: [], deny: [] },
  });
  await core.command(startOf([spec], { run }));
  await settled;
  return events;
}

const rest = [write("a.txt", "a\n"), commit("Add a"), say("Done.")];

test.each<[string, string, Steps]>([
  ["model", "during model", [{ hang: "stream" }, say("That took long.")]],
  ["tool", "during tool, in Bash: sleep 1000", [bash("sleep 1000"), say("That took long.")]],
])(
  "a session whose %s goes silent is ended, resumed under its id, and lands (F23)",
  async (_, silence, steps) => {
    const events = await runThrough(steps, rest);
    expect(events.find(({ type }) => type === "session.end_requested")).toMatchObject({
      why: expect.stringContaining(silence),
    });
    const starts = events.filter((event) => event.type === "session.planned");
    expect(starts).toMatchObject([
      { n: 1, resume: false },
      { n: 2, resume: true },
    ]);
    expect(events.filter(({ type }) => type === "task.landed")).toHaveLength(1);
  },
  60_000,
);

/** Stops the process of the session, at the first event that fits, and then has a person say `command`. */
function freezeAt(fits: (event: Event) => boolean, command: Command): Meddle {
  let pid: number | null = 0;
  return (event, say) => {
    if (event.type === "session.started" && pid === 0) pid = event.pid;
    if (pid === null || pid === 0 || !fits(event)) return;
    process.kill(pid, "SIGSTOP");
    pid = null;
    say(command);
  };
}

const to = { run, task: "a" } as const;

test.each<[string, Steps, Meddle]>([
  [
    "behind an answered question",
    [bash("make"), say("Never.")],
    freezeAt(({ type }) => type === "ask.opened", {
      ...{ ...to, type: "answer", ask: null, answer: { is: "allow" } },
    }),
  ],
  [
    "before its second round",
    [say("Done.")],
    freezeAt(({ type }) => type === "round.ended", { ...to, type: "tell", text: "and the docs" }),
  ],
])(
  "a session that freezes %s is ended, resumed under its id, and lands (F23)",
  async (_, steps, meddle) => {
    const events = await runThrough(steps, rest, { meddle, allow: "Bash(git *)" });
    expect(events.find(({ type }) => type === "session.end_requested")).toMatchObject({
      why: expect.stringContaining("during model"),
    });
    const starts = events.filter((event) => event.type === "session.planned");
    expect(starts.map(({ resume }) => resume)).toEqual([false, true]);
    expect(events.filter(({ type }) => type === "task.landed")).toHaveLength(1);
  },
  90_000,
);
