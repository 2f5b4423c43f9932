/** A decision in the making: what has been decided so far, and the state that it leads to. */
import { edit } from "../evolve/edit.ts";
import type { AttemptEvent, EventBody, TaskEvent } from "../events.ts";
import { apply } from "../evolve/evolve.ts";
import { type AttemptId, type Uuid, seedFrom, uuidFrom } from "../ids.ts";
import type { MessageKind, Outcome, Attempt } from "../attempt.ts";
import type { State } from "../state.ts";

type Bare<T> = T extends unknown ? Omit<T, "run" | "task" | "att"> : never;
type BareOfTask<T> = T extends unknown ? Omit<T, "run" | "task"> : never;

export interface Decision {
  readonly now: number;
  readonly events: readonly EventBody[];
  readonly state: State;
  /** The next fresh uuid of this input's seed. */
  fresh(): Uuid;
  emit(event: EventBody): void;
  /** Emits an event of an attempt; its run and task are filled in. */
  of(att: AttemptId, event: Bare<AttemptEvent>): void;
  /** Emits an event of an attempt's task. */
  ofTask(att: AttemptId, event: BareOfTask<TaskEvent>): void;
  attempt(att: AttemptId): Attempt;
}

/** Opens a decision on `state`; `now` never goes back. */
export function begin(state: State, at: number, seed: Uuid): Decision {
  const draft = edit(state);
  const events: EventBody[] = [];
  const now = Math.max(at, state.now);
  let used = 0;
  const emit = (event: EventBody): void => {
    events.push(event);
    apply(draft, event, now);
  };
  const of = (att: AttemptId, event: object): void => {
    const { run, task } = draft.attempt(att);
    emit({ ...event, run, task, att } as EventBody);
  };
  const ofTask = (att: AttemptId, event: object): void => {
    const { run, task } = draft.attempt(att);
    emit({ ...event, run, task } as EventBody);
  };
  return {
    now,
    events,
    get state() {
      return draft.state;
    },
    fresh: () => seedFrom(seed, used++),
    emit,
    of,
    ofTask,
    attempt: (att) => draft.attempt(att),
  };
}

/** Queues a message for the session under the attempt's next uuid. */
export function queueMessage(d: Decision, att: AttemptId, kind: MessageKind, text: string): void {
  const attempt = d.attempt(att);
  d.of(att, { type: "message.queued", uuid: uuidFrom(attempt.seed, attempt.seedUsed), kind, text });
}

/** Sends an attempt on its way out: the process ends, a snapshot is taken, then `outcome` is final. */
export function windDown(d: Decision, att: AttemptId, outcome: Outcome): void {
  const { phase } = d.attempt(att);
  if (phase.at === "ending" || phase.at === "ended") return;
  d.of(att, { type: "attempt.ending", outcome });
  endSession(d, att, outcome.is, true);
  if (d.attempt(att).worktree === null) conclude(d, att);
}

/** Asks for the end of the attempt's process, if it has one. */
export function endSession(d: Decision, att: AttemptId, why: string, interrupt: boolean): void {
  const { process } = d.attempt(att);
  if (process.is === "live")
    d.of(att, { type: "session.end_requested", n: process.n, why, interrupt });
}

/** Makes an ending attempt's outcome final, for the attempt and for its task. */
export function conclude(d: Decision, att: AttemptId): void {
  const { phase, process } = d.attempt(att);
  if (phase.at !== "ending" || process.is !== "none") return;
  const { outcome } = phase;
  d.of(att, { type: "attempt.ended", outcome });
  switch (outcome.is) {
    case "failed":
      d.ofTask(att, { type: "task.failed", reason: outcome.reason, detail: outcome.detail });
      break;
    case "canceled":
      d.ofTask(att, { type: "task.canceled" });
      break;
    case "done":
      d.ofTask(att, { type: "task.done", att, reason: outcome.reason, head: outcome.head });
      break;
    case "landed":
      d.ofTask(att, {
        type: "task.landed",
        att,
        commit: outcome.commit,
        head: outcome.head,
        followed: null,
      });
      break;
  }
}
