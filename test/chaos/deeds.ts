/** What the person of the scenarios does, and when: answers, a rejection, an approval, a pause and its end, a stop. */
import { existsSync } from "node:fs";
import { join } from "node:path";
import type { CommandRequest } from "../../src/api/schema.ts";
import type { Event } from "../../src/core/events.ts";
import type { World } from "../e2e/harness.ts";
import type { Deed } from "./person.ts";

export type DeedOf = (world: World, run: string) => Deed;
type Request = CommandRequest extends infer R
  ? R extends { run: string }
    ? Omit<R, "run">
    : never
  : never;

/** Allows what a task asks for. */
export const allow = (task: string): DeedOf =>
  deed(
    `answer ${task}`,
    has("ask.opened", task),
    (events) => events.some((event) => is(event, "ask.answered", task) && event.by === "person"),
    { type: "answer", task, ask: null, answer: { is: "allow" } },
  );

/** Rejects what a task shows first. */
export const reject = (task: string, because: string): DeedOf =>
  deed(`reject ${task}`, has("ask.opened", task), has("ask.closed", task), {
    type: "reject",
    task,
    because,
  });

/** Approves what a task shows after a rejection. */
export const approve = (task: string): DeedOf =>
  deed(`approve ${task}`, has("ask.opened", task, 2), has("attempt.approved", task), {
    type: "approve",
    task,
    gate: false,
  });

/** Pauses a task that has come to `hold(task)`. */
export const pause = (task: string): DeedOf =>
  deed(`pause ${task}`, flagged(`${task}.held`), has("task.paused", task), {
    type: "pause",
    task,
    interrupt: true,
  });

/** Lets a paused task go on once its session is gone. */
export const resume =
  (task: string): DeedOf =>
  (world, run) => ({
    name: `resume ${task}`,
    isDue: (events) => {
      const paused = events.findIndex((event) => is(event, "task.paused", task));
      return paused >= 0 && events.slice(paused).some((event) => is(event, "session.exited", task));
    },
    isDone: (events) => events.some((event) => is(event, "task.resumed", task)),
    async act() {
      world.letGo(task);
      await world.command({ type: "resume", run, task, usd: null, ...world.caller });
    },
  });

/** Stops a task that has flagged its beginning. */
export const stop = (task: string): DeedOf =>
  deed(`stop ${task}`, flagged(`${task}.begun`), has("attempt.ending", task), {
    type: "stop",
    task,
  });

type Test = (events: readonly Event[], world: World) => boolean;

function deed(name: string, isDue: Test, isDone: Test, request: Request): DeedOf {
  return (world, run) => ({
    name,
    isDue: (events) => isDue(events, world),
    isDone: (events) => isDone(events, world),
    act: () => world.command({ ...request, run }),
  });
}

function has(type: Event["type"], task: string, times = 1): Test {
  return (events) => events.filter((event) => is(event, type, task)).length >= times;
}

function flagged(name: string): Test {
  return (_, { root }) => existsSync(join(root, "flags", name));
}

function is<T extends Event["type"]>(
  event: Event,
  type: T,
  task: string,
): event is Extract<Event, { type: T }> {
  return event.type === type && "task" in event && event.task === task;
}

/** Kills the daemon so many ms after so many tasks have had their session started. */
export function killOnceLive(tasks: number, afterMs: number): DeedOf {
  let liveAt: number | undefined;
  return kill("live", (events) => {
    const started = events.flatMap((event) =>
      event.type === "session.started" ? [event.task] : [],
    );
    if (new Set(started).size < tasks) return false;
    liveAt ??= performance.now();
    return performance.now() >= liveAt + afterMs;
  });
}

/** Kills the daemon once there are so many events. */
export const killAt = (events: number, i: number): DeedOf =>
  kill(`${i}th at ${events}`, (seen) => seen.length >= events);

/** The daemon that answers dies; acknowledged is that there was one. */
function kill(name: string, isDue: Test): DeedOf {
  let isDead = false;
  return (world) => ({
    name: `kill ${name}`,
    isDue: (events) => isDue(events, world),
    isDone: () => isDead,
    async act() {
      const { pid } = await world.api.version();
      process.kill(pid, "SIGKILL");
      isDead = true;
    },
  });
}
