/** Daemons that come and go: stopped, replaced, raced, on a machine that was restarted, in another environment. */
import { spawn } from "node:child_process";
import { once } from "node:events";
import {
  cpSync,
  existsSync,
  mkdirSync,
  readFileSync,
  readdirSync,
  renameSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { afterEach, expect, test } from "vitest";
import { takeLock } from "../../src/ledger/lock.ts";
import { awaitGone } from "../../src/process/end.ts";
import { pids, readIdentity, readStat, signal } from "../../src/process/identity.ts";
import { run as runCommand } from "../../src/process/run.ts";
import { readShim } from "../../src/process/shim.ts";
import { prompt, writeAndCommit } from "../../src/testing/model/behaviors.ts";
import { bash, commit, say, write } from "../../src/testing/model/steps.ts";
import { type World, hold, openWorld, statesOf, taskOf } from "../e2e/harness.ts";
import { patiently } from "../e2e/patiently.ts";

let world: World;
afterEach(() => world.close());

const root = fileURLToPath(new URL("../../", import.meta.url));

/** A task whose session waits in the middle of its round. */
function held(id: string, more: Readonly<Record<string, unknown>> = {}) {
  const steps = [bash(hold(id)), write(`${id}.txt`, "good\n"), commit(`Add ${id}`), say("Done.")];
  return { id, prompt: prompt(`Add ${id}.`, steps), permissions: { allow: ["Bash"] }, ...more };
}

const sessionsNow = async () => (await world.api.host()).sessions;

/** Starts a run with a session in the middle of its round. */
async function startHeld(id = "a"): Promise<string> {
  const run = await world.start(world.plan([held(id)]));
  await world.held(id);
  await world.until(run, (detail) => taskOf(detail, id).state === "working");
  return run;
}

async function expectAdopted(run: string, session: unknown, id = "a"): Promise<void> {
  await expect.poll(sessionsNow, { timeout: 20_000 }).toEqual([session]);
  world.letGo(id);
  expect(statesOf(await world.settled(run))).toEqual({ [id]: "landed" });
  const events = await world.events(run, ({ type }) => type === "run.settled");
  expect(events.filter(({ type }) => type === "session.planned")).toHaveLength(1);
}

test("a session goes on while its daemon is stopped by a person, and the next one takes it over (F6)", async () => {
  world = await openWorld();
  const run = await startHeld();
  const [session] = await sessionsNow();
  expect((await world.muster(["host", "stop"])).stderr).toContain("1 sessions go on");
  expect(readIdentity(session?.pid ?? 0)).toBeDefined();
  expect((await world.muster(["ls"])).code).toBe(0);
  await expectAdopted(run, session);
});

/** The same program as an older release: a copy that says another version. */
function olderRelease(): string {
  const copy = join(world.root, "older");
  mkdirSync(copy);
  for (const name of ["src", "bin"])
    cpSync(join(root, name), join(copy, name), { recursive: true });
  const manifest = JSON.parse(readFileSync(join(root, "package.json"), "utf8")) as object;
  writeFileSync(join(copy, "package.json"), JSON.stringify({ ...manifest, version: "0.0.1" }));
  symlinkSync(join(root, "node_modules"), join(copy, "node_modules"));
  return join(copy, "bin/muster.js");
}

test("a session goes on over an upgrade, and the new version takes it over (F6)", async () => {
  world = await openWorld();
  const old = olderRelease();
  const started = await runCommand({
    argv: [process.execPath, old, "run", "--detach", world.plan([held("a")])],
    cwd: world.repo,
    env: world.env,
    timeoutMs: 60_000,
  });
  expect(started.code).toBe(0);
  expect((await world.api.version()).version).toBe("0.0.1");
  const run = started.stdout.toString().trim();
  await world.held("a");
  const [session] = await sessionsNow();
  const { stderr } = await world.muster(["ls"]);
  expect(stderr).toContain("0.0.1");
  expect((await world.api.version()).version).not.toBe("0.0.1");
  await expectAdopted(run, session);
});

/** Ends everything at once and for good, as a restart of the machine does. */
async function powerOff(): Promise<void> {
  const all = world.processes().map((line) => readIdentity(Number.parseInt(line, 10)));
  // Shells first: they would bring the daemon back, or record the end of a session.
  const left = all.filter((identity) => identity !== undefined);
  const isShell = (pid: number): boolean =>
    /^\S*sh\0/.test(readFileSync(`/proc/${pid}/cmdline`, "latin1"));
  for (const identity of left.toSorted((a, b) => Number(isShell(b.pid)) - Number(isShell(a.pid))))
    signal(identity, "SIGKILL");
  await Promise.all(left.map((identity) => awaitGone(identity, 5_000)));
}

test("after a restart of the machine a session is resumed, and whoever has its process id now is left alone (F7, F27)", async () => {
  world = await openWorld();
  const run = await startHeld();
  const before = taskOf(await world.until(run, () => true), "a").session;
  await powerOff();
  const innocent = spawn("sleep", ["60"], { stdio: "ignore" });
  try {
    const own = readIdentity(innocent.pid ?? 0);
    if (own === undefined) throw new Error("it has just been started");
    const att = readdirSync(join(world.state, "attempts"))[0] ?? "";
    const path = join(world.state, "attempts", att, "1", "id");
    const [protocol] = readFileSync(path, "utf8").split("\n");
    const { pid, startedAt } = own;
    const boot = "00000000-0000-4000-8000-000000000000";
    const id = [protocol, boot, pid, startedAt, pid, startedAt, ""].join("\n");
    writeFileSync(path, id);
    expect(readShim(join(path, "..")).id?.child.pid).toBe(pid);
    world.letGo("a");
    expect((await world.muster(["ls"])).code).toBe(0);
    const detail = await world.settled(run);
    expect(taskOf(detail, "a")).toMatchObject({ state: "landed", attempts: 1, session: before });
    expect(innocent.exitCode ?? innocent.signalCode).toBeNull();
  } finally {
    innocent.kill("SIGKILL");
  }
});

test("what was stopped stays stopped, whatever is killed right behind it (F48)", async () => {
  world = await openWorld();
  const run = await startHeld();
  await world.command({ type: "stop", run, task: null });
  await world.killDaemon();
  const detail = await world.settled(run);
  expect([detail.run.state, statesOf(detail)]).toEqual(["canceled", { a: "canceled" }]);
  await world.killDaemon();
  expect(await sessionsNow()).toEqual([]);
  expect(statesOf(await world.api.run(run))).toEqual({ a: "canceled" });
  const events = await world.events(run, ({ type }) => type === "run.settled");
  expect(events.filter(({ type }) => type === "session.planned")).toHaveLength(1);
  expect(world.processes().filter((line) => !/muster-respawn|daemon\/main/.test(line))).toEqual([]);
});

test("what was paused stays paused after a kill (F48)", async () => {
  world = await openWorld();
  const run = await startHeld();
  await world.command({ type: "pause", run, task: null, interrupt: true });
  await world.until(run, (detail) => taskOf(detail, "a").state === "paused");
  await world.killDaemon();
  const again = await world.until(run, () => true);
  expect([again.paused, taskOf(again, "a").state]).toEqual([true, "paused"]);
  expect(await sessionsNow()).toEqual([]);
});

/** A tool that only a later terminal has on its PATH, and a gate that needs it. */
function laterTool(): { readonly env: Record<string, string>; readonly gate: string } {
  const dir = join(world.root, "tools");
  mkdirSync(dir);
  writeFileSync(join(dir, "later-tool"), "#!/bin/sh\nexit 0\n", { mode: 0o755 });
  return { env: { PATH: `${dir}:${world.env["PATH"]}` }, gate: "later-tool" };
}

/** Starts a run of one held task from a terminal with another PATH than the daemon's. */
async function startFromElsewhere(): Promise<string> {
  await world.muster(["ls"]);
  const { env, gate } = laterTool();
  const steps = [bash(`later-tool && ${hold("a")}`), write("a.txt", "x\n"), commit("Add a")];
  const task = { id: "a", prompt: prompt("Add a.", steps), permissions: { allow: ["Bash"] } };
  const plan = world.plan([{ ...task, gate, limits: { fixes: 0 } }]);
  const { code, stdout } = await world.muster(["run", "--detach", plan], { env });
  expect(code).toBe(0);
  await world.held("a");
  return stdout.trim();
}

test("sessions and gates have the environment of the terminal that started their run, not the daemon's (F47)", async () => {
  world = await openWorld();
  const run = await startFromElsewhere();
  world.letGo("a");
  expect(statesOf(await world.settled(run))).toEqual({ a: "landed" });
});

test.fails("a run keeps the environment it was started from when its daemon is killed (F47)", async () => {
  world = await openWorld();
  const run = await startFromElsewhere();
  await world.killDaemon();
  world.letGo("a");
  expect(statesOf(await world.settled(run))).toEqual({ a: "landed" });
});

test("the lock holds whatever was looked at meanwhile (F17)", async () => {
  world = await openWorld();
  const plan = world.plan([{ id: "a", prompt: writeAndCommit({ "a.txt": "good\n" }, "Add a") }]);
  await world.muster(["run", plan]);
  for (const args of [
    ["ls"],
    ["show"],
    ["logs", "a"],
    ["diff", "a"],
    ["doctor"],
    ["host", "status"],
  ])
    expect((await world.muster(args)).code, args.join(" ")).toBe(0);
  for (const args of [
    ["clean", "--dry-run"],
    ["uninstall", "--dry-run"],
  ])
    expect((await world.muster(args)).code, args.join(" ")).toBe(0);
  expect(() => takeLock(join(world.state, "lock.db"))).toThrow(/another muster daemon/);
  const { pid } = await world.api.version();
  const files = readdirSync(`/proc/${pid}/fd`).length;
  expect(files).toBeLessThan(60);
});

test("a daemon has no more open files and children after three runs than after one (F26)", async () => {
  world = await openWorld();
  let most: readonly number[] | undefined;
  for (const name of ["one", "two", "three"]) {
    const tasks = ["a", "b"].map((id) => ({
      id,
      runner: id === "a" ? "claude-cli" : "claude-sdk",
      prompt: writeAndCommit({ [`${name}-${id}.txt`]: "good\n" }, `Add ${name} ${id}`),
    }));
    expect((await world.muster(["run", world.plan(tasks, {}, name)])).code).toBe(0);
    const { pid } = await world.api.version();
    most ??= heldBy(pid);
    const [files = 0, children = 0] = most;
    await patiently(
      () => {
        const [moreFiles = 0, moreChildren = 0] = heldBy(pid);
        return moreFiles <= files && moreChildren <= children;
      },
      5_000,
      `no more than ${files} files and ${children} children`,
    );
  }
});

/** Open files and children of a process. */
function heldBy(pid: number): readonly number[] {
  const files = readdirSync(`/proc/${pid}/fd`).length;
  return [files, pids().filter((each) => readStat(each)?.parent === pid).length];
}

test("two homes on one repository land all of their work, each once (F29)", async () => {
  world = await openWorld();
  const other = join(world.root, "m2");
  const task = (id: string) => ({
    id,
    prompt: writeAndCommit({ [`${id}.txt`]: "good\n" }, `Add ${id}`),
  });
  const target = { target: "main" };
  const first = world.plan(["a", "b"].map(task), target);
  const second = world.plan(["c", "d"].map(task), target);
  // A checkout that follows would make them wait for each other's lock.
  await world.git("checkout", "-q", "-b", "mine");
  const env = { MUSTER_HOME: other };
  const stop = () => world.muster(["host", "stop", "--sessions"], { env });
  try {
    const done = await Promise.all([
      world.muster(["run", "--json", first]),
      world.muster(["run", "--json", second], { env }),
    ]);
    expect(done.map(({ code }) => code)).toEqual([0, 0]);
    const subjects = (await world.git("log", "--first-parent", "--format=%s", "main")).split("\n");
    const landed = subjects
      .filter((line) => line.startsWith("Land "))
      .map((line) => line.slice(5, 6));
    expect(landed.toSorted()).toEqual(["a", "b", "c", "d"]);
    expect(await world.git("status", "--porcelain")).toBe("");
    await world.git("fsck");
  } finally {
    await stop();
  }
});

test("a hundred races for the lock have at most one winner each, and a loser that comes again gets it (F29)", async () => {
  world = await openWorld();
  const script = `
    import { createInterface } from "node:readline";
    import { takeLock } from ${JSON.stringify(join(root, "src/ledger/lock.ts"))};
    let release = () => {};
    for await (const line of createInterface({ input: process.stdin })) {
      release(); release = () => {};
      if (line !== "") try { release = takeLock(line); console.log("won"); continue; } catch {}
      console.log("lost");
    }`;
  const racers = [1, 2].map(() =>
    spawn(process.execPath, ["--input-type=module", "-e", script], {
      stdio: ["pipe", "pipe", "inherit"],
    }),
  );
  const ask = async (line: string): Promise<string[]> => {
    const answers = racers.map(async (racer) =>
      String((await once(racer.stdout, "data"))[0]).trim(),
    );
    for (const racer of racers) racer.stdin.write(`${line}\n`);
    return Promise.all(answers);
  };
  let won = 0;
  for (let race = 0; race < 100; race++) {
    const wins = (await ask(join(world.root, `lock-${race % 3}.db`))).filter(
      (each) => each === "won",
    );
    expect(wins.length).toBeLessThanOrEqual(1);
    won += wins.length;
    await ask("");
  }
  // In a tie nobody has it; whoever asks next does.
  expect(won).toBeGreaterThan(50);
  for (const racer of racers) racer.stdin.end();
});

test("a daemon that ends while the next one starts leaves it its socket (F30)", async () => {
  world = await openWorld();
  const pids = new Set<number>();
  for (let n = 0; n < 3; n++) {
    const [, listed] = await Promise.all([
      world.muster(["host", "stop"]),
      world.muster(["ls", "--json"]),
    ]);
    // What came in while the old one was ending may have been cut off; the next command must find a daemon.
    expect([0, 69, 75]).toContain(listed.code);
    expect((await world.muster(["ls", "--json"])).code).toBe(0);
    pids.add((await world.api.version()).pid);
    expect(existsSync(join(world.state, "muster.sock"))).toBe(true);
  }
  expect(pids.size).toBeGreaterThan(1);
});

test("a daemon whose home was moved away takes nothing from the one that came after it (F30)", async () => {
  world = await openWorld();
  await world.muster(["ls"]);
  const first = await pidNow();
  const identity = readIdentity(first);
  renameSync(world.state, `${world.state}-moved`);
  await world.muster(["ls"]);
  const second = await pidNow();
  expect(second).not.toBe(first);
  process.kill(first, "SIGTERM");
  expect(identity !== undefined && (await awaitGone(identity, 20_000))).toBe(true);
  expect(await pidNow()).toBe(second);
});

/** Who answers a command now: a client that is kept open would still hear from the daemon before. */
async function pidNow(): Promise<number> {
  const { stdout } = await world.muster(["host", "status", "--json"]);
  return (JSON.parse(stdout) as { host: { pid: number } }).host.pid;
}
