/** The merge queue, one entry at a time per lane: merge in memory, gate on the merged tree, compare-and-swap. */
import { canSpend } from "./proof.ts";
import { askPerson } from "./ask.ts";
import { parkFor } from "./round.ts";
import { type Decision, queueMessage, windDown } from "./decision.ts";
import type { AttemptId } from "../ids.ts";
import type { Observed } from "../inputs.ts";
import { gateOf, specOf } from "../queries.ts";
import type { Attempt, GateEvidence, Merge } from "../attempt.ts";
import { conflictText } from "../texts.ts";

/** How long an entry waits before it looks again whether the person's checkout is out of the way. */
const checkoutRetryMs = 15_000;

type Saw<K extends Observed["saw"]> = Extract<Observed, { saw: K }>;

export function decideMerge(
  d: Decision,
  att: AttemptId,
  seen: Saw<"merged" | "merge_conflicts" | "target_missing" | "signing_failed">,
): void {
  const { phase } = d.attempt(att);
  if (phase.at !== "queued" || phase.step.is !== "merging") return;
  switch (seen.saw) {
    case "merged":
      onMerged(d, att, seen.merge);
      return;
    case "merge_conflicts":
      onConflict(d, att, seen.paths);
      return;
    case "signing_failed": {
      const text = `the landing can't be signed: ${seen.why}; approve lands it unsigned, resume tries again`;
      d.of(att, { type: "merge.unsigned", why: seen.why });
      askPerson(d, att, "approval", text, phase.head.commit);
      return;
    }
    case "target_missing":
      if (seen.disk === true) {
        parkFor(d, att, "disk", seen.why);
        return;
      }
      d.of(att, { type: "attempt.returned", why: seen.why });
      askPerson(d, att, "conflict", seen.why, null);
  }
}

/** A tree that passed the same commands is not run again; its evidence is used and named. */
function onMerged(d: Decision, att: AttemptId, merge: Merge): void {
  d.of(att, { type: "merge.made", merge });
  const attempt = d.attempt(att);
  const commands = gateOf(d.state, specOf(d.state, attempt)) ?? [];
  const proofs = commands.map((command) => proofOf(attempt, command, merge.tree));
  if (proofs.some((proof) => proof === undefined)) return;
  for (const proof of proofs)
    if (proof !== undefined)
      d.of(att, {
        type: "gate.passed",
        evidence: { ...proof, commit: merge.commit, on: "merge", reusedFrom: proof.commit },
      });
  d.of(att, { type: "merge.verified" });
}

function proofOf(attempt: Attempt, command: string, tree: string): GateEvidence | undefined {
  return attempt.gates.find(
    (gate) => gate.command === command && gate.tree === tree && gate.exit === 0,
  );
}

/** A conflict goes back to the session once; the second one asks. */
function onConflict(d: Decision, att: AttemptId, paths: readonly string[]): void {
  const attempt = d.attempt(att);
  const { target } = specOf(d.state, attempt);
  d.of(att, { type: "merge.conflicted", paths });
  if (attempt.conflicts === 0 && canSpend(d, attempt)) {
    queueMessage(d, att, "conflict", conflictText(target, paths));
    return;
  }
  const why = `conflicts with ${target} in ${paths.slice(0, 3).join(", ")}`;
  d.of(att, { type: "attempt.returned", why });
  askPerson(d, att, "conflict", why, null);
}

export function decideLanding(
  d: Decision,
  att: AttemptId,
  seen: Saw<"landed" | "target_moved" | "checkout_in_the_way">,
): void {
  const { phase, cancelRequested } = d.attempt(att);
  if (seen.saw === "landed") {
    if (phase.at !== "queued") return;
    d.of(att, {
      type: "attempt.ended",
      outcome: { is: "landed", commit: seen.commit, head: phase.head.commit },
    });
    d.ofTask(att, {
      type: "task.landed",
      att,
      commit: seen.commit,
      head: phase.head.commit,
      followed: seen.followed,
    });
    return;
  }
  if (phase.at !== "queued" || phase.step.is !== "landing") return;
  if (cancelRequested) {
    windDown(d, att, { is: "canceled" });
    return;
  }
  if (seen.saw === "target_moved")
    d.of(att, { type: "target.moved", expected: seen.expected, now: seen.now });
  else parkFor(d, att, "checkout", seen.detail, checkoutRetryMs);
}
