/** Commands: what someone asks. One that makes no sense throws a Fault that names it and says what would. */
import { checkStart, startRun } from "./start.ts";
import { verify } from "./proof.ts";
import { type Decision, endSession, queueMessage, windDown } from "./decision.ts";
import { Fault, never } from "../fault.ts";
import type { AttemptId, RunId, TaskKey } from "../ids.ts";
import type { Command } from "../inputs.ts";
import { gateOf, mayBeMade, openAsks, ownAsk, specOf } from "../queries.ts";
import type { Answer, Ask, Attempt, Run, Task } from "../state.ts";

export function decideCommand(d: Decision, command: Command): void {
  switch (command.type) {
    case "run.start":
      checkStart(d.state, command);
      startRun(d, command);
      return;
    case "stop":
      for (const [key, task] of targets(d, command)) cancel(d, command.run, key, task);
      return;
    case "pause":
      pause(d, command);
      return;
    case "resume":
      resume(d, command);
      return;
    case "retry":
      retry(d, command);
      return;
    case "attend":
      if (!requireRun(d, command.run).attended) d.emit({ type: "run.attended", run: command.run });
      return;
    case "tell":
      tell(d, requireActive(d, command.run, command.task), command.text);
      return;
    case "answer":
      answer(d, command);
      return;
    case "approve":
      approve(d, command);
      return;
    case "reject":
      reject(d, command);
      return;
    default:
      never(command);
  }
}

function requireRun(d: Decision, id: RunId): Run {
  const run = d.state.runs.get(id);
  if (run === undefined) throw new Fault("not_found", `no open run ${id}`, { remedy: "muster ls" });
  return run;
}

function requireTask(d: Decision, id: RunId, key: TaskKey): Task {
  const task = requireRun(d, id).tasks.get(key);
  if (task === undefined)
    throw new Fault("not_found", `no task ${key} in ${id}`, { remedy: `muster show ${id}` });
  return task;
}

/** The open attempt of a task. Throws `refused` where the task is settled or has not started. */
function requireActive(d: Decision, id: RunId, key: TaskKey): Attempt {
  const { state } = requireTask(d, id, key);
  const attempt = state.is === "active" ? d.state.attempts.get(state.attempt) : undefined;
  if (attempt === undefined)
    throw new Fault("refused", `${id}/${key} has no session: it is ${state.is}`, {
      remedy: `muster show ${id}`,
    });
  return attempt;
}

function targets(
  d: Decision,
  { run, task }: { run: RunId; task: TaskKey | null },
): [TaskKey, Task][] {
  if (task !== null) return [[task, requireTask(d, run, task)]];
  return [...requireRun(d, run).tasks];
}

function cancel(d: Decision, run: RunId, key: TaskKey, task: Task): void {
  if (task.state.is === "pending") d.emit({ type: "task.canceled", run, task: key });
  if (task.state.is !== "active") return;
  const attempt = d.attempt(task.state.attempt);
  const { phase, cancelRequested, park } = attempt;
  // A checkout in the way means that nothing has landed; any other landing may have.
  const landing =
    phase.at === "queued" && phase.step.is === "landing" && park?.reason !== "checkout";
  if (!landing && !mayBeMade(attempt)) windDown(d, task.state.attempt, { is: "canceled" });
  else if (!cancelRequested) d.of(task.state.attempt, { type: "attempt.cancel_requested" });
}

function pause(d: Decision, { run, task, interrupt }: Extract<Command, { type: "pause" }>): void {
  if (task !== null) requireTask(d, run, task);
  if (task === null) {
    if (!requireRun(d, run).paused) d.emit({ type: "run.paused", run });
  } else if (!requireTask(d, run, task).paused) d.emit({ type: "task.paused", run, task });
  if (!interrupt) return;
  for (const [, { state }] of targets(d, { run, task }))
    if (state.is === "active")
      endSession(d, state.attempt, "paused", d.attempt(state.attempt).phase.at === "working");
}

/** Ends pauses and parks, and counts as a person showing up. */
function resume(d: Decision, { run, task, usd }: Extract<Command, { type: "resume" }>): void {
  const { paused, attended } = requireRun(d, run);
  if (usd !== null) d.emit({ type: "run.budget_raised", run, usd });
  if (!attended) d.emit({ type: "run.attended", run });
  if (task === null && paused) d.emit({ type: "run.resumed", run });
  for (const [key, { paused: held, state }] of targets(d, { run, task })) {
    if (held) d.emit({ type: "task.resumed", run, task: key });
    if (state.is === "active" && d.attempt(state.attempt).park !== null)
      d.of(state.attempt, { type: "attempt.unparked" });
  }
}

/** Reopens what failed or was canceled, and what failed because of it. */
function retry(d: Decision, { run, task, settled }: Extract<Command, { type: "retry" }>): void {
  if (settled !== null && !d.state.runs.has(run))
    d.emit({ type: "run.reopened", run, snapshot: settled });
  const wanted = targets(d, { run, task }).filter(
    ([, { state }]) => state.is === "failed" || state.is === "canceled",
  );
  if (wanted.length === 0)
    throw new Fault(
      "refused",
      `nothing to retry in ${task === null ? run : `${run}/${task}`}: nothing there failed or was canceled`,
      {
        remedy: `muster show ${run}`,
      },
    );
  for (const [key] of wanted) d.emit({ type: "task.reopened", run, task: key });
  for (const [key, { state }] of requireRun(d, run).tasks)
    if (state.is === "failed" && state.reason === "needs_failed")
      d.emit({ type: "task.reopened", run, task: key });
}

function tell(d: Decision, attempt: Attempt, text: string): void {
  const { phase, id } = attempt;
  if (
    phase.at === "ending" ||
    phase.at === "ended" ||
    (phase.at === "queued" && phase.step.is === "landing")
  )
    throw new Fault(
      "refused",
      `${attempt.run}/${attempt.task} is past its session: it is ${phase.at === "queued" ? "landing" : phase.at}`,
      {
        remedy: `muster show ${attempt.run}`,
      },
    );
  for (const ask of attempt.asks)
    if (ask.tool === null) d.of(id, { type: "ask.closed", ask: ask.id });
  queueMessage(d, id, "tell", text);
}

function requireAsk(attempt: Attempt, id: string | null): Ask {
  const open = openAsks(attempt);
  const found = id === null ? open[0] : open.find((ask) => ask.id === id);
  if (found !== undefined) return found;
  const what = id === null ? "has no open question" : `has no open question ${id}`;
  throw new Fault("refused", `${attempt.run}/${attempt.task} ${what}`, { remedy: "muster ls" });
}

function answer(d: Decision, command: Extract<Command, { type: "answer" }>): void {
  const attempt = requireActive(d, command.run, command.task);
  const ask = requireAsk(attempt, command.ask);
  if (!requireRun(d, command.run).attended) d.emit({ type: "run.attended", run: command.run });
  if (ask.tool === null) {
    answerOwn(d, attempt, ask, command);
    return;
  }
  const given = toAnswer(ask, command.answer);
  d.of(attempt.id, { type: "ask.answered", ask: ask.id, answer: given, by: "person" });
  if (ask.kind !== "permission" || ask.rule === null) return;
  const { run } = command;
  d.emit({ type: "answer.remembered", run, rule: ask.rule, allow: given.is === "allow" });
  answerAlike(d, attempt.run, ask.rule, given);
}

/** An answer holds for the same rule in the run: whoever else waits with it is answered too. */
function answerAlike(d: Decision, run: RunId, rule: string, given: Answer): void {
  for (const { id, ...other } of d.state.attempts.values())
    if (other.run === run)
      for (const ask of other.asks)
        if (ask.answer === null && ask.kind === "permission" && ask.rule === rule)
          d.of(id, { type: "ask.answered", ask: ask.id, answer: given, by: "policy" });
}

/** A question of muster's own: yes approves, no rejects, a text goes to the session. */
function answerOwn(
  d: Decision,
  attempt: Attempt,
  ask: Ask,
  command: Extract<Command, { type: "answer" }>,
): void {
  const { run, task, answer: given } = command;
  if (given.is === "text") tell(d, attempt, given.text);
  else if (given.is === "deny") reject(d, { type: "reject", run, task, because: given.because });
  else if (ask.kind === "approval") approve(d, { type: "approve", run, task, gate: false });
  else
    throw new Fault("usage", `${run}/${task} asks what to do, not yes or no`, {
      remedy: `muster answer ${run}/${task} "TEXT"`,
    });
}

function toAnswer(ask: Ask, given: Extract<Command, { type: "answer" }>["answer"]): Answer {
  switch (given.is) {
    case "allow":
      return { is: "allow", text: null, answers: null };
    case "deny":
      return { is: "deny", because: given.because };
    case "text":
      if (ask.kind !== "question") return { is: "deny", because: given.text };
      return { is: "allow", text: given.text, answers: questionAnswers(ask.input, given.text) };
  }
}

/** AskUserQuestion takes its answers by question text; one text answers all of them. */
function questionAnswers(input: unknown, text: string): Record<string, string> {
  const questions: unknown = (input as { questions?: unknown } | null)?.questions;
  if (!Array.isArray(questions)) return {};
  const asked = questions.map((one: { question?: unknown } | null) => one?.question);
  return Object.fromEntries(
    asked.filter((question) => typeof question === "string").map((question) => [question, text]),
  );
}

function approve(d: Decision, { run, task, gate }: Extract<Command, { type: "approve" }>): void {
  const attempt = requireActive(d, run, task);
  const ask = openAsks(attempt).find(({ kind }) => kind === "approval");
  if (ask === undefined || attempt.phase.at !== "verified")
    throw new Fault("refused", `${run}/${task} does not wait for an approval`, {
      remedy: `muster show ${run}`,
    });
  const spec = specOf(d.state, attempt);
  if (!gate) {
    const gateless = gateOf(d.state, spec) === null;
    d.of(attempt.id, { type: "ask.closed", ask: ask.id });
    d.of(attempt.id, { type: "attempt.approved", commit: attempt.phase.head.commit, gateless });
    return;
  }
  if (spec.gateFrom === "said" || spec.gate === null || spec.gate.length === 0)
    throw new Fault("refused", `no gate is proposed for ${run}/${task}`, {
      remedy: "add `gate:` to muster.yaml, then: muster retry",
    });
  d.emit({ type: "gate.accepted", project: spec.project, commands: spec.gate });
  for (const other of d.state.attempts.values()) proveAgain(d, other.id, spec.project);
}

/** After a project's gate was accepted, what waits there without one is verified with it. */
function proveAgain(d: Decision, att: AttemptId, project: string): void {
  const attempt = d.attempt(att);
  const spec = specOf(d.state, attempt);
  if (attempt.phase.at !== "verified" || spec.project !== project || spec.gateFrom === "said")
    return;
  for (const ask of attempt.asks) d.of(att, { type: "ask.closed", ask: ask.id });
  verify(d, att);
}

function reject(d: Decision, { run, task, because }: Extract<Command, { type: "reject" }>): void {
  const attempt = requireActive(d, run, task);
  const ask = ownAsk(attempt);
  if (ask === undefined)
    throw new Fault("refused", `${run}/${task} does not wait for a word of yours`, {
      remedy: `muster tell ${run}/${task} TEXT`,
    });
  if (ask.kind === "approval")
    tell(
      d,
      attempt,
      `The result was rejected: ${because}\nChange it accordingly, commit, and leave the tree clean.`,
    );
  else
    windDown(d, attempt.id, {
      is: "failed",
      reason: ask.kind === "conflict" || ask.kind === "stalled" ? ask.kind : "rejected",
      detail: because,
    });
}
