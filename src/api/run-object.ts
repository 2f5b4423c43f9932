/** The run object of `run --json`, `show --json` and `watch --json`, as a schema: what scripts may rely on. */
import { z } from "zod";
import type { RunView } from "../core/view.ts";

const usd = z.number().describe("US dollars at list price.");
const ms = z.number().describe("Milliseconds.");
const commit = z.string().describe("A full commit id.");

const asking = z
  .strictObject({
    id: z.string(),
    kind: z.enum(["permission", "question", "approval", "conflict", "stalled", "trust"]),
    text: z.string(),
    tool: z.string().nullable(),
    input: z.unknown(),
    deadline: z.string().nullable().describe("ISO 8601; null: it waits for ever."),
  })
  .describe("The oldest open question.");

const gate = z.strictObject({
  command: z.string(),
  exit: z.number().int().nullable().describe("null: it ran out of time."),
  commit,
  on: z.enum(["head", "merge"]),
});

const task = z.strictObject({
  id: z.string(),
  plan: z.string(),
  project: z.string().describe("The repository's folder."),
  target: z.string().describe("The branch that it lands on."),
  state: z.enum([
    "waiting",
    "ready",
    "provisioning",
    "working",
    "asking",
    "parked",
    "paused",
    "verifying",
    "queued",
    "landed",
    "done",
    "failed",
    "canceled",
  ]),
  reason: z.string().nullable(),
  attempts: z.number().int(),
  session: z.string().nullable(),
  runner: z.string(),
  branch: z.string().nullable(),
  worktree: z.string().nullable(),
  head: commit.nullable().describe("The verified commit."),
  landed: commit.nullable().describe("The merge commit on the target."),
  gates: z.array(gate).readonly(),
  asking: asking.nullable(),
  asks: z.number().int().describe("Open questions."),
  turns: z.number().int(),
  costUsd: usd,
  durationMs: ms,
});

/** Strict: a field that is not here is not promised. */
export const runObject: z.ZodType<{ readonly schema: 1; readonly run: RunView }> = z
  .strictObject({
    schema: z.literal(1),
    run: z.strictObject({
      id: z.string(),
      state: z.enum(["running", "needs_attention", "succeeded", "failed", "canceled"]),
      costUsd: usd,
      durationMs: ms,
      tasks: z.array(task).readonly(),
    }),
  })
  .describe("A muster run.");

/** The JSON Schema (draft 2020-12) of the run object, for `muster schema run`. */
export function runJsonSchema(): Record<string, unknown> {
  return { ...z.toJSONSchema(runObject, { io: "input" }), title: "muster run" };
}
