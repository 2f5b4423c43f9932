/** Observations: what the world answered. Facts are recorded even where the task has moved on; only a due one moves it. */
import { decideInspection, decideGate, tryLater } from "./proof.ts";
import { decideMerge, decideLanding } from "./queue.ts";
import { askPerson, decideAsk } from "./ask.ts";
import { decideExit, decideRoundEnd, decideStall, parkFor } from "./round.ts";
import { closeBreakers } from "./breaker.ts";
import { type Decision, conclude, endSession, windDown } from "./decision.ts";
import { never } from "../fault.ts";
import type { AttemptId } from "../ids.ts";
import type { Observation, Observed } from "../inputs.ts";
import { isAnswer, phaseKey, snapshotRef, startOf } from "../keys.ts";
import { ownAsk, specOf } from "../queries.ts";
import type { Attempt } from "../attempt.ts";

/** Provisioning is tried this often before the task fails; waits for space are none of its tries. */
const maxProvisionTries = 3;

export function decideObservation(d: Decision, observation: Observation): void {
  const { att } = observation;
  const attempt = d.state.attempts.get(att);
  if (attempt === undefined) return;
  const isDue = observation.key === phaseKey(attempt) && isAnswer(observation);
  // A person is heard all the same: what stands in the way of a snapshot is met where the round ends.
  if (isDue && attempt.phase.at === "working" && isUnsaved(observation)) {
    d.of(att, { type: "snapshot.missed", why: observation.why });
    return;
  }
  switch (observation.saw) {
    case "provisioned":
    case "provision_failed":
    case "provision_conflicts":
    case "untrusted":
      if (isDue) decideProvision(d, att, observation);
      return;
    case "inspected":
    case "inspect_failed":
    case "committed":
      if (isDue) decideInspection(d, att, observation);
      return;
    case "gated":
    case "gate_broken":
      decideGate(d, att, observation, isDue);
      return;
    case "merged":
    case "merge_conflicts":
    case "target_missing":
    case "signing_failed":
      if (isDue) decideMerge(d, att, observation);
      return;
    case "landed":
    case "target_moved":
    case "checkout_in_the_way":
      if (isDue || (observation.saw === "landed" && isAnswer(observation)))
        decideLanding(d, att, observation);
      return;
    case "snapshot":
      if (observation.ref !== snapshotRef(attempt)) return;
      d.of(att, {
        type: "snapshot.taken",
        ref: observation.ref,
        commit: observation.commit,
        left: observation.left,
        ...(isDue ? {} : { late: true }),
      });
      return;
    case "snapshot_failed":
      if (!isDue) return;
      // The end does not wait: nothing is removed before retiring proves a snapshot of its own.
      if (attempt.phase.at === "ending") conclude(d, att);
      else tryLater(d, att, observation);
      return;
    case "needs_credentials":
      if (isDue) lackCredentials(d, att, observation.why);
      return;
    case "retired":
      if (isDue) d.of(att, { type: "attempt.retired", ref: observation.ref });
      return;
    case "kept":
      if (isDue) d.of(att, { type: "attempt.kept", why: observation.why });
      return;
    default:
      if (isNews(attempt, observation)) decideSession(d, att, observation);
  }
}

/** False for what an earlier start said, and for what of this start's stream is folded already: it came twice. */
function isNews({ starts, offset }: Attempt, observation: Observation): boolean {
  if (startOf(observation.key) !== starts) return false;
  return !("offset" in observation) || observation.offset > offset;
}

type Unsaved = Extract<
  Observed,
  { saw: "snapshot_failed" | "inspect_failed" | "needs_credentials" }
>;

/** No snapshot came to be, for whatever reason. */
function isUnsaved(seen: Observed): seen is Unsaved {
  const { saw } = seen;
  return saw === "snapshot_failed" || saw === "inspect_failed" || saw === "needs_credentials";
}

/** An end is final: its worktree stays where it is. Everything before it waits for a person. */
function lackCredentials(d: Decision, att: AttemptId, why: string): void {
  if (d.attempt(att).phase.at === "ended") d.of(att, { type: "attempt.kept", why });
  else
    d.of(att, {
      type: "attempt.parked",
      park: { reason: "credentials", detail: why, until: null },
    });
}

type Provision = Extract<Observed, { saw: `provision${string}` | "untrusted" }>;

function decideProvision(d: Decision, att: AttemptId, seen: Provision): void {
  const { phase, cancelRequested } = d.attempt(att);
  if (phase.at !== "provisioning") return;
  switch (seen.saw) {
    case "provisioned":
      d.of(att, { type: "attempt.provisioned", worktree: seen.worktree });
      if (cancelRequested) windDown(d, att, { is: "canceled" });
      return;
    case "provision_failed":
      d.of(att, {
        type: "attempt.provision_failed",
        why: seen.why,
        ...(seen.worktree ? { worktree: seen.worktree } : {}),
      });
      if (cancelRequested) windDown(d, att, { is: "canceled" });
      else if (seen.disk === true) parkFor(d, att, "disk", seen.why);
      else if (!seen.retry || d.attempt(att).recoveries >= maxProvisionTries - 1)
        windDown(d, att, { is: "failed", reason: "provision_failed", detail: seen.why });
      else parkFor(d, att, "backoff", seen.why);
      return;
    case "untrusted":
      if (cancelRequested) windDown(d, att, { is: "canceled" });
      else askTrust(d, att, seen);
      return;
    case "provision_conflicts": {
      if (cancelRequested) {
        windDown(d, att, { is: "canceled" });
        return;
      }
      const why = `what it needs conflicts in ${seen.paths.slice(0, 3).join(", ")}`;
      const { run, task } = d.attempt(att);
      if (d.state.runs.get(run)?.tasks.get(task)?.waitsForLanding === true) {
        windDown(d, att, { is: "failed", reason: "conflict", detail: why });
        return;
      }
      d.of(att, { type: "attempt.ended", outcome: { is: "canceled" } });
      d.ofTask(att, { type: "task.deferred", why });
      d.of(att, { type: "attempt.retired", ref: null });
    }
  }
}

/** Asked once: the question waits while provisioning does. */
function askTrust(
  d: Decision,
  att: AttemptId,
  { tree, files }: Extract<Provision, { saw: "untrusted" }>,
): void {
  const attempt = d.attempt(att);
  if (ownAsk(attempt) !== undefined) return;
  const { root } = specOf(d.state, attempt);
  const named = files.slice(0, 3).join(", ");
  const more = files.length > 3 ? ` and ${files.length - 3} more` : "";
  const text = `trust ${root}'s own Claude configuration (${named}${more})? Its hooks and servers run as you; look at it with muster trust`;
  askPerson(d, att, "trust", text, null, tree);
}

type OfSession = Exclude<
  Observed,
  {
    saw:
      | `provision${string}`
      | "untrusted"
      | "inspected"
      | "inspect_failed"
      | "committed"
      | "gated"
      | "gate_broken"
      | "merged"
      | "merge_conflicts"
      | "target_missing"
      | "signing_failed"
      | "landed"
      | "target_moved"
      | "checkout_in_the_way"
      | "snapshot"
      | "snapshot_failed"
      | "needs_credentials"
      | "retired"
      | "kept";
  }
>;

function decideSession(d: Decision, att: AttemptId, seen: OfSession): void {
  const attempt = d.attempt(att);
  const { process } = attempt;
  switch (seen.saw) {
    case "session_started":
      if (process.is !== "starting" || process.n !== seen.n) return;
      d.of(att, { type: "session.started", n: seen.n, pid: seen.pid, version: seen.version });
      if (attempt.phase.at === "ending" || attempt.phase.at === "ended")
        endSession(d, att, "ending", false);
      return;
    case "session_failed_to_start":
    case "session_exited":
      decideExit(d, att, seen);
      return;
    case "message_taken":
      if (attempt.mail.some((m) => m.uuid === seen.uuid && !m.taken))
        d.of(att, { type: "message.taken", uuid: seen.uuid, offset: seen.offset });
      return;
    case "asked":
    case "ask_withdrawn":
    case "answer_taken":
      decideAsk(d, att, seen);
      return;
    case "used":
      d.of(att, {
        type: "attempt.used",
        turns: seen.turns,
        usd: seen.usd,
        offset: seen.offset,
        ...(seen.context === undefined ? {} : { context: seen.context }),
      });
      if (seen.turns > 0) closeBreakers(d, att);
      checkLimits(d, att);
      return;
    case "round_ended":
      decideRoundEnd(d, att, seen);
      return;
    case "stalled":
      decideStall(d, att, seen);
      return;
    default:
      never(seen);
  }
}

/** At the limit the round is interrupted; what it left is kept and the task ends. */
function checkLimits(d: Decision, att: AttemptId): void {
  const { usage, phase, run, task } = d.attempt(att);
  const limits = d.state.runs.get(run)?.tasks.get(task)?.spec.limits;
  if (limits === undefined || phase.at !== "working") return;
  if (usage.turns > limits.turns)
    windDown(d, att, {
      is: "failed",
      reason: "budget_exhausted",
      detail: `over ${limits.turns} turns`,
    });
  else if (usage.usd > limits.usd)
    windDown(d, att, {
      is: "failed",
      reason: "budget_exhausted",
      detail: `over ${limits.usd} USD`,
    });
}
