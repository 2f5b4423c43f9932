/** Credentials that need a person: refused, empty, capped or lost. One answer for each, however many tasks wait behind it. */
import type { RefusedCredential } from "../api/service.ts";
import { latestAttempt } from "../core/queries.ts";
import type { Run, State } from "../core/state.ts";
import { runView } from "../core/view.ts";

/** The credentials that tasks of open runs wait for, oldest run first. `now`: wall-clock ms. */
export function refusedCredentials(state: State, now: number): readonly RefusedCredential[] {
  const found = new Map<string, RefusedCredential>();
  for (const run of state.runs.values()) {
    const waiting = runView(state, run, now).tasks.filter(({ reason }) => reason === "credentials");
    if (waiting.length === 0) continue;
    // What no breaker tells of may be a lost environment, which is the run's own: only its own resume brings one.
    const key = state.breakers.has(`${run.credential} *`) ? run.credential : run.id;
    const before = found.get(key);
    found.set(key, {
      why: before?.why ?? whyOf(state, run),
      tasks: (before?.tasks ?? 0) + waiting.length,
      runs: [...(before?.runs ?? []), run.id],
    });
  }
  return [...found.values()];
}

/** What the API said, or else what kept a session from its start. */
function whyOf(state: State, run: Run): string {
  const shut = state.breakers.get(`${run.credential} *`);
  if (shut !== undefined) return shut.detail;
  for (const task of run.tasks.values()) {
    const park = latestAttempt(state, run, task)?.park;
    if (park?.reason === "credentials") return park.detail;
  }
  return "refused";
}
