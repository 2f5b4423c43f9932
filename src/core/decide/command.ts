/** Commands: what someone asks. One that makes no sense throws a Fault that names it and says what would. */
import { answer, approve, reject, tell, trust } from "./answer.ts";
import { changeCredential, trustCredential, tryAgain } from "./breaker.ts";
import { extendRun } from "./extend.ts";
import { checkStart, reopenRun, startRun } from "./start.ts";
import { requireActive, requireRun, requireTask, targets } from "./target.ts";
import { type Decision, endSession, windDown } from "./decision.ts";
import { Fault, never } from "../fault.ts";
import type { RunId, TaskKey } from "../ids.ts";
import type { Command } from "../inputs.ts";
import { mayBeMade, ownAsk } from "../queries.ts";
import type { Task } from "../state.ts";

export function decideCommand(d: Decision, command: Command): void {
  switch (command.type) {
    case "run.start":
      checkStart(d.state, command);
      startRun(d, command);
      return;
    case "run.extend":
      extendRun(d, command);
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
    case "trust":
      trust(d, command);
      return;
    default:
      never(command);
  }
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

function pause(d: Decision, command: Extract<Command, { type: "pause" }>): void {
  const { run, task, interrupt, why } = command;
  if (task !== null) requireTask(d, run, task);
  if (task === null) {
    if (!requireRun(d, run).paused)
      d.emit({ type: "run.paused", run, ...(why === undefined ? {} : { why }) });
  } else if (!requireTask(d, run, task).paused) d.emit({ type: "task.paused", run, task });
  if (!interrupt) return;
  for (const [, { state }] of targets(d, { run, task }))
    if (state.is === "active")
      endSession(d, state.attempt, "paused", d.attempt(state.attempt).phase.at === "working");
}

/** Ends pauses and parks, and counts as a person showing up. */
function resume(d: Decision, command: Extract<Command, { type: "resume" }>): void {
  const { run, task, usd, credential } = command;
  const { paused, attended } = requireRun(d, run);
  changeCredential(d, run, credential);
  tryAgain(d, requireRun(d, run));
  if (usd !== null) d.emit({ type: "run.budget_raised", run, usd });
  if (!attended) d.emit({ type: "run.attended", run });
  if (task === null && paused) d.emit({ type: "run.resumed", run });
  for (const [key, { paused: held, state }] of targets(d, { run, task })) {
    if (held) d.emit({ type: "task.resumed", run, task: key });
    if (state.is !== "active") continue;
    const { park, phase, ...attempt } = d.attempt(state.attempt);
    if (park !== null) d.of(state.attempt, { type: "attempt.unparked" });
    // Approved already, and held up by a signature: it is tried again.
    const asked = phase.at === "verified" && phase.approved ? ownAsk(attempt) : undefined;
    if (asked !== undefined) d.of(state.attempt, { type: "ask.closed", ask: asked.id });
  }
}

/** Reopens what failed or was canceled, and what failed because of it. */
function retry(d: Decision, command: Extract<Command, { type: "retry" }>): void {
  const { run, task, settled, credential } = command;
  if (settled !== null && !d.state.runs.has(run)) reopenRun(d, settled);
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
  changeCredential(d, run, credential);
  trustCredential(d, run);
  for (const [key] of wanted) d.emit({ type: "task.reopened", run, task: key });
  for (const [key, { state }] of requireRun(d, run).tasks)
    if (state.is === "failed" && state.reason === "needs_failed")
      d.emit({ type: "task.reopened", run, task: key });
}
