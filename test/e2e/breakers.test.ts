/** What one session has met of a busy API or a refused key, the others need not meet: they wait for one that goes first. */
import { existsSync, mkdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterEach, expect, test } from "vitest";
import type { Event } from "../../src/core/events.ts";
import { troubleUrl } from "../../src/testing/agent/trouble.ts";
import { prompt } from "../../src/testing/model/behaviors.ts";
import { bash, commit, say, write } from "../../src/testing/model/steps.ts";
import { type World, hold, openWorld, statesOf } from "./harness.ts";
import { patiently } from "./patiently.ts";

let world: World;
afterEach(() => world.close());

const three = ["a", "b", "c"] as const;
const landed = { a: "landed", b: "landed", c: "landed" };

/** A task that begins, waits to be let go, and then writes and commits. */
function task(id: string) {
  const steps = [bash(hold(id)), write(`${id}.txt`, "good\n"), commit(`Add ${id}`), say("Done.")];
  return { id, prompt: prompt(`Add ${id}.`, steps), permissions: { allow: ["Bash"] } };
}

/** Every request fails with `status` while the file is there; each leaves the id of its session in it. */
function trouble(status: number): { file: string; env: Record<string, string> } {
  const file = join(world.root, `status-${status}`);
  return { file, env: { ANTHROPIC_BASE_URL: troubleUrl(world.model.url, status, file) } };
}

function lines(file: string): readonly string[] {
  return existsSync(file) ? readFileSync(file, "utf8").split("\n").slice(0, -1) : [];
}

/** All that has happened on this host, up to the first event that fits. */
async function eventsUntil(fits: (event: Event) => boolean): Promise<readonly Event[]> {
  const ended = new AbortController();
  const timer = setTimeout(() => ended.abort(), 60_000);
  const seen: Event[] = [];
  try {
    for await (const event of world.api.events(0, null, ended.signal)) {
      seen.push(event);
      if (fits(event)) return seen;
    }
  } finally {
    clearTimeout(timer);
    ended.abort();
  }
  throw new Error(`no such event; seen: ${seen.map(({ type }) => type).join(" ")}`);
}

test("an overloaded model is asked by one task at a time until it answers, and all land (F18, F20)", async () => {
  world = await openWorld();
  const { file, env } = trouble(529);
  const started = await world.muster(["run", "--detach", world.plan(three.map(task))], { env });
  const run = started.stdout.trim();
  for (const id of three) await world.held(id);
  writeFileSync(file, "");
  for (const id of three) world.letGo(id);
  await eventsUntil((event) => event.type === "breaker.opened" && event.opened === 2);
  const asked = lines(file);
  rmSync(file);
  expect(statesOf(await world.settled(run))).toEqual(landed);
  const events = await eventsUntil(({ type }) => type === "run.settled");
  const ofBreaker = events.filter(({ type }) => type.startsWith("breaker."));
  expect(ofBreaker.map(({ type }) => type.replace("breaker.", ""))).toEqual([
    ...["opened", "probed"],
    ...["opened", "probed"],
    "closed",
  ]);
  // The stand-in tries thrice before it gives up, like the real one.
  const sessions = new Map(
    events.flatMap((event) =>
      event.type === "attempt.admitted" ? [[event.att, event.session]] : [],
    ),
  );
  const thrice = (session = "") => [session, session, session];
  expect(asked.slice(0, 9).toSorted()).toEqual([...sessions.values()].toSorted().flatMap(thrice));
  const [, probe] = ofBreaker;
  expect(asked.slice(9)).toEqual(
    thrice(probe?.type === "breaker.probed" ? sessions.get(probe.att) : ""),
  );
});

/** What the person's notify command was told, besides the ends of runs. */
function asks(): readonly object[] {
  const told = lines(join(world.home, "heard")).map((line) => JSON.parse(line) as object);
  return told.filter((one) => !("kind" in one) || one.kind !== "finished");
}

const isRefused = { state: "needs_attention", reasons: ["credentials"] };

test("a key that is refused stops all with one notification, and one resume with a good one lands all (F46)", async () => {
  world = await openWorld();
  const folder = join(world.home, ".config", "muster");
  mkdirSync(folder, { recursive: true });
  writeFileSync(join(folder, "config.yaml"), `notify: [sh, -c, 'cat >> "$HOME/heard"']\n`);
  const { file, env } = trouble(401);
  const bad = { env: { ...env, ANTHROPIC_API_KEY: "sk-ant-refused-key-of-a-test" } };
  const stateOf = async (id: string) => {
    const { run } = await world.api.run(id);
    return { state: run.state, reasons: [...new Set(run.tasks.map(({ reason }) => reason))] };
  };

  const started = await world.muster(["run", "--detach", world.plan(three.map(task))], bad);
  const run = started.stdout.trim();
  for (const id of three) await world.held(id);
  writeFileSync(file, "");
  for (const id of three) world.letGo(id);
  await world.until(run, ({ run: { state } }) => state === "needs_attention");
  expect(await stateOf(run)).toEqual(isRefused);
  await patiently(() => asks().length > 0, 10_000, "a notification");

  // Whoever starts another run with it says that it works by now: it is tried once more, and refused once more.
  const other = await world.muster(["run", "--json", world.plan([{ id: "d", prompt: "d" }])], bad);
  const { run: second } = JSON.parse(other.stdout) as { run: { id: string } };
  expect(other.code).toBe(3);
  expect(await stateOf(second.id)).toEqual(isRefused);
  await patiently(() => asks().length > 1, 10_000, "another notification");

  await world.until(run, ({ run: { state } }) => state === "needs_attention");
  // What needs a person is one thing, however many wait for it.
  const listed = (await world.muster(["ls"])).stdout;
  expect(
    listed.match(/▲ credentials: .+; 4 tasks wait of 2 runs\n {2}↳ muster resume run_/g),
  ).toHaveLength(1);
  const { refused: told } = JSON.parse((await world.muster(["ls", "--json"])).stdout);
  expect(told).toMatchObject([{ tasks: 4, runs: [run, second.id] }]);
  const refused = lines(file);
  const resumed = await world.muster(["resume", run]);
  expect(resumed.code, resumed.stderr).toBe(0);
  expect(statesOf(await world.settled(run))).toEqual(landed);
  expect(lines(file), "requests with the refused key").toEqual(refused);
  expect(await stateOf(second.id)).toEqual(isRefused);
  const refusal = { schema: 1, kind: "ask", run: null, task: null };
  expect(asks()).toMatchObject([refusal, refusal]);
});
