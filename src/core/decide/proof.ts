/** Proof: from what a round left behind to a verified commit. A claim is not proof; a gate that exited 0 on the commit is. */
import { askPerson, parkFor } from "./round.ts";
import { type Decision, endSession, queueMessage, windDown } from "./decision.ts";
import type { AttemptId } from "../ids.ts";
import type { Observed } from "../inputs.ts";
import { gateOf, specOf } from "../queries.ts";
import type { Attempt, GateEvidence, Head } from "../state.ts";
import { commitText, fixText } from "../texts.ts";

/** A gate that could not be run (its place, not its result) is tried this often. */
const maxGateTries = 3;

type Saw<K extends Observed["saw"]> = Extract<Observed, { saw: K }>;

export function decideInspection(
  d: Decision,
  att: AttemptId,
  seen: Saw<"inspected" | "inspect_failed" | "committed">,
): void {
  const attempt = d.attempt(att);
  if (attempt.phase.at !== "settling") return;
  switch (seen.saw) {
    case "inspect_failed":
      windDown(d, att, { is: "failed", reason: "agent_error", detail: seen.why });
      return;
    case "committed":
      if (attempt.phase.step === "commit") d.of(att, { type: "commit.made", head: seen.head });
      return;
    case "inspected":
      if (attempt.phase.step === "inspect") onInspected(d, att, seen);
  }
}

function onInspected(d: Decision, att: AttemptId, seen: Saw<"inspected">): void {
  const attempt = d.attempt(att);
  const spec = specOf(d.state, attempt);
  const remind = seen.dirty && attempt.reminders === 0 && canSpend(d, attempt);
  d.of(att, {
    type: "head.read",
    head: seen.head,
    dirty: seen.dirty,
    commitNext: seen.dirty && !remind,
  });
  if (seen.onTarget || !seen.related) {
    const why = seen.onTarget
      ? `the worktree has ${spec.target} itself checked out or moved it; those commits were not verified`
      : "HEAD shares no history with its base";
    d.of(att, { type: "attempt.returned", why });
    askPerson(d, att, "conflict", why, null);
  } else if (remind) queueMessage(d, att, "commit", commitText());
  else if (seen.dirty) return;
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

export function decideGate(d: Decision, att: AttemptId, seen: Saw<"gated" | "gate_broken">): void {
  const { phase } = d.attempt(att);
  const commit = seen.saw === "gated" ? seen.head.commit : seen.commit;
  const on = phase.at === "verifying" && phase.head.commit === commit ? "head" : "merge";
  const merging =
    phase.at === "queued" && phase.step.is === "gating" && phase.step.merge.commit === commit;
  const isDue = (phase.at === "verifying" && on === "head") || merging;
  if (seen.saw === "gate_broken") {
    if (!isDue) return;
    d.of(att, { type: "gate.broken", commit, why: seen.why });
    if (phase.try >= maxGateTries)
      windDown(d, att, { is: "failed", reason: "provision_failed", detail: seen.why });
    else parkFor(d, att, "backoff", seen.why);
    return;
  }
  for (const evidence of seen.evidence)
    d.of(att, { type: evidence.exit === 0 ? "gate.passed" : "gate.failed", evidence });
  if (!isDue) return;
  const failed = seen.evidence.find((evidence) => evidence.exit !== 0);
  if (failed !== undefined) onRed(d, att, failed);
  else if (merging) d.of(att, { type: "merge.verified" });
  else onVerified(d, att, seen.head);
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
  const { worktree } = d.attempt(att);
  const spec = specOf(d.state, d.attempt(att));
  d.of(att, { type: "attempt.verified", head });
  if (worktree !== null && worktree.baseTree === head.tree) {
    windDown(d, att, { is: "done", reason: "no_changes", head: head.commit });
    return;
  }
  if (spec.land === "none") {
    windDown(d, att, { is: "done", reason: "not_landed", head: head.commit });
    return;
  }
  endSession(d, att, "verified", false);
  const gateless = gateOf(d.state, spec) === null;
  if (gateless || spec.approval)
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
