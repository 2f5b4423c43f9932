/**
 * Admission: the only place where something new starts. Rounds in flight are bounded per run, per plan and per host; gates by
 * their own slots; live processes by `resident`; landings one at a time per lane. What is already under way goes first, then
 * tasks in the plan's order.
 */
import { type Passage, parkBehind, passage } from "./breaker.ts";
import { type Decision, endSession, queueMessage, windDown } from "./decision.ts";
import { type AttemptId, attemptId } from "../ids.ts";
import type { Capacity } from "../inputs.ts";
import {
  changesNothing,
  handoverAsked,
  hasHandedOver,
  hasLandedBasis,
  isHeld,
  isLive,
  isLong,
  laneOf,
  needState,
  openAsks,
  ownAsk,
  specOf,
  spent,
  verifiedHead,
} from "../queries.ts";
import type { Attempt } from "../attempt.ts";
import type { TaskSpec } from "../plan.ts";
import type { Run, Task } from "../state.ts";
import { handoverText, promptText } from "../texts.ts";

/** Rounds in flight, counted as they are admitted. */
interface Load {
  rounds: number;
  gates: number;
  resident: number;
  readonly ofRun: Map<string, number>;
  readonly ofPlan: Map<string, number>;
  readonly lanes: Set<string>;
}

export function admit(d: Decision, capacity: Capacity): void {
  const load = measure(d);
  const open = [...d.state.attempts.values()];
  for (const attempt of open) enterQueue(d, attempt);
  for (const attempt of byEntry(d)) admitLanding(d, attempt, load);
  for (const attempt of [...d.state.attempts.values()]) admitGate(d, attempt, load, capacity);
  for (const attempt of [...d.state.attempts.values()]) admitRound(d, attempt, load, capacity);
  for (const run of d.state.runs.values()) admitTasks(d, run, load, capacity);
}

function measure(d: Decision): Load {
  const load: Load = {
    rounds: 0,
    gates: 0,
    resident: 0,
    ofRun: new Map(),
    ofPlan: new Map(),
    lanes: new Set(),
  };
  for (const attempt of d.state.attempts.values()) {
    if (attempt.slot) take(load, attempt, specOf(d.state, attempt).plan);
    if (isLive(attempt.process) || attempt.process.is === "ending") load.resident += 1;
    const { phase } = attempt;
    if (phase.at === "verifying" && phase.admitted) load.gates += 1;
    if (phase.at !== "queued" || phase.step.is === "waiting" || attempt.park !== null) continue;
    if (phase.step.is === "gating" && phase.step.admitted) load.gates += 1;
    load.lanes.add(laneOf(specOf(d.state, attempt)));
  }
  return load;
}

function take(load: Load, { run }: { run: string }, plan: string): void {
  load.rounds += 1;
  load.ofRun.set(run, (load.ofRun.get(run) ?? 0) + 1);
  const key = `${run}/${plan}`;
  load.ofPlan.set(key, (load.ofPlan.get(key) ?? 0) + 1);
}

function hasRoom(load: Load, run: Run, plan: string, capacity: Capacity): boolean {
  const ofPlan = run.plans.get(plan)?.parallel ?? Number.POSITIVE_INFINITY;
  return (
    load.rounds < capacity.parallel &&
    (load.ofRun.get(run.id) ?? 0) < run.parallel &&
    (load.ofPlan.get(`${run.id}/${plan}`) ?? 0) < ofPlan
  );
}

/**
 * A proved attempt enters the queue once it is approved where it must be, and all that it stands on has landed. Without changes
 * of its own it is done then, not before: what it stands on may still fail.
 */
function enterQueue(d: Decision, attempt: Attempt): void {
  const { phase } = attempt;
  if (phase.at !== "verified" || !phase.approved || isHeld(d.state, attempt)) return;
  if (ownAsk(attempt) !== undefined) return;
  const run = d.state.runs.get(attempt.run);
  const task = run?.tasks.get(attempt.task);
  if (run === undefined || task === undefined) return;
  if (!hasLandedBasis(run, task.spec)) return;
  const { head } = phase;
  if (changesNothing(attempt, head))
    windDown(d, attempt.id, { is: "done", reason: "no_changes", head: head.commit });
  else d.of(attempt.id, { type: "queue.entered", head });
}

function byEntry(d: Decision): Attempt[] {
  const since = ({ phase }: Attempt): number => (phase.at === "queued" ? phase.since : 0);
  return [...d.state.attempts.values()]
    .filter((a) => a.phase.at === "queued")
    .toSorted((a, b) => since(a) - since(b));
}

function admitLanding(d: Decision, attempt: Attempt, load: Load): void {
  const lane = laneOf(specOf(d.state, attempt));
  if (attempt.phase.at !== "queued" || attempt.phase.step.is !== "waiting") return;
  if (isHeld(d.state, attempt) || load.lanes.has(lane)) return;
  load.lanes.add(lane);
  d.of(attempt.id, { type: "landing.started" });
}

function admitGate(d: Decision, attempt: Attempt, load: Load, capacity: Capacity): void {
  if (load.gates >= capacity.gates || attempt.park !== null) return;
  const { phase } = attempt;
  if (phase.at === "verifying" && !phase.admitted && !isHeld(d.state, attempt)) {
    load.gates += 1;
    d.of(attempt.id, { type: "gate.admitted", commit: phase.head.commit, on: "head" });
  } else if (phase.at === "queued" && phase.step.is === "gating" && !phase.step.admitted) {
    load.gates += 1;
    d.of(attempt.id, { type: "gate.admitted", commit: phase.step.merge.commit, on: "merge" });
  }
}

const open: Passage = { is: "open" };

/** A message that waits for a slot, or an answer to a question that gave its slot back. */
function admitRound(d: Decision, attempt: Attempt, load: Load, capacity: Capacity): void {
  const run = d.state.runs.get(attempt.run);
  if (run === undefined || isHeld(d.state, attempt) || attempt.cancelRequested) return;
  const { phase } = attempt;
  if (openAsks(attempt).length > 0) return;
  if (phase.at === "working") {
    if (attempt.slot || attempt.process.is === "ending") return;
  } else if (!isReadyToTalk(attempt)) {
    reserve(d, attempt, run, load, capacity);
    return;
  }
  const spec = specOf(d.state, attempt);
  if (phase.at === "idle" && shouldHandOver(attempt, spec))
    queueMessage(d, attempt.id, "handover", handoverText);
  const { plan } = spec;
  const needsProcess = attempt.process.is === "none";
  // A round in flight goes on after its answer; what it meets it meets.
  const pass = phase.at === "working" ? open : passage(d, run, spec);
  if (pass.is === "shut") parkBehind(d, attempt, pass.breaker);
  if (pass.is === "shut" || pass.is === "wait") return;
  if (!attempt.slot) {
    if (!hasRoom(load, run, plan, capacity) || isOverBudget(d, run, plan)) return;
    take(load, attempt, plan);
  }
  if (needsProcess) {
    if (load.resident >= capacity.resident) endIdleProcess(d);
    load.resident += 1;
    planSession(d, attempt, run);
  }
  if (pass.is === "probe")
    for (const { key } of pass.breakers) d.emit({ type: "breaker.probed", key, att: attempt.id });
  d.of(attempt.id, { type: "round.admitted" });
}

/** A session that works on a message already, which it took as its round ended, is not told to change nothing. */
function shouldHandOver(attempt: Attempt, spec: TaskSpec): boolean {
  const isHeard = attempt.mail.some(({ taken }) => taken);
  return !isHeard && isLong(attempt, spec) && handoverAsked(attempt) === undefined;
}

/** The next start: of the same session, or of a new one where it has handed over. */
function planSession(d: Decision, attempt: Attempt, { credential }: Run): void {
  const replaced = hasHandedOver(attempt);
  d.of(attempt.id, {
    type: "session.planned",
    n: attempt.starts + 1,
    resume: attempt.starts > 0 && !replaced,
    credential,
    ...(replaced ? { session: d.fresh() } : {}),
  });
}

/** What waits for its snapshot only is under way: nothing new overtakes it. */
function reserve(d: Decision, attempt: Attempt, run: Run, load: Load, capacity: Capacity): void {
  const { phase, mail, process } = attempt;
  if (phase.at !== "idle" || phase.saved || mail.length === 0 || attempt.slot) return;
  const { plan } = specOf(d.state, attempt);
  if (!hasRoom(load, run, plan, capacity) || isOverBudget(d, run, plan)) return;
  take(load, attempt, plan);
  if (process.is === "none") load.resident += 1;
}

/** True where a message waits for a slot, what is there is kept, and no process is on its way out. */
function isReadyToTalk({ phase, mail, process }: Attempt): boolean {
  return phase.at === "idle" && phase.saved && mail.length > 0 && process.is !== "ending";
}

/**
 * Over `resident`, a session that nobody talks to is ended, else one that waits for an answer; it is resumed when there is
 * something to say.
 */
function endIdleProcess(d: Decision): void {
  const live = [...d.state.attempts.values()].filter(({ process }) => process.is === "live");
  const unused = live.find(
    ({ phase, park }) => phase.at !== "working" && (phase.at !== "idle" || park !== null),
  );
  const asking = live.find((a) => a.phase.at === "working" && openAsks(a).length > 0);
  const chosen = unused ?? asking;
  if (chosen !== undefined) endSession(d, chosen.id, "resident", chosen === asking);
}

/** True where the run, or the task's own plan, has used up its budget: nothing new starts. */
function isOverBudget(d: Decision, run: Run, plan: string): boolean {
  const ofPlan = run.plans.get(plan)?.usd ?? null;
  return spent(d.state, run) >= run.usd || (ofPlan !== null && spent(d.state, run, plan) >= ofPlan);
}

function admitTasks(d: Decision, { id }: Run, load: Load, capacity: Capacity): void {
  const run = d.state.runs.get(id);
  if (run === undefined || run.paused || spent(d.state, run) >= run.usd) return;
  for (const [key, task] of run.tasks) {
    if ((load.ofRun.get(id) ?? 0) >= run.parallel || load.rounds >= capacity.parallel) return;
    const { plan } = task.spec;
    if (!isReady(d, run, task) || passage(d, run, task.spec).is === "shut") continue;
    if (!hasRoom(load, run, plan, capacity) || isOverBudget(d, run, plan)) continue;
    take(load, { run: id }, task.spec.plan);
    admitTask(d, run, key, task);
  }
}

/** True for a pending task whose needs are all met and that nobody paused. */
function isReady(d: Decision, run: Run, task: Task): boolean {
  if (task.state.is !== "pending" || task.paused) return false;
  return task.spec.needs.every((need) => needState(d.state, run, task, need) === "met");
}

function admitTask(d: Decision, { id: run, tasks }: Run, key: string, task: Task): void {
  const n = (d.state.runs.get(run)?.attempts ?? 0) + 1;
  const att: AttemptId = attemptId(run, n);
  const basis: Record<string, string> = {};
  for (const need of task.spec.needs) {
    const needed = tasks.get(need.key);
    const head = needed && verifiedHead(d.state, needed);
    if (head !== undefined) basis[need.key] = head;
  }
  d.emit({
    type: "attempt.admitted",
    basis,
    run,
    task: key,
    att,
    session: d.fresh(),
    seed: d.fresh(),
    runner: task.spec.runner,
  });
  queueMessage(d, att, "prompt", promptText(task.spec));
}
