/** Ends of a session, whoever brings them about, and what comes after: a resume, or another who adopts it. */
import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { expect } from "vitest";
import type { AgentEvent, Launch } from "../../core/runner.ts";
import { tagged } from "../../process/end.ts";
import { follow } from "../../process/files.ts";
import { readIdentity, signal } from "../../process/identity.ts";
import { run } from "../../process/run.ts";
import { readShim } from "../../process/shim.ts";
import type { Case } from "./case.ts";
import { prompt } from "../model/behaviors.ts";
import { bash, say, write } from "../model/steps.ts";
import { collect } from "./collect.ts";
import { type Place, type Session, makeRunner, transcriptOf, writeScript } from "./place.ts";

const holder = fileURLToPath(import.meta.url).replace(/ends\.suite(\.[jt]s)$/, "holder$1");
const wait = "exec tail -f /dev/null";

/** Ends and resumes. */
export function describeEnds(test: Case): void {
  test("goes on with the conversation in a new start", async ({ place }) => {
    const first = await place.start();
    await first.say(
      prompt("Go.", [say("one")], [{ match: "more", nth: 2, steps: [say("two and more")] }]),
    );
    await first.next("round_ended");
    await first.say("more");
    await first.next("round_ended");
    await first.live.stop(2_000);
    expect(existsSync(transcriptOf(first.launch))).toBe(true);
    await expect(first.say("too late")).rejects.toMatchObject({ code: "not_found" });
    await expect(first.live.interrupt()).rejects.toMatchObject({ code: "not_found" });
    // A start that was made and is over is told again as it was, and asks for no login.
    const told = collect();
    const refuse = (): never => expect.unreachable();
    const again = await makeRunner(place.setup).start(first.launch, refuse, told.onEvent);
    await again.stop(2_000);
    expect(told.events).toEqual(first.events);
    const second = await place.start(place.launch({ n: 2, resume: true }));
    await second.say("more");
    expect(await second.next("round_ended")).toMatchObject({ failure: null, text: "two and more" });
  });

  test("is killed in the middle, resumed, and told its messages again (F3)", async ({ place }) => {
    writeScript(place, "wait.sh", wait);
    const first = await place.start();
    const text = prompt("Go.", [write("a.txt", "a"), bash("sh wait.sh"), say("end")]);
    const uuid = await first.say(text);
    await first.until((event) => event.is === "used_tool" && event.tool === "Bash");
    const waiting = await first.say("Go on.");
    await first.until((event) => event.is === "taken" && event.uuid === waiting);
    await holds(transcriptOf(first.launch), "sh wait.sh");
    kill(first);
    expect(await first.next("exited")).toMatchObject({ code: 137 });
    expect(tagged(`MUSTER_ATTEMPT=${first.launch.att}`)).toEqual([]);
    const second = await place.start(place.launch({ n: 2, resume: true }));
    await second.say(text, uuid);
    await second.until((event) => event.is === "taken" && event.uuid === uuid);
    expect(await second.next("round_ended")).toMatchObject({ failure: "void", usd: 0 });
    await second.say("Go on.", waiting);
    await second.until((event) => event.is === "taken" && event.uuid === waiting);
    expect(await second.next("round_ended")).toMatchObject({ failure: null, text: "end" });
  });

  test("takes what it left behind with it (F25)", async ({ place }) => {
    // Back only once it is the sleep that it is looked for as: a fork is not yet what it becomes.
    const become =
      'i=0; until [ "$(cat /proc/$!/comm)" = sleep ] || [ $i -gt 500 ]; do i=$((i + 1)); sleep 0.01; done';
    writeScript(place, "leave.sh", `setsid sleep 1000 < /dev/null > /dev/null 2>&1 & ${become}`);
    const session = await place.start();
    await session.say(prompt("Go.", [bash("sh leave.sh"), say("end")]));
    await session.next("round_ended");
    const left = (): string[] =>
      tagged(`MUSTER_ATTEMPT=${session.launch.att}`)
        .map(({ pid }) => readFileSync(`/proc/${pid}/cmdline`, "utf8"))
        .filter((line) => line.startsWith("sleep"));
    expect(left()).toHaveLength(1);
    await session.live.stop(2_000);
    expect(left()).toEqual([]);
    expect(session.events.at(-1)?.is).toBe("exited");
  });

  test("says of a session that it cannot resume why it ended", async ({ place }) => {
    const session = await place.start(place.launch({ resume: true }));
    expect(await session.next("round_ended")).toMatchObject({
      failure: { is: "agent", detail: expect.stringContaining("No conversation found") },
    });
    expect(await session.next("exited")).toMatchObject({ code: 1 });
  });

  test("refuses a second process of a session, and a folder that is not there (F41)", async ({
    place,
  }) => {
    await place.start();
    await expect(place.start(place.launch({ n: 2, resume: true }))).rejects.toMatchObject({
      code: "refused",
    });
    const elsewhere = place.launch({ cwd: join(place.dir, "gone"), dir: join(place.dir, "other") });
    await expect(place.start(elsewhere)).rejects.toMatchObject({ code: "not_found" });
  });
}

/** Sessions that outlive whoever started them. */
export function describeAdoption(test: Case): void {
  test("is let go and found again, folded from its first byte", async ({ place }) => {
    const first = await place.start();
    await first.say(prompt("Go.", [say("one")], [{ match: "more", steps: [say("more")] }]));
    await first.until((event) => event.is === "state" && event.state === "idle");
    const { pid } = first.live;
    await first.letGo();
    const before = first.events.length;
    const second = await place.start();
    expect(second.live.pid).toBe(pid);
    await second.next("round_ended");
    expect(second.events).toEqual(first.events);
    await second.say("more");
    expect(await second.next("round_ended")).toMatchObject({ failure: null, text: "more" });
    await second.live.stop(2_000);
    expect(first.events).toHaveLength(before);
  });

  test("is found with its question open where its keeper was killed", async ({ place }) => {
    const launch = place.launch();
    const text = prompt("Go.", [bash("curl --version > v.txt"), say("end")]);
    const seen = await hold(place, launch, text, "asked");
    const session = await place.start(launch);
    const asked = await session.next("asked");
    expect(session.events.slice(0, seen.length)).toEqual(seen);
    const allow = { is: "allow", text: null, answers: null } as const;
    await session.live.answer(asked.ask, allow, asked.input);
    expect(await session.next("round_ended")).toMatchObject({ failure: null, text: "end" });
    expect(existsSync(join(place.repo, "v.txt"))).toBe(true);
    await session.say(prompt("More.", [say("more")]));
    expect(await session.next("round_ended")).toMatchObject({ failure: null, text: "more" });
  });
}

/** Sessions under the shim. */
export function describeShim(test: Case): void {
  test("is told as gone where its shim was killed with it", async ({ place }) => {
    const session = await place.start();
    const id = readShim(join(session.launch.dir, "1")).id;
    for (const identity of [id?.shim, id?.child])
      expect(identity !== undefined && signal(identity, "SIGKILL")).toBe(true);
    expect(await session.next("exited")).toMatchObject({
      code: null,
      why: expect.stringContaining("no exit record"),
    });
  });

  test("takes its shim with it where that was stopped", async ({ place }) => {
    const session = await place.start();
    const id = readShim(join(session.launch.dir, "1")).id;
    expect(id !== undefined && signal(id.shim, "SIGSTOP")).toBe(true);
    kill(session);
    expect(await session.next("exited")).toMatchObject({ code: null });
    expect(tagged(`MUSTER_ATTEMPT=${session.launch.att}`)).toEqual([]);
  });
}

/** Sessions that end with whoever started them. */
export function describeLeftovers(test: Case): void {
  test("is ended where its keeper was killed, told as exited, and resumed", async ({ place }) => {
    writeScript(place, "wait.sh", wait);
    const launch = place.launch();
    const text = prompt("Go.", [bash("sh wait.sh"), say("end")]);
    const seen = await hold(place, launch, text, "used_tool");
    const left = readShim(join(launch.dir, "1")).id?.child;
    expect(left).toBeDefined();
    await holds(transcriptOf(launch), "sh wait.sh");
    const found = await place.start(launch);
    await found.next("exited");
    expect(found.events.slice(0, seen.length)).toEqual(seen);
    expect(tagged(`MUSTER_ATTEMPT=${launch.att}`)).toEqual([]);
    writeScript(place, "wait.sh", "true");
    const second = await place.start(place.launch({ n: 2, resume: true }));
    await second.say("Continue where you left off.");
    expect(await second.next("round_ended")).toMatchObject({ failure: null, text: "end" });
  });

  test("ends when it is let go, since nobody could find it again", async ({ place }) => {
    const session = await place.start();
    await session.live.release();
    expect(session.events.at(-1)?.is).toBe("exited");
  });
}

/** Starts the session in a process of its own, which kills itself at the first event of a kind; returns what it had seen. */
async function hold(
  place: Place,
  launch: Launch,
  text: string,
  until: AgentEvent["is"],
): Promise<readonly AgentEvent[]> {
  const { setup, given } = place;
  const input = JSON.stringify({ setup, launch, given, text, until });
  const done = await run({
    argv: [process.execPath, holder],
    cwd: place.dir,
    env: { PATH: given.env["PATH"] ?? "", HOME: given.env["HOME"] ?? "" },
    input,
    timeoutMs: 30_000,
  });
  expect([done.signal, done.stderr.toString()]).toEqual(["SIGKILL", ""]);
  return done.stdout
    .toString()
    .trim()
    .split("\n")
    .map((line): AgentEvent => JSON.parse(line));
}

/** Waits until a file that grows has a line with a text. */
async function holds(path: string, text: string): Promise<void> {
  const found = Promise.withResolvers<void>();
  const timer = setTimeout(() => found.reject(new Error(`no ${text} in ${path}`)), 10_000);
  const following = follow(path, 0, (line) => {
    if (line.includes(text)) found.resolve();
  });
  await found.promise.finally(() => {
    clearTimeout(timer);
    following.stop();
  });
}

function kill({ live }: Session): void {
  const identity = readIdentity(live.pid);
  expect(identity !== undefined && signal(identity, "SIGKILL")).toBe(true);
}
