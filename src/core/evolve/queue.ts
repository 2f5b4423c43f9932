/** Proof and landing in evolve: gates, the merge queue, the target. */
import type { AttemptEvent } from "../events.ts";
import { assert, never } from "../fault.ts";
import type { Attempt, Phase, QueueStep } from "../attempt.ts";

export type GateOrQueue = Extract<
  AttemptEvent,
  {
    type:
      | `gate.${string}`
      | `queue.${string}`
      | `landing.${string}`
      | `merge.${string}`
      | `target.${string}`;
  }
>;

/** The attempt after an event of its gates or its place in the queue. */
export function evolveQueue(a: Attempt, event: GateOrQueue, at: number): Attempt {
  switch (event.type) {
    case "gate.admitted":
      return { ...a, phase: gateAdmitted(a.phase, true) };
    case "gate.passed":
    case "gate.failed":
      return {
        ...a,
        brokenGates: 0,
        gates: [...a.gates.filter((g) => !sameGate(g, event.evidence)), event.evidence],
      };
    case "gate.broken":
      return { ...a, brokenGates: a.brokenGates + 1, phase: gateAdmitted(a.phase, false) };
    case "queue.entered":
      return {
        ...a,
        phase: { at: "queued", head: event.head, since: at, step: { is: "waiting" }, try: 1 },
      };
    case "landing.started":
      return step(a, { is: "merging" });
    case "merge.made":
      return step(a, { is: "gating", merge: event.merge, admitted: false });
    case "merge.unsigned":
      return a.phase.at === "queued"
        ? { ...a, phase: { at: "verified", head: a.phase.head, approved: true } }
        : a;
    case "merge.conflicted":
      return { ...a, conflicts: a.conflicts + 1 };
    case "merge.verified": {
      assert(
        a.phase.at === "queued" && a.phase.step.is === "gating",
        "a verified merge was made before",
      );
      return step(a, { is: "landing", merge: a.phase.step.merge });
    }
    case "target.moved":
      return a.phase.at === "queued"
        ? { ...a, phase: { ...a.phase, step: { is: "waiting" }, try: a.phase.try + 1 } }
        : a;
    default:
      return never(event);
  }
}

function step(a: Attempt, to: QueueStep): Attempt {
  return a.phase.at === "queued" ? { ...a, phase: { ...a.phase, step: to } } : a;
}

function gateAdmitted(phase: Phase, admitted: boolean): Phase {
  const again = admitted ? 0 : 1;
  if (phase.at === "verifying") return { ...phase, admitted, try: phase.try + again };
  if (phase.at === "queued" && phase.step.is === "gating")
    return { ...phase, try: phase.try + again, step: { ...phase.step, admitted } };
  return phase;
}

function sameGate(
  a: { command: string; commit: string },
  b: { command: string; commit: string },
): boolean {
  return a.command === b.command && a.commit === b.commit;
}
