/** The tasks of one run of the soak: every way a task usually goes, on both runners, with what each has to come to. */
import {
  failsGateThenRepairs,
  lie,
  prompt,
  writeAndCommit,
  writeWithoutCommit,
} from "../../src/testing/model/behaviors.ts";
import { bash, commit, say, write } from "../../src/testing/model/steps.ts";
import type { PlanTask } from "../e2e/harness.ts";

export interface MixedTask {
  readonly kind: Kind;
  readonly task: PlanTask;
  /** The state that it has to end in. */
  readonly state: "landed" | "done" | "failed" | "canceled";
}

/** Kinds and how many of 25 tasks are of each. */
const kinds = {
  lands: 10,
  /** Leaves a process behind that would live for an hour. */
  leaves: 2,
  repairs: 3,
  /** Commits nothing, so muster does. */
  untidy: 2,
  /** Changes nothing. */
  idle: 3,
  /** Its gate stays red; its worktree is kept for a person. */
  fails: 2,
  /** Is stopped by a person in the middle of its round. */
  stopped: 3,
} as const;

type Kind = keyof typeof kinds;

export const runSize = Object.values(kinds).reduce((sum, n) => sum + n, 0);

/** The tasks of the `n`th run; no two runs write the same. */
export function mixOf(n: number): readonly MixedTask[] {
  const all = Object.entries(kinds) as [Kind, number][];
  return all.flatMap(([kind, count]) =>
    Array.from({ length: count }, (_, i) => mixedTask(kind, n, i)),
  );
}

function mixedTask(kind: Kind, n: number, i: number): MixedTask {
  const id = `${kind}-${i}`;
  const runner = (n + i) % 3 === 0 ? "claude-sdk" : "claude-cli";
  const task = { id, runner, permissions: { allow: ["Bash"] } };
  const folder = `run-${n}`;
  const file = `${folder}/${id}.md`;
  switch (kind) {
    case "lands":
      return landed(kind, { ...task, prompt: writeAndCommit({ [file]: `${id}\n` }, `Add ${id}`) });
    case "leaves": {
      const steps = [
        write(file, `${id}\n`),
        bash("setsid sleep 3600 > /dev/null 2>&1 & sleep 3600 > /dev/null 2>&1 &"),
        commit(`Add ${id}`),
        say("Done."),
      ];
      return landed(kind, { ...task, prompt: prompt(`Add ${id}.`, steps) });
    }
    case "repairs": {
      const bad = { [`${id}.txt`]: `bad ${n}\n` };
      const good = { [`${id}.txt`]: `good ${n}\n` };
      return landed(kind, { ...task, prompt: failsGateThenRepairs(bad, good) });
    }
    case "untidy":
      return landed(kind, { ...task, prompt: writeWithoutCommit({ [file]: `${id}\n` }) });
    case "idle":
      return { kind, state: "done", task: { ...task, prompt: lie() } };
    case "fails": {
      const steps = [write(`${id}.txt`, `bad ${n}\n`), commit("Bad"), say("Done.")];
      const failing = { ...task, limits: { fixes: 0 }, prompt: prompt("Break it.", steps) };
      return { kind, state: "failed", task: failing };
    }
    case "stopped": {
      const steps = [write(file, `${id}\n`), { hang: "stream" } as const, say("Done.")];
      return { kind, state: "canceled", task: { ...task, prompt: prompt("Begin.", steps) } };
    }
  }
}

function landed(kind: Kind, task: PlanTask): MixedTask {
  return { kind, state: "landed", task };
}
