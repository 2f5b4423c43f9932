/** Invariants of the core, checked after every event and every step. Each throws with what it saw. */
import type { Due } from "../../core/effects.ts";
import type { Event } from "../../core/events.ts";
import type { Capacity } from "../../core/inputs.ts";
import { hasHandedOver, isHeld, isSettled, laneOf, openAsks, specOf } from "../../core/queries.ts";
import type { Attempt } from "../../core/attempt.ts";
import type { State, Task } from "../../core/state.ts";
import { difference } from "./equal.ts";
import { noSpace } from "./perform.ts";

function refuse(condition: boolean, message: string): void {
  if (condition) throw new Error(message);
}

/** What no event may do: change an end, count backwards, take time back. */
export function checkEvent(before: State, after: State, event: Event): void {
  refuse(after.seq !== before.seq + 1, `seq went from ${before.seq} to ${after.seq}`);
  refuse(after.now < before.now, `now went back by ${before.now - after.now} ms`);
  if ("task" in event) {
    const was = before.runs.get(event.run)?.tasks.get(event.task);
    const is = after.runs.get(event.run)?.tasks.get(event.task);
    checkTask(was, is, event);
  }
  if ("att" in event) checkAttempt(before, after, event);
}

function checkTask(was: Task | undefined, is: Task | undefined, event: Event): void {
  if (was === undefined || is === undefined || !isSettled(was)) return;
  const reopens = event.type === "task.reopened";
  const may = was.state.is === "failed" || was.state.is === "canceled";
  refuse(reopens && !may, `${event.type} reopens a task that is ${was.state.is}`);
  refuse(
    !reopens && difference(was.state, is.state) !== null,
    `${event.type} changes a task that is ${was.state.is} to ${is.state.is}`,
  );
}

function checkAttempt(before: State, after: State, event: Event & { att: string }): void {
  const { att, run } = event as Event & { type: "attempt.retired" };
  const was = before.attempts.get(att);
  const is = after.attempts.get(att) ?? after.runs.get(run)?.past.get(att);
  refuse(is === undefined, `${event.type} loses ${att}`);
  if (was === undefined || is === undefined) return;
  refuse(is.usage.usd < was.usage.usd, `${event.type} takes money back`);
  refuse(is.workedMs < was.workedMs, `${event.type} takes working time back`);
  refuse(is.starts < was.starts, `${event.type} takes a start back`);
  refuse(
    event.type === "session.planned" && hasHandedOver(is),
    `${att} starts a session again that has handed over`,
  );
  if (was.phase.at !== "ended") return;
  refuse(difference(was.phase, is.phase) !== null, `${event.type} changes the end of ${att}`);
}

/** A full disk says nothing of a task: it waits for space, and never ends for the want of it. */
export function checkSpace(event: Event): void {
  const { type } = event;
  refuse(type === "task.failed" && event.detail === noSpace, `${type} for want of space`);
}

/** What a sleep may never do by itself: call it silence, or work. */
export function checkSleep(events: readonly Event[]): void {
  for (const event of events) {
    const isTimeOut = event.type === "attempt.ending" && event.outcome.is === "failed";
    refuse(isTimeOut, `${event.type} fails an attempt for a sleep`);
    const isStall = event.type === "session.end_requested" && event.why.startsWith("stalled:");
    refuse(isStall, `${event.type} ends a session for a sleep`);
  }
}

/** Bounds that hold once the tick has come to rest. */
export function checkBounds(state: State, capacity: Capacity, { effects }: Due): void {
  const ofRun = new Map<string, number>();
  const lanes = new Map<string, string>();
  let rounds = 0;
  for (const attempt of state.attempts.values()) {
    const spec = specOf(state, attempt);
    checkShape(attempt);
    if (attempt.slot) {
      rounds++;
      for (const key of [attempt.run, `${attempt.run}/${spec.plan}`])
        ofRun.set(key, (ofRun.get(key) ?? 0) + 1);
    }
    const { phase } = attempt;
    if (phase.at !== "queued" || phase.step.is === "waiting" || attempt.park !== null) continue;
    if (phase.step.is === "landing" && phase.try > 1) continue; // It came back from a park, to a lane that went on.
    const lane = laneOf(spec);
    refuse(lanes.has(lane), `${attempt.id} and ${lanes.get(lane)} land on one lane at once`);
    lanes.set(lane, attempt.id);
  }
  refuse(
    rounds > capacity.parallel,
    `${rounds} rounds in flight on a host for ${capacity.parallel}`,
  );
  for (const run of state.runs.values()) {
    const inRun = ofRun.get(run.id) ?? 0;
    refuse(inRun > run.parallel, `${inRun} rounds in ${run.id}, which allows ${run.parallel}`);
    for (const [plan, { parallel }] of run.plans) {
      const inPlan = ofRun.get(`${run.id}/${plan}`) ?? 0;
      refuse(inPlan > (parallel ?? inPlan), `${inPlan} rounds in plan ${plan} of ${run.id}`);
    }
  }
  const gates = effects.filter((effect) => effect.do === "gate").length;
  refuse(gates > capacity.gates, `${gates} gates at once on a host for ${capacity.gates}`);
}

/** What one attempt may never look like. */
function checkShape(a: Attempt): void {
  const { phase } = a;
  refuse(a.slot && a.park !== null, `${a.id} is parked and holds a slot`);
  refuse(
    a.slot && !["provisioning", "idle", "working"].includes(phase.at),
    `${a.id} is ${phase.at} and holds a slot`,
  );
  refuse(a.park?.reason === "disk" && a.park.until === null, `${a.id} waits for a disk for ever`);
  refuse(a.slot && openAsks(a).length > 0, `${a.id} asks and holds a slot`);
  refuse(
    (phase.at === "verified" || phase.at === "queued") && a.mail.length > 0,
    `${a.id} is ${phase.at} with a message that nobody heard`,
  );
  refuse(phase.at === "working" && a.process.is === "none", `${a.id} works without a process`);
  refuse(
    phase.at !== "provisioning" &&
      phase.at !== "ending" &&
      phase.at !== "ended" &&
      a.worktree === null,
    `${a.id} is ${phase.at} without a worktree`,
  );
  refuse(new Set(a.asks.map(({ id }) => id)).size < a.asks.length, `${a.id} asks one thing twice`);
}

/** Keys are unique, and those of an attempt that nothing happened to are what they were. */
export function checkKeys(
  was: ReadonlyMap<string, KeysOf>,
  state: State,
  due: Due,
): Map<string, KeysOf> {
  const keys = due.effects.map(({ key }) => key);
  refuse(new Set(keys).size < keys.length, `one key twice in ${keys.join(" ")}`);
  const now = new Map<string, KeysOf>();
  for (const attempt of state.attempts.values()) {
    const own = due.effects.filter(({ att }) => att === attempt.id).map(({ key }) => key);
    const next = { attempt, held: isHeld(state, attempt), keys: own.join(" ") };
    const old = was.get(attempt.id);
    if (old?.attempt === attempt && old.held === next.held)
      refuse(old.keys !== next.keys, `keys of ${attempt.id} changed: ${old.keys} → ${next.keys}`);
    now.set(attempt.id, next);
  }
  return now;
}

export interface KeysOf {
  readonly attempt: Attempt;
  readonly held: boolean;
  readonly keys: string;
}
