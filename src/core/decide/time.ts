/** What time alone decides, on every tick: deadlines of questions, parks that are over, attempts out of minutes, settled runs. */
import { giveAnswer } from "./ask.ts";
import { type Decision, conclude, windDown } from "./decision.ts";
import { timesOutAt } from "../due.ts";
import { isSettled, mayBeMade, needState } from "../queries.ts";
import { deniedText } from "../texts.ts";
import type { Attempt } from "../attempt.ts";
import type { Run, State, Task } from "../state.ts";
import type { TaskKey } from "../ids.ts";

/** A longer forward jump of the wall clock was not work: rounds in flight count anew (design §2). */
const jumpMs = 60_000;

export function passTime(d: Decision, sleptMs: number): void {
  for (const { id } of [...d.state.attempts.values()]) {
    const slept = d.attempt(id);
    if (sleptMs > jumpMs && slept.phase.at === "working" && slept.slot)
      d.of(id, { type: "round.admitted" });
    const attempt = d.attempt(id);
    expireAsks(d, attempt);
    const { park } = attempt;
    if (park?.until !== null && park !== null && park.until <= d.now)
      d.of(attempt.id, { type: "attempt.unparked" });
    if (attempt.phase.at === "working" && attempt.slot && timesOutAt(d.state, attempt) <= d.now)
      windDown(d, attempt.id, {
        is: "failed",
        reason: "timed_out",
        detail: "the attempt used up its minutes",
      });
    if (attempt.phase.at === "ending" && attempt.phase.saved) conclude(d, attempt.id);
  }
  for (const run of d.state.runs.values()) {
    failBrokenNeeds(d, run);
    settle(d, run);
  }
}

/** A permission that nobody answered in time is denied, and the run counts as unattended from then on. */
function expireAsks(d: Decision, attempt: Attempt): void {
  for (const ask of attempt.asks) {
    if (ask.answer !== null || ask.deadlineAt === null || ask.deadlineAt > d.now) continue;
    const because = deniedText(ask.tool ?? "This");
    giveAnswer(d, attempt.id, ask, { is: "deny", because }, "deadline");
    if (d.state.runs.get(attempt.run)?.attended === true)
      d.emit({ type: "run.unattended", run: attempt.run });
  }
}

/** A task whose need broke fails; under way, where it stands on commits that will not land now. */
function failBrokenNeeds(d: Decision, run: Run): void {
  for (const [key, task] of run.tasks) {
    if (task.state.is === "pending") {
      const broken = task.spec.needs.find((n) => needState(d.state, run, task, n) === "broken");
      const detail = broken === undefined ? null : endOf(run, broken.key);
      if (detail !== null)
        d.emit({ type: "task.failed", run: run.id, task: key, reason: "needs_failed", detail });
    } else if (task.state.is === "active") {
      const attempt = d.attempt(task.state.attempt);
      const lost = mayBeMade(attempt) ? undefined : lostBasis(d.state, run, task, attempt);
      if (lost !== undefined)
        windDown(d, attempt.id, {
          is: "failed",
          reason: "needs_failed",
          detail: endOf(run, lost),
        });
    }
  }
}

/** A need whose commits an attempt stands on and that was given up, also where it was begun anew since. */
function lostBasis(state: State, run: Run, task: Task, { id }: Attempt): TaskKey | undefined {
  const isNewer = (other: string): boolean => numberOf(other) > numberOf(id);
  return task.spec.needs.find(
    (need) =>
      need.merge &&
      (needState(state, run, task, need) === "broken" ||
        run.tasks.get(need.key)?.attempts.some(isNewer) === true),
  )?.key;
}

function numberOf(att: string): number {
  return Number(att.slice(att.lastIndexOf("_") + 1));
}

function endOf(run: Run, key: TaskKey): string {
  const is = run.tasks.get(key)?.state.is ?? "missing";
  return is === "failed" || is === "canceled" || is === "missing"
    ? `${key} ended ${is}`
    : `${key} was begun anew`;
}

/** A run is settled once every task is, and no attempt has anything left to do. */
function settle(d: Decision, { id }: Run): void {
  const run = d.state.runs.get(id);
  if (run === undefined || ![...run.tasks.values()].every(isSettled)) return;
  for (const attempt of d.state.attempts.values()) if (attempt.run === id) return;
  const states = new Set([...run.tasks.values()].map((task) => task.state.is));
  const state = states.has("failed") ? "failed" : states.has("canceled") ? "canceled" : "succeeded";
  d.emit({ type: "run.settled", run: id, state });
}
