/** One daemon a home, versions that must fit, and work that a pause or a stop keeps. */
import { mkdirSync, readFileSync } from "node:fs";
import { createServer } from "node:http";
import { join } from "node:path";
import { setTimeout as wait } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import { afterEach, expect, test } from "vitest";
import type { RunDetail } from "../../src/api/service.ts";
import { packageVersion } from "../../src/config/version.ts";
import { run as runCommand } from "../../src/process/run.ts";
import { prompt } from "../../src/testing/model/behaviors.ts";
import { bash, commit, say, write } from "../../src/testing/model/steps.ts";
import { patiently } from "./patiently.ts";
import { type World, hold, openWorld, statesOf, taskOf } from "./harness.ts";

let world: World;
afterEach(() => world.close());

const daemon = fileURLToPath(new URL("../../src/daemon/main.ts", import.meta.url));

test("a second daemon on the same home refuses, and the first one goes on (F29)", async () => {
  world = await openWorld();
  await world.muster(["ls"]);
  const first = await world.api.version();
  const second = await runCommand({
    argv: [process.execPath, daemon],
    cwd: "/",
    env: world.env,
    timeoutMs: 60_000,
  });
  expect(second.code).toBe(75);
  expect(JSON.parse(second.stderr.toString())).toMatchObject({ code: "locked" });
  expect(await world.api.version()).toEqual(first);
});

test("many commands at once start one daemon (F29)", async () => {
  world = await openWorld();
  const started = await Promise.all([1, 2, 3, 4].map(() => world.muster(["ls", "--json"])));
  expect(started.map(({ code }) => code)).toEqual([0, 0, 0, 0]);
  // Those that came second are still finding out.
  const daemons = () =>
    world.processes().filter((line) => /^\d+ \S*node .*daemon\/main/.test(line));
  await expect.poll(() => daemons().length, { timeout: 30_000 }).toBe(1);
  expect(daemons()[0]).toContain(`${(await world.api.version()).pid} `);
});

test("a command is refused by a newer daemon, with the command that upgrades", async () => {
  world = await openWorld();
  mkdirSync(world.state, { mode: 0o700 });
  const newer = { version: "99.0.0", api: 1, pid: 1 };
  const server = createServer((_, response) => response.end(JSON.stringify(newer)));
  await new Promise<void>((resolve) => server.listen(join(world.state, "muster.sock"), resolve));
  try {
    const { code, stdout } = await world.muster(["ls", "--json"]);
    expect(code).toBe(75);
    expect(JSON.parse(stdout).error).toMatchObject({
      code: "version_mismatch",
      message: expect.stringContaining(`99.0.0, this is ${packageVersion()}`),
      remedy: expect.stringContaining("npm install"),
    });
  } finally {
    server.close();
    server.closeAllConnections();
  }
});

/** Answers as a daemon of long ago: says its version, ends when it is asked to, prints what it was asked. */
const oldDaemon = `
  require("node:http").createServer((request, response) => {
    console.log(request.method, request.url);
    response.end(JSON.stringify({ version: "0.0.1", api: 1, pid: process.pid }), () => {
      if (request.method === "POST") process.exit();
    });
  }).listen(process.argv[1]);
`;

test("an older daemon is asked to end, and the command goes on with one of its own version (F6)", async () => {
  world = await openWorld();
  mkdirSync(world.state, { mode: 0o700 });
  const old = runCommand({
    argv: [process.execPath, "-e", oldDaemon, join(world.state, "muster.sock")],
    cwd: "/",
    env: {},
    timeoutMs: 60_000,
  });
  await patiently(async () => (await world.api.version()).version === "0.0.1", 20_000, "it is up");
  const { code, stdout, stderr } = await world.muster(["ls", "--json"]);
  expect([code, JSON.parse(stdout)]).toEqual([
    0,
    {
      ...{ schema: 1, runs: [], disk: expect.anything(), refused: [] },
      ...{ heldBack: null, unrecorded: null },
    },
  ]);
  expect(stderr).toContain("0.0.1");
  expect((await old).stdout.toString()).toContain("POST /host/stop?sessions=0\n");
  expect((await world.api.version()).version).toBe(packageVersion());
});

/** Bytes that are no text, as a session would write them. */
const bytes = Buffer.from([0, 255, 13, 10, 128, 7, 10]);
const printed = [...bytes].map((byte) => `\\${byte.toString(8).padStart(3, "0")}`).join("");

/** A task that leaves such a file uncommitted and waits in the middle of its round. */
function leavesBytes(id: string) {
  const steps = [
    bash(`printf '${printed}' > left.bin`),
    bash(hold(id)),
    write(`${id}.txt`, "good\n"),
    commit(`Add ${id}`),
    say("Done."),
  ];
  return { id, prompt: prompt("Leave it.", steps), permissions: { allow: ["Bash"] } };
}

/** `left.bin` in the newest snapshot, as hex. */
async function keptBytes(): Promise<string> {
  const refs = await world.git(
    "for-each-ref",
    "--sort=-version:refname",
    "--format=%(refname)",
    "refs/muster/attempts",
  );
  const [newest = ""] = refs.split("\n");
  const shown = await runCommand({
    argv: ["git", "cat-file", "blob", `${newest}:left.bin`],
    cwd: world.repo,
    env: { PATH: world.env["PATH"] ?? "", HOME: world.home },
    timeoutMs: 10_000,
  });
  return shown.stdout.toString("hex");
}

/** Longer than any default of Node's for a socket on which nothing happens (5 s). */
const silentMs = 6_000;

test("a stream of events lasts through a silence", async () => {
  world = await openWorld();
  const steps = [bash(hold("a")), write("a.txt", "good\n"), commit("Add a"), say("Done.")];
  const task = { id: "a", prompt: prompt("Add a.", steps), permissions: { allow: ["Bash"] } };
  const run = await world.start(world.plan([task]));
  await world.held("a");
  const seen = world.events(run, ({ type }) => type === "run.settled");
  await Promise.race([seen, wait(silentMs)]);
  world.letGo("a");
  expect((await seen).map(({ seq }, i) => seq - i)).toEqual((await seen).map(() => 1));
});

test("a run that is stopped keeps what its sessions had not committed, byte for byte (F34)", async () => {
  world = await openWorld();
  const run = await world.start(world.plan([leavesBytes("a")]));
  await world.held("a");
  await world.command({ type: "stop", run, task: null });
  const detail = await world.settled(run);
  expect([detail.run.state, statesOf(detail)]).toEqual(["canceled", { a: "canceled" }]);
  expect(await keptBytes()).toBe(bytes.toString("hex"));
  expect(await world.git("worktree", "list")).not.toContain("\n");
  expect(await world.git("log", "--format=%s", "main")).toBe("start");
});

test("a run that is paused at once keeps its work, and goes on in the same session with a resume", async () => {
  world = await openWorld();
  const run = await world.start(world.plan([leavesBytes("a")]));
  await world.held("a");
  await world.command({ type: "pause", run, task: null, interrupt: true });
  const rests = ({ tasks }: RunDetail): boolean => tasks[0]?.attempts[0]?.process === "none";
  const paused = await world.until(run, (now) => taskOf(now, "a").state === "paused" && rests(now));
  const left = join(taskOf(paused, "a").worktree ?? "", "left.bin");
  expect(readFileSync(left, "hex")).toBe(bytes.toString("hex"));
  expect((await world.api.host()).sessions).toEqual([]);
  world.letGo("a");
  await world.command({ type: "resume", run, task: null, usd: null, ...world.caller });
  const detail = await world.settled(run);
  expect(statesOf(detail)).toEqual({ a: "landed" });
  expect(taskOf(detail, "a").session).toBe(taskOf(paused, "a").session);
  expect(taskOf(detail, "a").attempts).toBe(1);
  expect(readFileSync(join(world.repo, "left.bin"), "hex")).toBe(bytes.toString("hex"));
});

test("a run that is paused lets the round end and starts nothing new", async () => {
  world = await openWorld();
  const run = await world.start(
    world.plan([leavesBytes("a"), { ...leavesBytes("b"), needs: ["a"] }]),
  );
  await world.held("a");
  await world.command({ type: "pause", run, task: null, interrupt: false });
  world.letGo("a");
  world.letGo("b");
  const paused = await world.until(run, ({ run: now }) =>
    now.tasks.every(({ state }) => state === "paused"),
  );
  expect(paused.tasks.map(({ attempts }) => attempts.length)).toEqual([1, 0]);
  expect(await world.git("log", "--format=%s", "main")).toBe("start");
  await world.command({ type: "resume", run, task: null, usd: null, ...world.caller });
  expect(statesOf(await world.settled(run))).toEqual({ a: "landed", b: "landed" });
});
