/** What events of older ledgers do not say, because it came later: completed as they are folded, with what held then. */
import type { Attempt } from "../attempt.ts";
import type { TaskSpec } from "../plan.ts";
import type { Run } from "../state.ts";

/** The name of a credential that was not told apart from others yet. */
export const unnamedCredential = "unnamed";

/** Before they could be said, sessions loaded nothing of their repository, and work landed on the person's own branch. */
export function completeSpec(spec: TaskSpec): TaskSpec {
  return { ...{ profile: "isolated", standsFor: null }, ...spec };
}

/** A run that was reopened is in its event as the state had it then. */
export function completeRun(run: Run): Run {
  return {
    ...{ credential: unnamedCredential, pausedFor: null },
    ...run,
    tasks: new Map(
      [...run.tasks].map(([key, task]) => [key, { ...task, spec: completeSpec(task.spec) }]),
    ),
    past: new Map([...run.past].map(([id, attempt]) => [id, completeAttempt(attempt)])),
  };
}

function completeAttempt(attempt: Attempt): Attempt {
  return {
    ...{ credential: unnamedCredential, questions: attempt.asks.length, unsigned: false },
    ...{ formerSessions: [], handover: null, context: 0, cutOff: null, stalls: [], unread: 0 },
    ...attempt,
  };
}
