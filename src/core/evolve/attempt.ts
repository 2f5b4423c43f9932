/** The attempt's part of evolve: one case per event, each a replacement of the attempt it names. */
import type { Edit } from "./edit.ts";
import type { AttemptEvent } from "../events.ts";
import { assert } from "../fault.ts";
import type { Attempt, ParkReason, Phase } from "../attempt.ts";
import { stallsWithin } from "../queries.ts";
import { add, evolveRound, heard, idle, unsaved, worked } from "./round.ts";

export function evolveAttempt(draft: Edit, event: AttemptEvent, at: number): void {
  if (event.type === "attempt.admitted") {
    admit(draft, event, at);
    return;
  }
  const attempt = draft.attempt(event.att);
  draft.setAttempt(next(attempt, event, at));
  if (event.type === "attempt.retired" || event.type === "attempt.kept")
    draft.closeAttempt(event.att);
}

function admit(draft: Edit, event: AttemptEvent & { type: "attempt.admitted" }, at: number): void {
  const run = draft.run(event.run);
  draft.setRun({ ...run, attempts: run.attempts + 1 });
  const task = draft.task(event.run, event.task);
  draft.setTask(event.run, event.task, {
    ...task,
    state: { is: "active", attempt: event.att },
    attempts: [...task.attempts, event.att],
  });
  draft.setAttempt({
    id: event.att,
    run: event.run,
    task: event.task,
    session: event.session,
    formerSessions: [],
    handover: null,
    context: 0,
    seed: event.seed,
    seedUsed: 0,
    runner: event.runner,
    admittedAt: at,
    endedAt: null,
    slot: true,
    phase: { at: "provisioning", try: 1 },
    process: { is: "none" },
    credential: draft.run(event.run).credential,
    starts: 0,
    offset: 0,
    basis: event.basis,
    worktree: null,
    branch: null,
    base: null,
    mail: [],
    cutOff: null,
    asks: [],
    questions: 0,
    usage: { turns: 0, usd: 0 },
    rounds: 0,
    workedMs: 0,
    head: null,
    gates: [],
    snapshots: 0,
    brokenGates: 0,
    fixes: 0,
    reminders: 0,
    conflicts: 0,
    recoveries: 0,
    unread: 0,
    stalls: [],
    outages: 0,
    park: null,
    cancelRequested: false,
    unsigned: false,
    kept: null,
  });
}

/**
 * What is parked gives its gate's slot and its lane to others, and is admitted anew; a landing is tried again as it is, since it
 * may have happened.
 */
function putBack(phase: Phase): Phase {
  if (phase.at === "verifying") return { ...phase, admitted: false, try: phase.try + 1 };
  if (phase.at !== "queued") return phase;
  const { step } = phase;
  return { ...phase, step: step.is === "landing" ? step : { is: "waiting" }, try: phase.try + 1 };
}

type Rest = Exclude<AttemptEvent, { type: "attempt.admitted" }>;

function next(a: Attempt, event: Rest, at: number): Attempt {
  switch (event.type) {
    case "attempt.provisioned":
      return {
        ...a,
        worktree: event.worktree,
        branch: event.worktree.branch,
        base: event.worktree.base,
        recoveries: 0,
        phase: a.phase.at === "provisioning" ? { at: "idle", saved: true } : a.phase,
      };
    case "attempt.provision_failed":
      return a.phase.at === "provisioning"
        ? {
            ...a,
            worktree: event.worktree ?? a.worktree,
            branch: event.worktree?.branch ?? a.branch,
            phase: { ...a.phase, try: a.phase.try + 1 },
          }
        : a;
    case "attempt.cancel_requested":
      return { ...a, cancelRequested: true };
    case "attempt.parked":
      return {
        ...a,
        park: event.park,
        slot: false,
        phase: putBack(a.phase),
        recoveries: a.recoveries + (isRecovery(event) ? 1 : 0),
        unread: a.unread + (event.unread === true ? 1 : 0),
        stalls: event.stalled === true ? [...stallsWithin(a, at), at] : a.stalls,
        outages: a.outages + (isOutage(event.park.reason) ? 1 : 0),
      };
    case "attempt.unparked":
      return { ...a, park: null, phase: unsaved(a.phase) };
    case "attempt.ending":
      return {
        ...a,
        slot: false,
        park: null,
        mail: [],
        asks: [],
        workedMs: worked(a, at),
        phase: { at: "ending", outcome: event.outcome, saved: false },
      };
    case "attempt.ended":
      return {
        ...a,
        slot: false,
        park: null,
        endedAt: at,
        mail: [],
        asks: [],
        phase: { at: "ended", outcome: event.outcome },
      };
    case "attempt.retired":
      return { ...a, worktree: null };
    case "attempt.kept":
      return { ...a, kept: event.why };
    default:
      return nextProof(a, event, at);
  }
}

type Proof = Exclude<
  Rest,
  {
    type:
      | "attempt.provisioned"
      | "attempt.provision_failed"
      | "attempt.cancel_requested"
      | "attempt.parked"
      | "attempt.unparked"
      | "attempt.ending"
      | "attempt.ended"
      | "attempt.retired"
      | "attempt.kept";
  }
>;

/** From what a round left to a verified commit. */
function nextProof(a: Attempt, event: Proof, at: number): Attempt {
  switch (event.type) {
    case "attempt.used":
      return {
        ...a,
        usage: add(a, event),
        context: event.context ?? a.context,
        // What the model answers to has told it; of a process that is gone this is old.
        cutOff: event.turns > 0 && a.process.is !== "none" ? null : a.cutOff,
        offset: Math.max(a.offset, event.offset),
      };
    case "attempt.reverify":
      return { ...a, phase: verifying(a) };
    case "attempt.returned":
      return { ...a, slot: false, phase: idle(a.phase) };
    case "attempt.verified":
      return {
        ...a,
        head: event.head,
        recoveries: 0,
        outages: 0,
        unsigned: false,
        phase: { at: "verified", head: event.head, approved: false },
      };
    case "attempt.approved":
      return a.phase.at === "verified"
        ? { ...a, unsigned: event.unsigned === true, phase: { ...a.phase, approved: true } }
        : a;
    case "snapshot.taken":
      return {
        ...a,
        snapshots: a.snapshots + 1,
        unread: 0,
        phase: event.late === true ? a.phase : saved(a),
      };
    case "snapshot.missed":
      return { ...a, phase: a.phase.at === "working" ? heard(a.phase) : a.phase };
    case "head.read":
      return {
        ...a,
        head: event.head,
        unread: 0,
        phase: event.commitNext ? { at: "settling", step: "commit", committed: false } : a.phase,
      };
    case "commit.made":
      return {
        ...a,
        head: event.head,
        phase: { at: "settling", step: "inspect", committed: true },
      };
    default:
      return evolveRound(a, event, at);
  }
}

function isRecovery({ park, stalled, unread }: Rest & { type: "attempt.parked" }): boolean {
  return (
    stalled !== true && unread !== true && (park.reason === "backoff" || park.reason === "memory")
  );
}

function isOutage(reason: ParkReason): boolean {
  return reason === "outage" || reason === "rate_limit";
}

function verifying(a: Attempt): Phase {
  assert(a.head, "a head was read before it is verified");
  const tries = a.phase.at === "verifying" ? a.phase.try + 1 : 1;
  return { at: "verifying", head: a.head, admitted: false, try: tries };
}

/** A message that waits (a person's word) is another round; without one the work is looked at. */
function saved({ phase, mail }: Attempt): Phase {
  if (phase.at === "settling" && phase.step === "snapshot")
    return mail.length > 0
      ? { at: "idle", saved: true }
      : { at: "settling", step: "inspect", committed: false };
  if (phase.at === "idle") return { at: "idle", saved: true };
  if (phase.at === "ending") return { ...phase, saved: true };
  return phase.at === "working" ? heard(phase) : phase;
}
