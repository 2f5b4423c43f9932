/**
 * Stalls: silence of a session while a round is in flight, measured from the last line of its stream, with a limit per phase. A
 * wait for a person is not a stall, nor is an announced back-off of the binary. Times are monotonic: a machine that slept has not stalled.
 */
import type { AgentEvent } from "../core/runner.ts";

export interface StallLimits {
  /** Start to first line. */
  readonly startMs: number;
  /** Waiting for the model: above the binary's own API time-out of 300 s, so that its retry comes first. */
  readonly modelMs: number;
  /** A tool runs: the binary sends a heartbeat every 30 s (claude-code.md §8). */
  readonly toolMs: number;
}

export const defaultStall: StallLimits = { startMs: 60_000, modelMs: 360_000, toolMs: 100_000 };

export interface Silence {
  readonly silentMs: number;
  readonly during: "start" | "model" | "tool";
}

export interface StallWatch {
  saw(event: AgentEvent, now: number): void;
  /** A silence that is too long at `now`; told once until the session is heard again. */
  look(now: number): Silence | undefined;
}

export function watchStalls(limits: StallLimits, startedAt: number): StallWatch {
  let heardAt = startedAt;
  let phase: Silence["during"] | "idle" | "asking" = "start";
  let excusedUntil = 0;
  let told = false;
  return {
    saw(event, now) {
      heardAt = now;
      told = false;
      phase = after(phase, event);
      if (event.is === "retrying") excusedUntil = now + event.delayMs;
    },
    look(now) {
      if (phase === "idle" || phase === "asking" || told || now < excusedUntil) return undefined;
      const limit =
        phase === "start" ? limits.startMs : phase === "tool" ? limits.toolMs : limits.modelMs;
      const silentMs = now - Math.max(heardAt, excusedUntil);
      if (silentMs < limit) return undefined;
      told = true;
      return { silentMs, during: phase };
    },
  };
}

function after(phase: Silence["during"] | "idle" | "asking", event: AgentEvent): typeof phase {
  switch (event.is) {
    case "state":
      return event.state === "idle"
        ? "idle"
        : event.state === "requires_action"
          ? "asking"
          : phase === "tool"
            ? "tool"
            : "model";
    case "used_tool":
      return "tool";
    case "tool_done":
      return "model";
    case "taken":
      return phase === "idle" || phase === "start" ? "model" : phase;
    case "round_ended":
      return "idle";
    default:
      return phase;
  }
}
