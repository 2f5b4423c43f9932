/** A state as a word, a shape and a tone; never by color alone. */
import type { RunStateName, TaskStateName, TaskView } from "../core/view.ts";
import type { Tone } from "./output.ts";

const marks: Readonly<Record<TaskStateName | RunStateName, readonly [string, Tone]>> = {
  waiting: ["○", "dim"],
  ready: ["○", "dim"],
  provisioning: ["◎", "busy"],
  working: ["◎", "busy"],
  asking: ["▲", "ask"],
  parked: ["◌", "ask"],
  paused: ["◌", "dim"],
  verifying: ["◎", "busy"],
  queued: ["◎", "busy"],
  landed: ["✓", "good"],
  done: ["✓", "good"],
  failed: ["✗", "bad"],
  canceled: ["–", "dim"],
  running: ["◎", "busy"],
  needs_attention: ["▲", "ask"],
  succeeded: ["✓", "good"],
};

export function mark(state: TaskStateName | RunStateName): string {
  return marks[state][0];
}

export function tone(state: TaskStateName | RunStateName): Tone {
  return marks[state][1];
}

/** True where nothing more comes of a task unless somebody tries it again. */
export function isOver({ state }: Pick<TaskView, "state">): boolean {
  return state === "landed" || state === "done" || state === "failed" || state === "canceled";
}
