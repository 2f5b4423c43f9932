/** Evolve: the state after an event. Total over every event type; it decides nothing and reads no clock. */
import { edit, type Edit } from "./edit.ts";
import type {
  BreakerEvent,
  Event,
  EventBody,
  ProjectEvent,
  RunEvent,
  TaskEvent,
} from "../events.ts";
import { evolveAttempt } from "./attempt.ts";
import { completeRun, completeSpec, unnamedCredential } from "./older.ts";
import { unsaved } from "./round.ts";
import { never } from "../fault.ts";
import type { AttemptId } from "../ids.ts";
import { type Run, type State, type TaskState, unknownProject } from "../state.ts";

/** The state after one event. */
export function evolve(state: State, event: Event): State {
  return fold(state, [event]);
}

/** The state after many events, at the cost of one copy of what they touch. */
export function fold(state: State, events: Iterable<Event>): State {
  const draft = edit(state);
  for (const event of events) {
    apply(draft, event, event.at);
    draft.advance(event.seq, event.at);
  }
  return draft.state;
}

/** Applies an event's body to an edit; `decide` uses it to see what its own events lead to. */
export function apply(draft: Edit, event: EventBody, at: number): void {
  if (isRunEvent(event)) applyRun(draft, event, at);
  else if (isTaskEvent(event)) applyTask(draft, event, at);
  else if (isProjectEvent(event)) applyProject(draft, event);
  else if (isBreakerEvent(event)) applyBreaker(draft, event);
  else evolveAttempt(draft, event, at);
}

const runTypes = new Set<string>([
  "run.started",
  "run.paused",
  "run.resumed",
  "run.attended",
  "run.unattended",
  "run.budget_raised",
  "run.reopened",
  "run.settled",
  "run.credential_changed",
  "answer.remembered",
] satisfies RunEvent["type"][]);

function isRunEvent(event: EventBody): event is RunEvent {
  return runTypes.has(event.type);
}
function isTaskEvent(event: EventBody): event is TaskEvent {
  return event.type.startsWith("task.");
}
function isProjectEvent(event: EventBody): event is ProjectEvent {
  return event.type === "gate.accepted" || event.type === "config.trusted";
}

function isBreakerEvent(event: EventBody): event is BreakerEvent {
  return event.type.startsWith("breaker.");
}

function applyBreaker(draft: Edit, event: BreakerEvent): void {
  const { key } = event;
  const was = draft.state.breakers.get(key);
  if (event.type === "breaker.closed") draft.dropBreaker(key);
  else if (event.type === "breaker.opened") {
    const { reason, detail, until, opened } = event;
    draft.setBreaker({ key, reason, detail, until, opened, probe: null });
  } else if (was !== undefined) draft.setBreaker({ ...was, probe: event.att });
}

function applyProject(draft: Edit, event: ProjectEvent): void {
  const project = draft.state.projects.get(event.project) ?? unknownProject;
  if (event.type === "gate.accepted")
    draft.setProject(event.project, { ...project, gate: event.commands });
  else draft.setProject(event.project, { ...project, trusted: [...project.trusted, event.tree] });
}

function applyRun(draft: Edit, event: RunEvent, at: number): void {
  switch (event.type) {
    case "run.started":
      draft.setRun({
        id: event.run,
        name: event.name,
        startedAt: at,
        endedAt: null,
        parallel: event.parallel,
        usd: event.usd,
        plans: new Map(event.plans.map(({ id, parallel, usd }) => [id, { parallel, usd }])),
        waitMs: event.waitMs,
        attended: event.attended,
        credential: event.credential ?? unnamedCredential,
        paused: false,
        pausedFor: null,
        remembered: new Map(),
        tasks: new Map(),
        attempts: 0,
        past: new Map(),
      });
      return;
    case "run.reopened":
      draft.setRun({ ...completeRun(event.snapshot), endedAt: null });
      return;
    case "run.settled":
      draft.dropRun(event.run);
      return;
    case "run.paused":
      draft.setRun({ ...draft.run(event.run), paused: true, pausedFor: event.why ?? null });
      for (const { id, run } of draft.state.attempts.values())
        if (run === event.run) releaseSlot(draft, id);
      return;
    case "run.resumed":
      draft.setRun({ ...draft.run(event.run), paused: false, pausedFor: null });
      for (const { id, run } of draft.state.attempts.values())
        if (run === event.run) goOn(draft, id);
      return;
    case "run.attended":
      draft.setRun({ ...draft.run(event.run), attended: true });
      return;
    case "run.unattended":
      draft.setRun({ ...draft.run(event.run), attended: false });
      return;
    case "run.budget_raised": {
      const run = draft.run(event.run);
      draft.setRun({ ...run, usd: event.usd, plans: raised(run.plans, event.usd) });
      return;
    }
    case "run.credential_changed":
      draft.setRun({ ...draft.run(event.run), credential: event.credential });
      return;
    case "answer.remembered": {
      const run = draft.run(event.run);
      draft.setRun({ ...run, remembered: new Map(run.remembered).set(event.rule, event.allow) });
      return;
    }
    default:
      never(event);
  }
}

/** The person's word on the run holds for its plans: none of them is bounded by less. */
function raised(plans: Run["plans"], usd: number): Run["plans"] {
  return new Map(
    [...plans].map(([id, plan]) => [
      id,
      { ...plan, usd: plan.usd === null ? null : Math.max(plan.usd, usd) },
    ]),
  );
}

/** What is paused before its round has begun holds nobody else up. */
function releaseSlot(draft: Edit, att: AttemptId): void {
  const attempt = draft.attempt(att);
  const { at } = attempt.phase;
  if (attempt.slot && (at === "provisioning" || at === "idle"))
    draft.setAttempt({ ...attempt, slot: false });
}

/** Whoever paused it may have worked in its worktree meanwhile. */
function goOn(draft: Edit, att: AttemptId): void {
  const attempt = draft.attempt(att);
  draft.setAttempt({ ...attempt, phase: unsaved(attempt.phase) });
}

function applyTask(draft: Edit, event: TaskEvent, at: number): void {
  if (event.type === "task.added") {
    draft.setTask(event.run, event.task, {
      spec: completeSpec(event.spec),
      state: { is: "pending" },
      attempts: [],
      paused: false,
      waitsForLanding: false,
    });
    return;
  }
  const task = draft.task(event.run, event.task);
  const become = (state: TaskState): void => {
    draft.setTask(event.run, event.task, { ...task, state });
    const run = draft.run(event.run);
    draft.setRun({ ...run, endedAt: state.is === "pending" ? null : at });
  };
  switch (event.type) {
    case "task.paused":
      draft.setTask(event.run, event.task, { ...task, paused: true });
      if (task.state.is === "active") releaseSlot(draft, task.state.attempt);
      return;
    case "task.resumed":
      draft.setTask(event.run, event.task, { ...task, paused: false });
      if (task.state.is === "active") goOn(draft, task.state.attempt);
      return;
    case "task.deferred":
      draft.setTask(event.run, event.task, {
        ...task,
        state: { is: "pending" },
        waitsForLanding: true,
      });
      return;
    case "task.landed":
      become({ is: "landed", commit: event.commit, head: event.head });
      return;
    case "task.done":
      become({ is: "done", reason: event.reason, head: event.head });
      return;
    case "task.failed":
      become({ is: "failed", reason: event.reason, detail: event.detail });
      return;
    case "task.canceled":
      become({ is: "canceled" });
      return;
    case "task.reopened":
      become({ is: "pending" });
      return;
    default:
      never(event);
  }
}
