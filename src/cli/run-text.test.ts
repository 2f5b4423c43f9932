/** A run as text: what is asked, what is stuck, and the command that goes on from there. */
import { expect, test } from "vitest";
import type { RunDetail } from "../api/service.ts";
import type { AskView, TaskView } from "../core/view.ts";
import { nextSteps, runText } from "./run-text.ts";

const ask = (kind: AskView["kind"], text: string): AskView => ({
  id: "1",
  kind,
  text,
  tool: null,
  input: null,
  deadline: null,
});

function detail(
  task: Partial<TaskView>,
  more: { state?: RunDetail["run"]["state"]; costUsd?: number; paused?: boolean } = {},
): RunDetail {
  const view: TaskView = {
    id: "api",
    plan: "p",
    project: "/p",
    target: "main",
    state: "working",
    reason: null,
    attempts: 1,
    session: null,
    runner: "claude-cli",
    branch: null,
    worktree: null,
    head: null,
    landed: null,
    gates: [],
    asking: null,
    asks: 0,
    turns: 0,
    costUsd: 0,
    durationMs: 0,
    ...task,
  };
  return {
    run: {
      id: "run_1",
      state: more.state ?? "running",
      costUsd: more.costUsd ?? 0,
      durationMs: 1_000,
      tasks: [view],
    },
    name: "plan",
    startedAt: 0,
    parallel: 1,
    usd: 10,
    paused: more.paused ?? false,
    pausedFor: null,
    unrecorded: null,
    settled: false,
    tasks: [{ key: "api", prompt: "", needs: [], detail: null, attempts: [], asks: [] }],
  };
}

test.each([
  ["approval", "muster approve run_1/api"],
  ["permission", "muster answer run_1/api --allow"],
  ["question", 'muster answer run_1/api "TEXT"'],
  ["conflict", 'muster answer run_1/api "TEXT"'],
] as const)("a question of kind %s ends in the command that answers it", (kind, command) => {
  expect(nextSteps(detail({ state: "asking", asking: ask(kind, "well?") }))).toEqual([
    "▲ api asks: well?",
    `↳ ${command}`,
  ]);
});

test("what is stuck ends in the command that moves it", () => {
  const stuck = (task: Partial<TaskView>, more = {}) => nextSteps(detail(task, more)).at(-1);
  expect(stuck({ state: "paused" })).toBe("↳ To go on, run muster resume run_1/api");
  expect(stuck({ state: "paused" }, { paused: true })).toBe("↳ To go on, run muster resume run_1");
  expect(stuck({ state: "parked", reason: "credentials" })).toContain("muster resume run_1");
  const parked = { state: "parked", reason: "checkout", project: "/my repo" } as const;
  expect(stuck(parked)).toContain("git -C '/my repo' status");
  expect(stuck({ state: "parked", reason: "memory" })).toContain("muster host status");
  expect(stuck({ state: "failed" })).toContain("muster retry run_1/api");
  const poor = { state: "needs_attention", costUsd: 10 } as const;
  expect(stuck({ state: "ready" }, poor)).toContain("muster resume run_1 --usd 20");
});

test("a hostile question or name stays on its line", () => {
  const text = "ls\u001b[2J\n✓ everything landed";
  const shown = runText({
    ...detail({ state: "asking", asking: ask("permission", text) }),
    name: "a\nb",
  });
  expect(shown).not.toContain("\u001b");
  expect(shown).toContain("▲ api asks: ls ✓ everything landed");
  expect(shown.split("\n").filter((line) => line.startsWith("✓"))).toEqual([]);
});

test("what can't be recorded comes first, with the command that tells more", () => {
  const unrecorded = { why: "no space left for /m/ledger.db", command: "df -h /m" };
  expect(nextSteps({ ...detail({ state: "paused" }), unrecorded }).slice(0, 2)).toEqual([
    "▲ nothing can be recorded: no space left for /m/ledger.db",
    "↳ It goes on by itself once that is mended; to look, run df -h /m",
  ]);
});
