/** Proof: from what a round left behind to a verified commit. A claim is not proof; a gate that exited 0 on the commit is. */
import { askPerson } from "./ask.ts";
import { parkFor } from "./round.ts";
import { type Decision, endSession, queueMessage, windDown } from "./decision.ts";
import type { AttemptId } from "../ids.ts";
import type { Observed } from "../inputs.ts";
import { changesNothing, gateOf, hasLandedBasis, isHeld, openAsks, specOf } from "../queries.ts";
import type { Attempt, GateEvidence, Head, Phase } from "../attempt.ts";
import { commitText, fixText } from "../texts.ts";

/** A gate that could not be run (its place, not its result) is tried this often. */
const maxGateTries = 3;

/** A worktree that could not be read is looked at this often again. */
const maxInspectTries = 3;
/** Two minutes of growing waits. */
const maxSnapshotTries = 6;

type Saw<K extends Observed["saw"]> = Extract<Observed, { saw: K }>;

export function decideInspection(
  d: Decision,
  att: AttemptId,
  seen: Saw<"inspected" | "inspect_failed" | "committed">,
): void {
  const attempt = d.attempt(att);
  const { phase } = attempt;
  if (phase.at !== "settling" && (phase.at !== "idle" || seen.saw !== "inspect_failed")) return;
  switch (seen.saw) {
    case "inspect_failed":
      if (seen.gone === true) {
        windDown(d, att, { is: "failed", reason: "worktree_gone", detail: seen.why });
        return;
      }
      tryLater(d, att, seen);
      return;
    case "committed":
      if (phase.at === "settling" && phase.step === "commit")
        d.of(att, { type: "commit.made", head: seen.head });
      return;
    case "inspected":
      if (phase.at === "settling" && phase.step === "inspect")
        onInspected(d, att, seen, seen.dirty && !phase.committed);
  }
}

/**
 * Nothing is wrong with the work. Space, the end of another's git, and a person who has it paused or is asked something are waited for,
 * however long; a busy machine and anything else a few times, then the task fails, with the words of what went wrong.
 */
export function tryLater(
  d: Decision,
  att: AttemptId,
  seen: Saw<"inspect_failed" | "snapshot_failed">,
): void {
  const attempt = d.attempt(att);
  const tries = seen.saw === "snapshot_failed" ? maxSnapshotTries : maxInspectTries;
  const isWaitedFor =
    seen.disk === true ||
    seen.locked === true ||
    openAsks(attempt).length > 0 ||
    isHeld(d.state, attempt);
  if (!isWaitedFor && attempt.unread >= tries) {
    windDown(d, att, { is: "failed", reason: "agent_error", detail: seen.why });
    return;
  }
  const reason = seen.disk === true ? "disk" : "backoff";
  // Between rounds it would be due at once again, and again.
  const unsaved = attempt.phase.at === "idle";
  parkFor(d, att, reason, seen.why, (attempt.park?.until ?? d.now) - d.now, { unsaved });
}

function onInspected(d: Decision, att: AttemptId, seen: Saw<"inspected">, dirty: boolean): void {
  const attempt = d.attempt(att);
  const spec = specOf(d.state, attempt);
  const remind = dirty && attempt.reminders === 0 && canSpend(d, attempt);
  d.of(att, {
    type: "head.read",
    head: seen.head,
    dirty: seen.dirty,
    commitNext: dirty && !remind,
  });
  if (seen.onTarget || !seen.related) {
    const why = seen.onTarget
      ? `the worktree has ${spec.target} itself checked out or moved it; those commits were not verified`
      : "HEAD shares no history with its base";
    d.of(att, { type: "attempt.returned", why });
    askPerson(d, att, "conflict", why, null);
  } else if (attempt.mail.length > 0)
    d.of(att, { type: "attempt.returned", why: "a message waits" });
  else if (remind) queueMessage(d, att, "commit", commitText());
  else if (dirty) return;
  else if (seen.outside.length > 0)
    onRed(d, att, checkFailed(seen.head, "paths", seen.outside, "changed outside of `paths`"));
  else if (seen.missing.length > 0)
    onRed(d, att, checkFailed(seen.head, "artifacts", seen.missing, "promised, but missing"));
  else verify(d, att);
}

/** Starts the proof of the head: its gate, or without commands the end of it. */
export function verify(d: Decision, att: AttemptId): void {
  d.of(att, { type: "attempt.reverify" });
  const attempt = d.attempt(att);
  const commands = gateOf(d.state, specOf(d.state, attempt));
  if ((commands === null || commands.length === 0) && attempt.head !== null)
    onVerified(d, att, attempt.head);
}

function checkFailed(
  head: Head,
  command: string,
  paths: readonly string[],
  what: string,
): GateEvidence {
  const tail = `${what}:\n${paths.slice(0, 50).join("\n")}`;
  return {
    command,
    exit: 1,
    commit: head.commit,
    tree: head.tree,
    on: "head",
    durationMs: 0,
    log: null,
    logSha: null,
    tail,
    reusedFrom: null,
  };
}

/** What a gate showed of a commit is a fact in any case; it moves the attempt on where it is due. */
export function decideGate(
  d: Decision,
  att: AttemptId,
  seen: Saw<"gated" | "gate_broken">,
  isDue: boolean,
): void {
  if (seen.saw === "gate_broken") {
    if (isDue && seen.disk === true) parkFor(d, att, "disk", seen.why);
    else if (isDue)
      onBroken(d, att, seen.commit, seen.why, seen.memory === true ? "memory" : "backoff");
    return;
  }
  for (const evidence of seen.evidence)
    d.of(att, { type: evidence.exit === 0 ? "gate.passed" : "gate.failed", evidence });
  const asked = isDue ? askedOf(d.attempt(att).phase) : null;
  if (asked === null) return;
  // Evidence of another commit proves nothing of this one.
  const own = seen.evidence.filter(
    ({ commit, tree }) => commit === asked.head.commit && tree === asked.head.tree,
  );
  const failed = own.find(({ exit }) => exit !== 0);
  const commands = gateOf(d.state, specOf(d.state, d.attempt(att))) ?? [];
  const unproved = commands.find(
    (command) => !own.some((evidence) => evidence.command === command),
  );
  if (failed !== undefined) onRed(d, att, failed);
  else if (unproved !== undefined)
    onBroken(d, att, asked.head.commit, `\`${unproved}\` was not run`);
  else if (asked.on === "merge") d.of(att, { type: "merge.verified" });
  else onVerified(d, att, asked.head);
}

/** The exact commit that a gate is asked about; null where none is. */
function askedOf(phase: Phase): { readonly head: Head; readonly on: "head" | "merge" } | null {
  if (phase.at === "verifying") return { head: phase.head, on: "head" };
  if (phase.at !== "queued" || phase.step.is !== "gating") return null;
  const { commit, tree } = phase.step.merge;
  return { head: { commit, tree }, on: "merge" };
}

/** A gate that could not be run says nothing of the commit. */
function onBroken(
  d: Decision,
  att: AttemptId,
  commit: string,
  why: string,
  park: "backoff" | "memory" = "backoff",
): void {
  d.of(att, { type: "gate.broken", commit, why });
  if (d.attempt(att).brokenGates >= maxGateTries)
    windDown(d, att, { is: "failed", reason: "provision_failed", detail: why });
  else parkFor(d, att, park, why);
}

/** A red gate goes back to the same session, at most `fixes` times and within the attempt's limits. */
function onRed(d: Decision, att: AttemptId, failed: GateEvidence): void {
  const attempt = d.attempt(att);
  if (failed.logSha === null) d.of(att, { type: "gate.failed", evidence: failed });
  const { limits } = specOf(d.state, attempt);
  if (attempt.fixes < limits.fixes && canSpend(d, attempt)) {
    queueMessage(d, att, "fix", fixText(failed));
    return;
  }
  const detail = `\`${failed.command}\` exited ${failed.exit ?? "by time-out"} on ${failed.commit.slice(0, 12)}`;
  windDown(d, att, { is: "failed", reason: "gate_failed", detail });
}

/** True while another round fits the attempt's limits. */
export function canSpend(d: Decision, attempt: Attempt): boolean {
  const { limits } = specOf(d.state, attempt);
  const { usage, workedMs } = attempt;
  return usage.turns < limits.turns && usage.usd < limits.usd && workedMs < limits.minutes * 60_000;
}

function onVerified(d: Decision, att: AttemptId, head: Head): void {
  const attempt = d.attempt(att);
  const spec = specOf(d.state, attempt);
  const run = d.state.runs.get(attempt.run);
  const unchanged = changesNothing(attempt, head);
  d.of(att, { type: "attempt.verified", head });
  if (unchanged && (spec.land === "none" || (run && hasLandedBasis(run, spec)))) {
    windDown(d, att, { is: "done", reason: "no_changes", head: head.commit });
    return;
  }
  if (spec.land === "none") {
    windDown(d, att, { is: "done", reason: "not_landed", head: head.commit });
    return;
  }
  endSession(d, att, "verified", false);
  const gateless = gateOf(d.state, spec) === null;
  if (!unchanged && (gateless || spec.approval))
    askPerson(d, att, "approval", approvalText(gateless, spec.gate, head), head.commit);
  else d.of(att, { type: "attempt.approved", commit: head.commit, gateless: false });
}

function approvalText(gateless: boolean, proposed: readonly string[] | null, head: Head): string {
  const commit = head.commit.slice(0, 12);
  if (!gateless) return `land ${commit}?`;
  if (proposed === null || proposed.length === 0)
    return `no gate is configured; land ${commit} without one?`;
  return `no gate is configured; proposed: ${proposed.join(" && ")} (approve --gate), or land ${commit} without one (approve)`;
}
