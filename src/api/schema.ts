/** The wire: one zod schema for server and client. Responses carry `schema: 1`; errors are Faults. */
import { z } from "zod";

/** Who asks: the allow-listed environment, and where their own configuration is. */
const caller = {
  env: z.record(z.string(), z.string()),
  /** XDG_CONFIG_HOME; null where it is not set. */
  configHome: z.string().nullable(),
  /** CLAUDE_CONFIG_DIR; null where it is not set. */
  claudeConfigDir: z.string().nullable(),
};
const callerSchema = z.object(caller);
export type Caller = z.infer<typeof callerSchema>;

export const runRequest = z.object({
  /** Where `muster run` was called: decides the project. */
  cwd: z.string().min(1),
  sources: z.array(z.object({ path: z.string(), text: z.string() })),
  prompts: z.array(z.string()),
  options: z.object({
    runner: z.enum(["claude-cli", "claude-sdk"]).optional(),
    model: z.string().min(1).optional(),
    target: z.string().min(1).optional(),
    gate: z.array(z.string()).optional(),
    parallel: z.number().int().positive().optional(),
    usd: z.number().positive().optional(),
    turns: z.number().int().positive().optional(),
    minutes: z.number().positive().optional(),
    /** null = for ever. */
    waitMs: z.number().nonnegative().nullable().optional(),
  }),
  attended: z.boolean(),
  acceptGates: z.boolean(),
  /** Give the tasks that are new to the latest run of the same plans. */
  continue: z.boolean().optional(),
  ...caller,
});
export type RunRequest = z.infer<typeof runRequest>;

const target = { run: z.string(), task: z.string().nullable() };
const task = { run: z.string(), task: z.string() };

export const commandRequest = z.discriminatedUnion("type", [
  z.object({ type: z.literal("stop"), ...target }),
  z.object({ type: z.literal("pause"), ...target, interrupt: z.boolean() }),
  z.object({
    type: z.literal("resume"),
    ...target,
    usd: z.number().positive().nullable(),
    ...caller,
  }),
  z.object({ type: z.literal("retry"), ...target, ...caller }),
  z.object({ type: z.literal("tell"), ...task, text: z.string().min(1) }),
  z.object({
    type: z.literal("answer"),
    ...task,
    ask: z.string().nullable(),
    answer: z.discriminatedUnion("is", [
      z.object({ is: z.literal("allow") }),
      z.object({ is: z.literal("deny"), because: z.string() }),
      z.object({ is: z.literal("text"), text: z.string().min(1) }),
    ]),
  }),
  z.object({ type: z.literal("approve"), ...task, gate: z.boolean() }),
  z.object({ type: z.literal("reject"), ...task, because: z.string().min(1) }),
  z.object({ type: z.literal("attend"), run: z.string() }),
]);
export type CommandRequest = z.infer<typeof commandRequest>;

/** null = none: all worktrees, and nothing of what is only old. */
const olderThanMs = z.number().nonnegative().nullable();
/** null = no limit. */
const largerThanBytes = z.number().nonnegative().nullable();

export interface CleanQuery {
  readonly run: string | null;
  readonly task: string | null;
  readonly olderThanMs: number | null;
  /** How much may stay of attempts, gates and logs. */
  readonly largerThanBytes: number | null;
}

export const cleanRequest = z.object({
  worktrees: z.array(z.string()),
  /** Attempts whose old data goes. */
  attempts: z.array(z.string()),
  olderThanMs,
  largerThanBytes,
});
export type CleanRequest = z.infer<typeof cleanRequest>;

export const repairRequest = z.object({
  /** Ids of what was found. */
  findings: z.array(z.string()),
  retentionMs: z.number().nonnegative(),
});
export type RepairRequest = z.infer<typeof repairRequest>;

export const restoreRequest = z.object({
  ...task,
  /** As `SnapshotItem.at`; null = the newest. */
  at: z.string().nullable(),
  /** Absolute; null = where the attempt's worktree was. */
  to: z.string().nullable(),
  dryRun: z.boolean(),
});
export type RestoreRequest = z.infer<typeof restoreRequest>;

export const trustRequest = z.object({
  /** Where `muster trust` was called, or the folder it was given. */
  cwd: z.string().min(1),
  target: z.string().min(1).nullable(),
  ...caller,
});
export type TrustRequest = z.infer<typeof trustRequest>;

/** Trust is given to what was shown: its hash. */
export const trustGiven = trustRequest.extend({ tree: z.string().min(1) });
export type TrustGiven = z.infer<typeof trustGiven>;

export const attachRequest = z.object({
  ...task,
  /** The session that handed over to the present one, to be asked: it goes on as a copy and changes nothing. */
  former: z.boolean(),
  /** The process that the claim on the session is made for. */
  holder: z.object({ pid: z.number().int(), startedAt: z.string(), boot: z.string() }),
  ...caller,
});
export type AttachRequest = z.infer<typeof attachRequest>;
