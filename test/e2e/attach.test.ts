/** A session is open in one place: two terminals, or a terminal and muster, never have it at the same time. */
import { type ChildProcess, spawn } from "node:child_process";
import { existsSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { type TestContext, afterEach, beforeEach, expect, test } from "vitest";
import { type Identity, readIdentity } from "../../src/process/identity.ts";
import { prompt } from "../../src/testing/model/behaviors.ts";
import { bash, commit, say, write } from "../../src/testing/model/steps.ts";
import { type World, bin, hold, openWorld, statesOf, taskOf } from "./harness.ts";

let world: World;
const started: ChildProcess[] = [];
beforeEach(async () => {
  world = await openWorld();
});
afterEach(async () => {
  for (const child of started.splice(0)) child.kill("SIGKILL");
  await world.close();
});

/** A process that lives until it is ended. */
function living(): { readonly identity: Identity; end(): Promise<void> } {
  const child = spawn("sleep", ["600"], { stdio: "ignore" });
  started.push(child);
  const identity = readIdentity(child.pid ?? 0);
  if (identity === undefined) throw new Error("it has just been started");
  const ended = new Promise<void>((resolve) => child.once("exit", () => resolve()));
  return { identity, end: () => (child.kill("SIGKILL"), ended) };
}

async function startHeld(): Promise<string> {
  const steps = [bash(hold("a")), write("a.txt", "good\n"), commit("Add a"), say("Done.")];
  const task = { id: "a", prompt: prompt("Add a.", steps), permissions: { allow: ["Bash"] } };
  const run = await world.start(world.plan([task]));
  await world.held("a");
  return run;
}

/** A run whose only session rests, paused in the middle of its round. */
async function startPaused(): Promise<string> {
  const run = await startHeld();
  await world.command({ type: "pause", run, task: "a", interrupt: true });
  const rests = (process?: string): boolean => process === "none";
  await world.until(run, ({ tasks }) => rests(tasks[0]?.attempts.at(-1)?.process));
  return run;
}

const claimOf = (run: string): string =>
  join(world.state, "attempts", `att_${run.slice(4)}_1`, "attached");
const resume = (run: string): Promise<void> =>
  world.command({ type: "resume", run, task: "a", usd: null, ...world.caller });
const attach = (run: string, holder: Identity) =>
  world.api.attachment({ run, task: "a", former: false, holder, ...world.caller });

test("of two terminals that take a session at once one has it, and muster goes on after it (F41)", async () => {
  const run = await startPaused();
  const holders = [living(), living()];
  const both = await Promise.allSettled(holders.map(({ identity }) => attach(run, identity)));
  const winner = both.findIndex(({ status }) => status === "fulfilled");
  const { pid } = holders[winner]?.identity ?? { pid: 0 };
  const [other] = both.filter(({ status }) => status === "rejected");
  expect(other).toMatchObject({
    reason: {
      code: "refused",
      message: `${run}/a is open in a terminal (process ${pid})`,
      remedy: `To go on, leave it there, then run muster resume ${run}/a`,
    },
  });
  await expect(resume(run)).rejects.toThrow(`process ${pid}`);
  await holders[winner]?.end();
  world.letGo("a");
  await resume(run);
  expect(statesOf(await world.settled(run))).toEqual({ a: "landed" });
});

test("a terminal that was killed leaves its session to its program, and then to whoever comes (F41)", async () => {
  const run = await startPaused();
  const [dead, program, next] = [living(), living(), living()];
  await attach(run, dead.identity);
  writeFileSync(claimOf(run), JSON.stringify({ ...dead.identity, program: program.identity }));
  await dead.end();
  const byProgram = `process ${program.identity.pid}`;
  await expect(resume(run)).rejects.toThrow(byProgram);
  await expect(attach(run, next.identity)).rejects.toThrow(byProgram);
  await program.end();
  expect((await attach(run, next.identity)).claim).toBe(claimOf(run));
  await expect(resume(run)).rejects.toThrow(`process ${next.identity.pid}`);
});

test("a session that was resumed between its pause and its terminal is muster's, and no claim stays (F41)", async () => {
  const run = await startPaused();
  const { identity } = living();
  const [resumed, attached] = await Promise.allSettled([resume(run), attach(run, identity)]);
  expect([resumed.status, attached.status].toSorted()).toEqual(["fulfilled", "rejected"]);
  expect(existsSync(claimOf(run))).toBe(attached.status === "fulfilled");
});

test("a start that finds its session open in a terminal is no crash: the task is paused until that is left (F41)", async () => {
  const run = await startHeld();
  const { identity, end } = living();
  writeFileSync(claimOf(run), JSON.stringify(identity));
  const [session] = (await world.api.host()).sessions;
  process.kill(session?.pid ?? 0, "SIGKILL");
  await world.until(run, (detail) => taskOf(detail, "a").state === "paused");
  await expect(resume(run)).rejects.toThrow(`process ${identity.pid}`);
  await end();
  world.letGo("a");
  await resume(run);
  expect(statesOf(await world.settled(run))).toEqual({ a: "landed" });
});

/** A terminal is made by a program that not every system has. */
const hasTerminals = existsSync("/usr/bin/script");

interface Terminal {
  readonly shown: () => string;
  readonly type: (text: string) => void;
  readonly ended: Promise<number | null>;
}

function onTerminal(...args: readonly string[]): Terminal {
  const line = [process.execPath, bin, ...args].map((word) => `'${word}'`).join(" ");
  const env = { ...world.env, TERM: "xterm", SHELL: "/bin/sh" };
  const child = spawn("/usr/bin/script", ["-qec", line, "/dev/null"], { cwd: world.repo, env });
  started.push(child);
  let shown = "";
  child.stdout.on("data", (chunk: Buffer) => (shown += chunk.toString()));
  const ended = new Promise<number | null>((resolve) => child.once("exit", resolve));
  return { shown: () => shown, type: (text) => void child.stdin.write(text), ended };
}

test("a second `muster attach` is refused and resumes nothing under the first (F41)", async (context: TestContext) => {
  if (!hasTerminals) context.skip("there is no program script");
  const run = await startHeld();
  const first = onTerminal("attach", `${run}/a`);
  await expect.poll(first.shown, { timeout: 30_000 }).toContain("leave it to go on");
  const programOf = (): Identity | undefined =>
    (JSON.parse(readFileSync(claimOf(run), "utf8")) as { program?: Identity }).program;
  await expect.poll(programOf).toBeDefined();
  const { pid = 0 } = programOf() ?? {};
  expect(readFileSync(`/proc/${pid}/cmdline`, "utf8")).toContain("--resume=");
  const second = onTerminal("attach", `${run}/a`);
  expect(await second.ended).toBe(1);
  expect(second.shown()).toMatch(/is open in a terminal [^]*To go on, leave it there/);
  expect(programOf()?.pid).toBe(pid);
  expect(taskOf(await world.api.run(run), "a").state).toBe("paused");
  world.letGo("a");
  first.type("\u0004");
  expect(await first.ended).toBe(0);
  expect(existsSync(claimOf(run))).toBe(false);
  expect(statesOf(await world.settled(run))).toEqual({ a: "landed" });
});
