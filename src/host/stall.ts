/**
 * Stalls: silence of a session while a round is in flight, measured from the last line of its stream, or from what was said to one that
 * rested, with a limit per phase. A wait for a person is not a stall, nor is an announced back-off of the binary. Times are monotonic: a machine that slept has not stalled.
 */
import type { Uuid } from "../core/ids.ts";
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
  /**
   * A message was handed over at `now`: from then on a session that rested has something to do. One that it has heard already (said
   * again after a restart) changes nothing.
   */
  said(uuid: Uuid, now: number): void;
  /** A question was answered at `now`: once none is open, the session waits for nobody. */
  answered(ask: string, now: number): void;
  /** A silence that is too long at `now`; told once until the session is heard again. */
  look(now: number): Silence | undefined;
}

export function watchStalls(limits: StallLimits, startedAt: number): StallWatch {
  let heardAt = startedAt;
  let phase: WatchPhase = "start";
  let excusedUntil = 0;
  let told = false;
  const open: Open = { messages: new Set(), asks: new Set(), heard: new Set() };
  const begin = (now: number): void => {
    heardAt = now;
    told = false;
    phase = "model";
  };
  return {
    saw(event, now) {
      heardAt = now;
      told = false;
      note(open, event);
      phase = after(phase, event);
      // A message that came as its round ended makes another one.
      if (phase === "idle" && open.messages.size > 0) phase = "model";
      if (event.is === "retrying") excusedUntil = now + event.delayMs;
    },
    // What is said while something is under way is no sign of life.
    said(uuid, now) {
      if (open.heard.has(uuid)) return;
      open.messages.add(uuid);
      if (phase === "idle") begin(now);
      if (phase !== "start") return;
      heardAt = now;
      told = false;
    },
    answered(ask, now) {
      open.asks.delete(ask);
      if (phase === "asking" && open.asks.size === 0) begin(now);
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

type WatchPhase = Silence["during"] | "idle" | "asking";

/** What the session has been told and has not said that it heard, and what it asked and nobody has answered. */
interface Open {
  readonly messages: Set<Uuid>;
  readonly asks: Set<string>;
  /** The messages that it said it heard: it says so once of each. */
  readonly heard: Set<Uuid>;
}

function note({ messages, asks, heard }: Open, event: AgentEvent): void {
  if (event.is === "taken") {
    messages.delete(event.uuid);
    heard.add(event.uuid);
  } else if (event.is === "asked") asks.add(event.ask);
  else if (event.is === "ask_withdrawn") asks.delete(event.ask);
  else if (event.is === "round_ended") asks.clear();
}

function after(phase: WatchPhase, event: AgentEvent): WatchPhase {
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
