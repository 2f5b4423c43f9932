/** A daemon that is killed while many sessions are in the middle of a round, and the one that comes after it. */
import { readFileSync, statSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as wait } from "node:timers/promises";
import { expect } from "vitest";
import { readIdentity } from "../../src/process/identity.ts";
import { runRequest } from "../chaos/world.ts";
import { type World, statesOf } from "../e2e/harness.ts";
import { patiently } from "../e2e/patiently.ts";
import { ageMs, countBegun, misread, streamBytes, talker } from "./many.ts";

/** To bring up fifty sessions, and to land their work, on a machine that does something else as well. */
const manyMs = 300_000;
const lookMs = 5;

export interface Adopted {
  /** For each kill, ms from the first moment of the new daemon to the moment it had every session. */
  readonly tookMs: readonly number[];
  /** Bytes that the sessions wrote while nobody read them or while they were adopted. */
  readonly unread: number;
  /** Lines of their streams that were compared with the ledger. */
  readonly lines: number;
}

/**
 * Has so many sessions live with the daemon that answers, kills it so many times, and proves that each next one took over the
 * same processes, that nothing was started twice, and that every line of every stream came to the ledger once.
 */
export async function adoptsAll(world: World, count: number, kills: number): Promise<Adopted> {
  const flags = join(world.root, "flags");
  const ids = Array.from({ length: count }, (_, i) => `t${i}`);
  const tasks = ids.map((id) => talker(id, flags));
  const run = await world.api.start(runRequest(world, tasks));
  await patiently(() => countBegun(flags) === count, manyMs, `${count} sessions in a round`);
  const before = await sessionsOf(world);
  expect(before).toHaveLength(count);
  const { tasks: begun } = await world.api.run(run);
  const attempts = begun.flatMap((task) => task.attempts.map(({ id }) => id));
  const launched = launches(world, attempts);

  const read = streamBytes(world.state);
  writeFileSync(join(flags, "go"), "");
  const tookMs: number[] = [];
  let unread = 0;
  for (let i = 0; i < kills; i++) {
    tookMs.push(await killed(world, count));
    if (i === 0) unread = streamBytes(world.state) - read;
    expect(await sessionsOf(world)).toEqual(before);
  }
  expect(unread).toBeGreaterThan(0);
  expect(launches(world, attempts)).toEqual(launched);

  writeFileSync(join(flags, "end"), "");
  const detail = await world.settled(run, manyMs);
  expect(statesOf(detail)).toEqual(Object.fromEntries(ids.map((id) => [id, "landed"])));
  const events = await world.events(run, ({ type }) => type === "run.settled");
  expect(events.filter(({ type }) => type === "session.planned")).toHaveLength(count);
  const { lines, wrong } = misread(world.state, attempts, events);
  expect(wrong).toEqual([]);
  expect(lines).toBeGreaterThan(count * 8);
  return { tookMs, unread, lines };
}

/** Kills the daemon and returns how old the next one was when it had all sessions. */
async function killed({ api }: World, count: number): Promise<number> {
  const { pid } = await api.version();
  process.kill(pid, "SIGKILL");
  const until = performance.now() + manyMs;
  while (performance.now() < until) {
    const host = await api.host().catch(() => undefined);
    if (host !== undefined && host.pid !== pid && host.sessions.length === count)
      return ageMs(host.pid);
    await wait(lookMs);
  }
  throw new Error(`${count} sessions were not adopted within ${manyMs} ms`);
}

/** Live sessions by task, each with its process's identity. */
async function sessionsOf(world: World) {
  const { sessions } = await world.api.host();
  return sessions
    .map((each) => ({ ...each, process: readIdentity(each.pid) }))
    .toSorted((a, b) => a.task.localeCompare(b.task));
}

/** What each attempt was last started with, and when that was written. */
function launches(world: World, attempts: readonly string[]) {
  return attempts.map((att) => {
    const path = join(world.state, "attempts", att, "launch.json");
    return [readFileSync(path, "utf8"), statSync(path).mtimeMs];
  });
}
