/** Questions about a state that several rules ask. Pure reads; nothing is stored that can be asked here. */
import type { AttemptId, Sha, TaskKey } from "./ids.ts";
import { type TaskSpec, defaultContext } from "./plan.ts";
import type { Ask, Attempt, Head, Message, Process } from "./attempt.ts";
import type { Run, State, Task } from "./state.ts";

export function specOf(state: State, attempt: Attempt): TaskSpec {
  const spec = state.runs.get(attempt.run)?.tasks.get(attempt.task)?.spec;
  if (spec === undefined) throw new Error(`attempt ${attempt.id} has a task`);
  return spec;
}

export function isSettled(task: Task): boolean {
  return task.state.is !== "pending" && task.state.is !== "active";
}

/** The attempt a task is on, open or past; undefined before the first. */
export function latestAttempt(state: State, run: Run, task: Task): Attempt | undefined {
  const id = task.attempts.at(-1);
  return id === undefined ? undefined : (state.attempts.get(id) ?? run.past.get(id));
}

/** The commit of a task that others may stand on: verified, queued, landed or done; undefined before that. */
export function verifiedHead(state: State, task: Task): Sha | undefined {
  if (task.state.is === "landed" || task.state.is === "done") return task.state.head;
  if (task.state.is !== "active") return undefined;
  const phase = state.attempts.get(task.state.attempt)?.phase;
  return phase?.at === "verified" || phase?.at === "queued" ? phase.head.commit : undefined;
}

export type NeedState = "met" | "open" | "broken";

/** Whether one need of a task is met. `landed` waits for the target; a need that failed or was canceled is broken. */
export function needState(
  state: State,
  run: Run,
  task: Task,
  need: TaskSpec["needs"][number],
): NeedState {
  const needed = run.tasks.get(need.key);
  if (needed === undefined) return "broken";
  const { is } = needed.state;
  if (is === "landed" || is === "done") return "met";
  if (is === "failed" || is === "canceled") return "broken";
  if (need.when === "landed" || task.waitsForLanding) return "open";
  return verifiedHead(state, needed) === undefined ? "open" : "met";
}

/** True where everything that a task's commits stand on is on the target. */
export function hasLandedBasis(run: Run, { needs }: TaskSpec): boolean {
  return needs.every((need) => {
    const is = run.tasks.get(need.key)?.state.is;
    return !need.merge || is === "landed" || is === "done";
  });
}

/** True where `head` has the very tree that the attempt began with. */
export function changesNothing({ worktree }: Attempt, head: Head): boolean {
  return worktree !== null && worktree.baseTree === head.tree;
}

/** The gate commands of a task: said, or accepted by a person for its project; null = none accepted yet. */
export function gateOf(state: State, spec: TaskSpec): readonly string[] | null {
  if (spec.gateFrom === "said") return spec.gate ?? [];
  return state.projects.get(spec.project)?.gate ?? null;
}

/** Messages that the session has not taken yet. */
export function unsent(attempt: Attempt): boolean {
  return attempt.mail.some((message) => !message.taken);
}

/** The message that asks its session for a hand-over: whatever else is to be said waits until that is over. */
export function handoverAsked({ mail }: Pick<Attempt, "mail">): Message | undefined {
  return mail.find(({ kind }) => kind === "handover");
}

/** A longer session is handed over before it is told anything more (design: 70 % of its room). */
const handoverShare = 0.7;

/** True where the next message should go to a new session, once this one has said what that needs to know. */
export function isLong(attempt: Attempt, { limits }: TaskSpec): boolean {
  return attempt.context >= handoverShare * (limits.context ?? defaultContext);
}

/** True where its session has handed over, and no other has taken its place. */
export function hasHandedOver({ handover, session }: Attempt): boolean {
  return handover?.from === session;
}

export function openAsks(attempt: Pick<Attempt, "asks">): Attempt["asks"] {
  return attempt.asks.filter((ask) => ask.answer === null);
}

/** True where its worktree may be being made right now: what comes of it is recorded before anything else. */
export function mayBeMade(attempt: Attempt): boolean {
  const { phase, park } = attempt;
  return phase.at === "provisioning" && park === null && ownAsk(attempt) === undefined;
}

/** The oldest open question of muster itself: it waits for a person's word, not for a session. */
export function ownAsk(attempt: Pick<Attempt, "asks">): Ask | undefined {
  return openAsks(attempt).find(({ tool }) => tool === null);
}

/** True where a question waits whose process is gone: its answer is what the session goes on with. */
export function waitsForAnswer(attempt: Attempt): boolean {
  return attempt.asks.some(({ detached }) => detached === true);
}

export function isLive(process: Process): process is Extract<Process, { is: "starting" | "live" }> {
  return process.is === "starting" || process.is === "live";
}

/** How the reason of an end for silence begins. */
export const stalled = "stalled:";

/** What is known of the silence that a process is ended for; null where it is not ended for one. */
export function stalledSince(process: Process): string | null {
  if (process.is !== "ending" || !process.why.startsWith(stalled)) return null;
  return process.why.slice(stalled.length);
}

/** Resumes after a silence are counted for so long: four of them at the longest limit, of six minutes, take half of it. */
export const stallWindowMs = 60 * 60_000;

/** When it was resumed after a silence, of those that count at `now`. */
export function stallsWithin({ stalls }: Pick<Attempt, "stalls">, now: number): readonly number[] {
  return stalls.filter((at) => now - at < stallWindowMs);
}

/** USD spent by a run, or by one plan of it, over all attempts, open and past. */
export function spent(state: State, run: Run, plan?: string): number {
  let usd = 0;
  const add = ({ run: of, task, usage }: Attempt): void => {
    if (of === run.id && (plan === undefined || run.tasks.get(task)?.spec.plan === plan))
      usd += usage.usd;
  };
  for (const attempt of run.past.values()) add(attempt);
  for (const attempt of state.attempts.values()) add(attempt);
  return usd;
}

/** A lane is what lands one after another: one target of one project. */
export function laneOf(spec: TaskSpec): string {
  return `${spec.project}\0${spec.target}`;
}

/** True where nothing of the attempt may start anew: parked, paused (by a person, itself or with its run). */
export function isHeld(state: State, attempt: Attempt): boolean {
  const run = state.runs.get(attempt.run);
  return (
    attempt.park !== null || run?.paused === true || run?.tasks.get(attempt.task)?.paused === true
  );
}

export function attemptsOf(state: State, run: Run): ReadonlyMap<AttemptId, Attempt> {
  const all = new Map(run.past);
  for (const [id, attempt] of state.attempts) if (attempt.run === run.id) all.set(id, attempt);
  return all;
}

/** Address of a task: `run/task`. */
export function address(run: string, task: TaskKey): string {
  return `${run}/${task}`;
}

/** True where no attempt but `att` is open in a project, and no task of an open run waits to start one there. */
export function isLastOf(state: State, project: string, att: AttemptId): boolean {
  for (const attempt of state.attempts.values())
    if (attempt.id !== att && specOf(state, attempt).project === project) return false;
  for (const run of state.runs.values())
    for (const task of run.tasks.values())
      if (task.state.is === "pending" && task.spec.project === project) return false;
  return true;
}
