/** What happens around one session: its shim, its stream, its transcript, its network. Real runners, the real binary where it matters. */
import { spawnSync } from "node:child_process";
import { appendFileSync, chmodSync, mkdtempSync, rmSync, statSync, writeFileSync } from "node:fs";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { awaitFile, follow } from "../../src/process/files.ts";
import { isAlive, readStat, signal } from "../../src/process/identity.ts";
import { awaitGone, tagged } from "../../src/process/end.ts";
import { readShim, startShim } from "../../src/process/shim.ts";
import { writeAgentProgram } from "../../src/testing/agent/program.ts";
import { prompt } from "../../src/testing/model/behaviors.ts";
import { bash, say } from "../../src/testing/model/steps.ts";
import { collect } from "../../src/testing/runner/collect.ts";
import {
  type Place,
  type RunnerSetup,
  makeRunner,
  openPlace,
  transcriptOf,
  writeScript,
} from "../../src/testing/runner/place.ts";
import { binary } from "../integration/model/harness.ts";
import { type Context, tempFolder } from "./folder.ts";

let folder: string;
let standIn: RunnerSetup;
const real: RunnerSetup = { runner: "claude-cli", binary, real: true };

beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), "muster-stand-in-"));
  standIn = { runner: "claude-cli", binary: await writeAgentProgram(folder), real: false };
});
afterAll(() => rmSync(folder, { recursive: true }));

async function placeFor({ onTestFinished }: Context, setup: RunnerSetup): Promise<Place> {
  const place = await openPlace(setup);
  onTestFinished(() => place.close());
  return place;
}

test.concurrent("a session whose shim is killed is found again and talked to, and its end is unknown, not good (F4)", async (context) => {
  const place = await placeFor(context, standIn);
  const first = await place.start();
  await first.say(prompt("Go.", [say("one")], [{ match: "more", steps: [say("two")] }]));
  await first.next("round_ended");
  const id = readShim(join(first.launch.dir, "1")).id;
  if (id === undefined) throw new Error("the session has said who it is");
  expect(signal(id.shim, "SIGKILL")).toBe(true);
  expect(await awaitGone(id.shim, 5_000)).toBe(true);
  expect(isAlive(id.child)).toBe(true);
  await first.letGo();
  const second = await place.start();
  expect(second.live.pid).toBe(id.child.pid);
  await second.next("round_ended");
  await second.say("more");
  expect(await second.next("round_ended")).toMatchObject({ failure: null, text: "two" });
  signal(id.child, "SIGTERM");
  expect(await second.next("exited")).toMatchObject({ code: null });
});

/** A program that runs the binary in a process namespace of its own where the machine lets us, else as its child. */
function wrapped(setup: RunnerSetup, runner: RunnerSetup["runner"]): RunnerSetup {
  const ways = [
    ["unshare", "--fork", "--pid"],
    ["unshare", "--map-root-user", "--fork", "--pid"],
  ];
  const way = ways.find(([name = "", ...args]) => spawnSync(name, [...args, "true"]).status === 0);
  const path = join(mkdtempSync(join(folder, "wrapper-")), "claude");
  const line = [...(way ?? []), `"${setup.binary}"`, '"$@"'].join(" ");
  writeFileSync(path, `#!/bin/sh\n${way === undefined ? `${line}; exit $?` : `exec ${line}`}\n`);
  chmodSync(path, 0o755);
  console.log(`the wrapper of ${runner}: ${line}`);
  return { ...setup, runner, binary: path };
}

test.concurrent.for(["claude-cli", "claude-sdk"] as const)(
  "what runs in the wrapper of a sandbox is ended with it, and %s goes on (F5)",
  async (runner, context) => {
    const place = await placeFor(context, wrapped(real, runner));
    writeScript(place, "wait.sh", "exec tail -f /dev/null");
    const first = await place.start();
    const text = prompt("Go.", [bash("sh wait.sh"), say("end")]);
    await first.say(text);
    await first.until((event) => event.is === "used_tool");
    const tag = `MUSTER_ATTEMPT=${first.launch.att}`;
    const wrapper = readShim(join(first.launch.dir, "1")).id?.child;
    const inside = tagged(tag).filter(({ pid }) => readStat(pid)?.parent === wrapper?.pid);
    expect(inside).toHaveLength(1);
    expect(wrapper !== undefined && signal(wrapper, "SIGKILL")).toBe(true);
    expect(await first.next("exited")).toMatchObject({ code: 137 });
    expect(inside.filter(isAlive)).toEqual([]);
    expect(tagged(tag)).toEqual([]);
    writeScript(place, "wait.sh", "true");
    const second = await place.start(place.launch({ n: 2, resume: true }));
    await second.say("Continue where you left off.");
    expect(await second.next("round_ended")).toMatchObject({ failure: null, text: "end" });
  },
);

test.concurrent("a session goes on though its transcript ends with half a line (F39)", async (context) => {
  const place = await placeFor(context, real);
  const first = await place.start();
  await first.say(prompt("Go.", [say("one")], [{ match: "more", steps: [say("two")] }]));
  await first.next("round_ended");
  await first.live.stop(5_000);
  appendFileSync(transcriptOf(first.launch), '{"type":"assistant","mess');
  const second = await place.start(place.launch({ n: 2, resume: true }));
  await second.say("more");
  expect(await second.next("round_ended")).toMatchObject({ failure: null, text: "two" });
});

test.concurrent("a stream that ends in the middle of a line is told up to there, and again the same (F39)", async (context) => {
  const place = await placeFor(context, standIn);
  const session = await place.start();
  await session.say(prompt("Go.", [say("one")]));
  await session.next("round_ended");
  await session.live.stop(2_000);
  const out = join(session.launch.dir, "1", "out.jsonl");
  appendFileSync(out, '{"type":"result","is_err');
  const told = collect();
  const again = await makeRunner(standIn).start(session.launch, () => place.given, told.onEvent);
  await again.stop(2_000);
  expect(told.events).toEqual(session.events);
});

test.concurrent("no network is an outage, not a failure of the session, which lives on (F21)", async (context) => {
  const place = await placeFor(context, real);
  const given = {
    ...place.given,
    env: { ...place.given.env, ANTHROPIC_BASE_URL: `http://127.0.0.1:${await closedPort()}` },
  };
  const session = await place.start(place.launch(), given);
  await session.say("Hello.");
  expect(await session.next("round_ended", 60_000)).toMatchObject({
    failure: { is: "unavailable", reason: "outage", status: null },
  });
}, 90_000);

/** A port of this machine that nobody listens on. */
async function closedPort(): Promise<number> {
  const server = createServer();
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const address = server.address();
  await new Promise((resolve) => server.close(resolve));
  return typeof address === "object" && address !== null ? address.port : 1;
}

/** Prints `lines` lines of 100 bytes under the shim. */
async function printing(context: Context, lines: number, program: string): Promise<string> {
  const dir = join(tempFolder(context), "1");
  await startShim({
    dir,
    argv: ["/bin/sh", "-c", program.replace("LINES", String(lines))],
    cwd: "/",
    env: { PATH: "/usr/bin:/bin" },
    stdin: "none",
  });
  return dir;
}

test("a hundred megabytes that nobody reads hold no session up, and a slow reader gets every line (F40)", async (context) => {
  const lines = 1_000_000;
  const dir = await printing(context, lines, `yes "$(printf '%099d' 7)" | head -n LINES`);
  // Nobody has read a byte yet.
  expect(await awaitFile(dir, ["exit"], 20_000)).toBe("exit");
  const path = join(dir, "out.jsonl");
  expect(statSync(path).size).toBe(lines * 100);
  let seen = 0;
  let whole = 0;
  const reader = follow(path, 0, (line) => {
    seen += 1;
    if (line.length === 99) whole += 1;
  });
  await reader.drain();
  reader.stop();
  expect([seen, whole]).toEqual([lines, lines]);
});

test("a line of a hundred megabytes takes no longer than its bytes, and the lines behind it are told (F40)", async (context) => {
  const dir = await printing(
    context,
    1_000_000,
    "head -c LINES00 /dev/zero | tr '\\0' x; echo; echo behind",
  );
  expect(await awaitFile(dir, ["exit"], 20_000)).toBe("exit");
  const path = join(dir, "out.jsonl");
  const size = statSync(path).size;
  expect(size).toBe(100_000_001 + "behind\n".length);
  const seen: (readonly [string, number])[] = [];
  const began = performance.now();
  const reader = follow(path, 0, (line, end) => seen.push([line.toString(), end]));
  await reader.drain();
  reader.stop();
  // Reading takes a twentieth of a second; once it took more than a minute.
  expect(performance.now() - began).toBeLessThan(5_000);
  expect(seen).toEqual([["behind", size]]);
});
