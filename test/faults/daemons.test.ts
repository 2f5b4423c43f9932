/** Daemons that come and go: stopped, replaced, raced, on a machine that was restarted, in another environment. */
import { spawn } from "node:child_process";
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
import { isDeepStrictEqual } from "node:util";
import { expect, test } from "vitest";
import { takeLock } from "../../src/ledger/lock.ts";
import { awaitGone } from "../../src/process/end.ts";
import { pids, readIdentity, readStat, signal } from "../../src/process/identity.ts";
import { run as runCommand } from "../../src/process/run.ts";
import { readShim } from "../../src/process/shim.ts";
import { prompt, writeAndCommit } from "../../src/testing/model/behaviors.ts";
import { bash, commit, say, write } from "../../src/testing/model/steps.ts";
import { type World, hold, statesOf, taskOf } from "../e2e/harness.ts";
import { patiently } from "../e2e/patiently.ts";
import { opened } from "./world.ts";

const root = fileURLToPath(new URL("../../", import.meta.url));

/** A task whose session waits in the middle of its round. */
function held(id: string, more: Readonly<Record<string, unknown>> = {}) {
  const steps = [bash(hold(id)), write(`${id}.txt`, "good\n"), commit(`Add ${id}`), say("Done.")];
  return { id, prompt: prompt(`Add ${id}.`, steps), permissions: { allow: ["Bash"] }, ...more };
}

const sessionsNow = async (world: World) => (await world.api.host()).sessions;

/** Starts a run with a session in the middle of its round. */
async function startHeld(world: World, id = "a"): Promise<string> {
  const run = await world.start(world.plan([held(id)]));
  await world.held(id);
  await world.until(run, (detail) => taskOf(detail, id).state === "working");
  return run;
}

async function expectAdopted(world: World, run: string, session: unknown, id = "a"): Promise<void> {
  const isSame = async (): Promise<boolean> =>
    isDeepStrictEqual(await sessionsNow(world), [session]);
  await patiently(isSame, 20_000, "the same session");
  world.letGo(id);
  expect(statesOf(await world.settled(run))).toEqual({ [id]: "landed" });
  const events = await world.events(run, ({ type }) => type === "run.settled");
  expect(events.filter(({ type }) => type === "session.planned")).toHaveLength(1);
}

test.concurrent("a session goes on while its daemon is stopped by a person, and the next one takes it over (F6)", async (context) => {
  const world = await opened(context);
  const run = await startHeld(world);
  const [session] = await sessionsNow(world);
  expect((await world.muster(["host", "stop"])).stderr).toMatch(/session(?:s go| goes) on/);
  expect(readIdentity(session?.pid ?? 0)).toBeDefined();
  expect((await world.muster(["ls"])).code).toBe(0);
  await expectAdopted(world, run, session);
});

/** The same program as an older release: a copy that says another version. */
function olderRelease(world: World): string {
  const copy = join(world.root, "older");
  mkdirSync(copy);
  for (const name of ["src", "bin"])
    cpSync(join(root, name), join(copy, name), { recursive: true });
  const manifest = JSON.parse(readFileSync(join(root, "package.json"), "utf8")) as object;
  writeFileSync(join(copy, "package.json"), JSON.stringify({ ...manifest, version: "0.0.1" }));
  symlinkSync(join(root, "node_modules"), join(copy, "node_modules"));
  return join(copy, "bin/muster.js");
}

test.concurrent("a session goes on over an upgrade, and the new version takes it over (F6)", async (context) => {
  const world = await opened(context);
  const old = olderRelease(world);
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
  const [session] = await sessionsNow(world);
  const { stderr } = await world.muster(["ls"]);
  expect(stderr).toContain("0.0.1");
  expect((await world.api.version()).version).not.toBe("0.0.1");
  await expectAdopted(world, run, session);
});

test.concurrent("what a killed session had not committed is in a ref before the session goes on (F3)", async (context) => {
  const world = await opened(context);
  const steps = [write("half.md", "half\n"), bash(hold("a")), commit("Add half"), say("Done.")];
  const task = { id: "a", prompt: prompt("Add it.", steps), permissions: { allow: ["Bash"] } };
  const run = await world.start(world.plan([task]));
  await world.held("a");
  await world.until(run, (detail) => taskOf(detail, "a").state === "working");
  const [session] = await sessionsNow(world);
  process.kill(session?.pid ?? 0, "SIGKILL");
  const events = await world.events(
    run,
    (event) => event.type === "session.planned" && event.n === 2,
  );
  const kept = events.find((event) => event.type === "snapshot.taken");
  expect(await world.git("show", `${kept?.ref}:half.md`)).toBe("half");
  world.letGo("a");
  expect(statesOf(await world.settled(run))).toEqual({ a: "landed" });
});

/** Ends everything at once and for good, as a restart of the machine does. */
async function powerOff(world: World): Promise<void> {
  const left = world.processes().flatMap((line) => {
    const [pid, ...command] = line.split(" ");
    const identity = readIdentity(Number(pid));
    return identity === undefined
      ? []
      : [{ identity, isShell: /^\S*sh( |$)/.test(command.join(" ")) }];
  });
  // Shells first: they would bring the daemon back, or record the end of a session.
  left.sort((a, b) => Number(b.isShell) - Number(a.isShell));
  for (const { identity } of left) signal(identity, "SIGKILL");
  await Promise.all(left.map(({ identity }) => awaitGone(identity, 5_000)));
}

test.concurrent("after a restart of the machine a session is resumed, and whoever has its process id now is left alone (F7, F27)", async (context) => {
  const world = await opened(context);
  const run = await startHeld(world);
  const before = taskOf(await world.until(run, () => true), "a").session;
  await powerOff(world);
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

test.concurrent("after a restart of the machine a run whose person wants to be asked waits for them, and one word brings it back (F7)", async (context) => {
  const world = await opened(context);
  mkdirSync(join(world.home, ".config/muster"), { recursive: true });
  const told = join(world.root, "told");
  const notify = JSON.stringify(["sh", "-c", `cat >> ${told}`]);
  writeFileSync(join(world.home, ".config/muster/config.yaml"), `resume: ask\nnotify: ${notify}\n`);
  const run = await startHeld(world);
  await powerOff(world);
  writeFileSync(join(world.state, "boot"), "00000000-0000-4000-8000-000000000000\n");
  world.letGo("a");
  const shown = await world.muster(["show", run]);
  expect(shown.stdout).toContain("▲ paused: the machine was restarted");
  expect(shown.stdout).toContain(`↳ To go on, run muster resume ${run}`);
  const paused = await world.until(run, (detail) => taskOf(detail, "a").state === "paused");
  expect([paused.run.state, paused.pausedFor]).toEqual([
    "needs_attention",
    "the machine was restarted",
  ]);
  expect(readFileSync(told, "utf8")).toContain('"kind":"ask"');
  // The boot is noted: the next daemon asks nothing more, and what a person pauses is theirs.
  await world.killDaemon();
  await world.muster(["resume", run]);
  const settled = await world.settled(run);
  expect(statesOf(settled)).toEqual({ a: "landed" });
  expect(settled.pausedFor).toBeNull();
});

test.concurrent("what was stopped stays stopped, whatever is killed right behind it (F48)", async (context) => {
  const world = await opened(context);
  const run = await startHeld(world);
  await world.command({ type: "stop", run, task: null });
  await world.killDaemon();
  const detail = await world.settled(run);
  expect([detail.run.state, statesOf(detail)]).toEqual(["canceled", { a: "canceled" }]);
  await world.killDaemon();
  expect(await sessionsNow(world)).toEqual([]);
  expect(statesOf(await world.api.run(run))).toEqual({ a: "canceled" });
  const events = await world.events(run, ({ type }) => type === "run.settled");
  expect(events.filter(({ type }) => type === "session.planned")).toHaveLength(1);
  expect(world.processes().filter((line) => !/muster-respawn|daemon\/main/.test(line))).toEqual([]);
});

test.concurrent("what was paused stays paused after a kill (F48)", async (context) => {
  const world = await opened(context);
  const run = await startHeld(world);
  await world.command({ type: "pause", run, task: null, interrupt: true });
  await world.until(run, (detail) => taskOf(detail, "a").state === "paused");
  await world.killDaemon();
  const again = await world.until(run, () => true);
  expect([again.paused, taskOf(again, "a").state]).toEqual([true, "paused"]);
  expect(await sessionsNow(world)).toEqual([]);
});

/** A tool that only a later terminal has on its PATH, and a gate that needs it. */
function laterTool(world: World): { readonly env: Record<string, string>; readonly gate: string } {
  const dir = join(world.root, "tools");
  mkdirSync(dir);
  writeFileSync(join(dir, "later-tool"), "#!/bin/sh\nexit 0\n", { mode: 0o755 });
  return { env: { PATH: `${dir}:${world.env["PATH"]}` }, gate: "later-tool" };
}

/** Starts a run of one held task from a terminal with another PATH than the daemon's. */
async function startFromElsewhere(world: World): Promise<string> {
  await world.muster(["ls"]);
  const { env, gate } = laterTool(world);
  const steps = [bash(`later-tool && ${hold("a")}`), write("a.txt", "x\n"), commit("Add a")];
  const task = { id: "a", prompt: prompt("Add a.", steps), permissions: { allow: ["Bash"] } };
  const plan = world.plan([{ ...task, gate, limits: { fixes: 0 } }]);
  const { code, stdout } = await world.muster(["run", "--detach", plan], { env });
  expect(code).toBe(0);
  await world.held("a");
  return stdout.trim();
}

test.concurrent("sessions and gates have the environment of the terminal that started their run, not the daemon's (F47)", async (context) => {
  const world = await opened(context);
  const run = await startFromElsewhere(world);
  world.letGo("a");
  expect(statesOf(await world.settled(run))).toEqual({ a: "landed" });
});

test.concurrent("a run keeps the environment it was started from when its daemon is killed (F47)", async (context) => {
  const world = await opened(context);
  const run = await startFromElsewhere(world);
  await world.killDaemon();
  world.letGo("a");
  expect(statesOf(await world.settled(run))).toEqual({ a: "landed" });
});

test.concurrent("the lock holds whatever was looked at meanwhile (F17)", async (context) => {
  const world = await opened(context);
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

test.concurrent("a daemon has no more open files and children after three runs than after one (F26)", async (context) => {
  const world = await opened(context);
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

test.concurrent.for([
  ["that nobody has checked out", "mine"],
  ["that a checkout follows", "main"],
])(
  "two homes on one repository land all of their work on a branch %s, each once (F29)",
  async ([, branch = ""], context) => {
    const world = await opened(context);
    const other = join(world.root, "m2");
    const task = (id: string) => ({
      id,
      prompt: writeAndCommit({ [`${id}.txt`]: "good\n" }, `Add ${id}`),
    });
    const target = { target: "main" };
    const first = world.plan(["a", "b"].map(task), target);
    const second = world.plan(["c", "d"].map(task), target);
    await world.git("checkout", "-q", "-B", branch);
    const env = { MUSTER_HOME: other };
    const stop = () => world.muster(["host", "stop", "--sessions"], { env });
    try {
      const done = await Promise.all([
        world.muster(["run", "--json", first]),
        world.muster(["run", "--json", second], { env }),
      ]);
      expect(done.map(({ code }) => code)).toEqual([0, 0]);
      const subjects = (await world.git("log", "--first-parent", "--format=%s", "main")).split(
        "\n",
      );
      const landed = subjects
        .filter((line) => line.startsWith("Land "))
        .map((line) => line.slice(5, 6));
      expect(landed.toSorted()).toEqual(["a", "b", "c", "d"]);
      expect(await world.git("status", "--porcelain")).toBe("");
      await world.git("fsck");
    } finally {
      await stop();
    }
  },
);

test.concurrent("a daemon that ends while the next one starts leaves it its socket (F30)", async (context) => {
  const world = await opened(context);
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

test.concurrent("a daemon whose home was moved away takes nothing from the one that came after it (F30)", async (context) => {
  const world = await opened(context);
  await world.muster(["ls"]);
  const first = await pidNow(world);
  const identity = readIdentity(first);
  renameSync(world.state, `${world.state}-moved`);
  await world.muster(["ls"]);
  const second = await pidNow(world);
  expect(second).not.toBe(first);
  process.kill(first, "SIGTERM");
  expect(identity !== undefined && (await awaitGone(identity, 20_000))).toBe(true);
  expect(await pidNow(world)).toBe(second);
});

/** Who answers a command now: a client that is kept open would still hear from the daemon before. */
async function pidNow(world: World): Promise<number> {
  const { stdout } = await world.muster(["host", "status", "--json"]);
  return (JSON.parse(stdout) as { host: { pid: number } }).host.pid;
}
