/**
 * Keys of effects: made of ids in the state and a try number, stable while the effect is due. An observation brings the key back,
 * which tells a due answer from one that is late or came twice.
 */
import type { EffectName } from "./effects.ts";
import type { Observation, Observed } from "./inputs.ts";
import type { Attempt, Phase } from "./attempt.ts";

/** The key of what an attempt's phase has to do, held up or not; null where the phase itself does nothing. */
export function phaseKey(attempt: Attempt): string | null {
  const { id, phase, snapshots, rounds } = attempt;
  switch (phase.at) {
    case "provisioning":
      return `provision:${id}:${phase.try}`;
    case "settling":
      if (phase.step === "snapshot") return `snapshot:${id}:${snapshots + 1}:${rounds}`;
      if (phase.step === "commit") return `commit:${id}:${snapshots}`;
      return `inspect:${id}:${snapshots}:${attempt.head?.commit ?? ""}`;
    case "verifying":
      return `gate:${id}:${phase.head.commit}:${phase.try}`;
    case "queued":
      return queueKey(id, phase);
    case "ending":
      return `snapshot:${id}:${snapshots + 1}:last`;
    case "ended":
      return `retire:${id}`;
    case "idle":
      // What was begun before a round or a process ended holds less than is there now.
      return phase.saved
        ? null
        : `snapshot:${id}:${snapshots + 1}:${rounds}:${attempt.starts}:${attempt.process.is}`;
    case "working":
      return phase.unsaved === true
        ? `snapshot:${id}:${snapshots + 1}:joins:${attempt.seedUsed}`
        : null;
    case "verified":
      return null;
  }
}

function queueKey(id: string, { step, head, try: n }: Phase & { at: "queued" }): string | null {
  switch (step.is) {
    case "waiting":
      return null;
    case "merging":
      return `merge:${id}:${head.commit}:${n}`;
    case "gating":
      return `gate:${id}:${step.merge.commit}:${n}`;
    case "landing":
      return `land:${id}:${step.merge.commit}:${n}`;
  }
}

/** Which effect an observation answers; the rest come from a session, or from any effect. */
export const answered: Partial<Record<Observed["saw"], EffectName>> = {
  provisioned: "provision",
  provision_failed: "provision",
  provision_conflicts: "provision",
  untrusted: "provision",
  snapshot: "snapshot",
  snapshot_failed: "snapshot",
  inspected: "inspect",
  committed: "commit",
  gated: "gate",
  gate_broken: "gate",
  merged: "merge",
  merge_conflicts: "merge",
  target_missing: "merge",
  signing_failed: "merge",
  landed: "land",
  target_moved: "land",
  checkout_in_the_way: "land",
  retired: "retire",
  kept: "retire",
};

/** True where an observation answers the effect that its key is for. */
export function isAnswer({ key, att, saw }: Observation): boolean {
  const effect = answered[saw];
  return effect === undefined || key.startsWith(`${effect}:${att}:`) || key === `${effect}:${att}`;
}

export function sessionKey(att: string, n: number): string {
  return `session:${att}:${n}`;
}

/** The start that a key of a session's effect belongs to (`session:`, `send:`, `answer:`, `end:`); NaN for any other key. */
export function startOf(key: string): number {
  const [of, , n] = key.split(":");
  return of === "session" || of === "send" || of === "answer" || of === "end" ? Number(n) : NaN;
}

/** The ref that an attempt's next snapshot goes to. */
export function snapshotRef({ id, snapshots }: Attempt): string {
  return `refs/muster/attempts/${id}/${snapshots + 1}`;
}
