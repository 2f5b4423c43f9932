/** The shape of `plan.yaml`: the single source of what is read, of every error's "expected" and of `muster schema plan`. */
import { z } from "zod";
import {
  branchField,
  commandField,
  durationField,
  insideField,
  needIdField,
  plainText,
  positive,
  ruleField,
  taskIdField,
  toolField,
  whole,
} from "./fields.ts";

const mapping = "keys and values";
const aWeek = 7 * 24 * 60;

const gateField = z
  .union(
    [
      z.literal("none"),
      commandField,
      z
        .array(commandField, "a list")
        .min(1, "at least one command, or none")
        .max(50, "at most 50 commands"),
    ],
    "a command, a list of commands, or none",
  )
  .describe(
    "Shell commands that muster runs on the exact commit; none says that there is no gate on purpose.",
  );

const turns = whole("a whole number over 0", 1, 100_000);
const minutes = positive("a number over 0", aWeek);
const usd = positive("a number over 0", 1_000_000);

const limitsField = z
  .strictObject(
    {
      turns: turns.describe("Model calls with their tools.").optional(),
      minutes: minutes.describe("Minutes of work, without waiting for a person.").optional(),
      usd: usd.describe("US dollars.").optional(),
      fixes: whole("a whole number from 0", 0, 100)
        .describe("How often a red gate goes back to the same session.")
        .optional(),
      context: whole("a whole number of tokens from 100000", 100_000, 1_000_000)
        .describe(
          "Tokens at which a session's context is compacted, 200000 by default; from 70 % of it a new session takes over.",
        )
        .optional(),
    },
    mapping,
  )
  .describe("What one attempt may take, over all of its rounds.");

const rules = z.array(ruleField, "a list of rules").max(500, "at most 500 rules");

const permissionsField = z
  .strictObject(
    {
      allow: rules.describe("What runs without a question.").optional(),
      ask: rules.describe("What is asked even if it is allowed.").optional(),
      deny: rules.describe("What never runs.").optional(),
      wait: durationField
        .describe("How long a permission question waits for a person: 90s, 15m, 2h, 0 or forever.")
        .optional(),
    },
    mapping,
  )
  .describe("Rules in Claude Code's own syntax.");

const runnerField = z
  .enum(["claude-cli", "claude-sdk"], "claude-cli or claude-sdk")
  .describe("How sessions run: the claude binary, or the Agent SDK.");
const modelField = plainText("the name of a model").describe(
  "The model of the session, such as sonnet.",
);
const profileField = z
  .enum(["isolated", "project"], "isolated or project")
  .describe(
    "project: the session loads the base commit's .claude, .mcp.json and CLAUDE.md, once muster trust has recorded them.",
  );
const toolsField = z
  .array(toolField, "a list of tools")
  .max(100, "at most 100 tools")
  .describe("The tools that the session has.");
const pathsField = z
  .array(insideField, "a list of paths")
  .min(1, "at least one path")
  .max(1_000, "at most 1,000 paths")
  .describe("What the task may change, as globs from the root; a change outside is a failed gate.");
const approvalField = z
  .enum(["required", "none"], "required or none")
  .describe("required: a person says yes to an exact commit before it lands.");
const landField = z
  .enum(["none", "local", "push", "pr"], "none, local, push or pr")
  .describe(
    "Where verified work goes: nowhere, the local target branch, pushed, or a pull request.",
  );
const cwdField = insideField.describe(
  "The folder that the session and its gate work in, from the root.",
);
const targetField = branchField.describe("The branch that verified work lands on.");

/** What a task may say and `defaults` may say for it. */
const shared = {
  runner: runnerField.optional(),
  model: modelField.optional(),
  profile: profileField.optional(),
  gate: gateField.optional(),
  limits: limitsField.optional(),
  cwd: cwdField.optional(),
  paths: pathsField.optional(),
  tools: toolsField.optional(),
  permissions: permissionsField.optional(),
  approval: approvalField.optional(),
  land: landField.optional(),
};

const needMapping = z.strictObject(
  {
    task: needIdField.describe("The needed task's id; plan.task for one of another plan."),
    when: z
      .enum(["verified", "landed"], "verified or landed")
      .describe("What to wait for: its verified commit, or that commit on the target.")
      .optional(),
  },
  mapping,
);
const needField = z.union([needIdField, needMapping], "a task's id or { task: id, when: landed }");

const promptFile = z.strictObject(
  { file: plainText("the path of a text file", 4096).describe("From the plan's folder.") },
  mapping,
);

const promptField = z
  .union([z.string(), promptFile], "text or { file: path }")
  .describe("What the session is asked to do.");

const taskSchema = z.strictObject(
  {
    id: taskIdField.describe("The task's name in this plan."),
    prompt: promptField,
    needs: z
      .array(needField, "a list of task ids")
      .max(1_000, "at most 1,000 needs")
      .describe("The tasks whose work this one starts from.")
      .optional(),
    ...shared,
    artifacts: z
      .array(insideField, "a list of paths")
      .max(1_000, "at most 1,000 paths")
      .describe("Files that the task promises, from the root; tasks that need it may read them.")
      .optional(),
    project: plainText("the path of a repository", 4096)
      .refine((path) => !path.startsWith("-"), "the path of a repository")
      .describe("Another repository, from the plan's folder.")
      .optional(),
    target: targetField.optional(),
  },
  "a task: keys and values",
);

const runLimitsField = z
  .strictObject(
    {
      parallel: whole("a whole number over 0", 1, 1_000)
        .describe("Rounds in flight at the same time.")
        .optional(),
      usd: usd.describe("US dollars for all tasks together.").optional(),
    },
    mapping,
  )
  .describe("For this plan's own tasks together.");

export const planSchema = z
  .strictObject(
    {
      version: z.literal(1, "1").describe("The version of this format."),
      name: plainText("a name", 200)
        .describe("The plan's name; its slug is the plan's id.")
        .optional(),
      target: targetField.optional(),
      defaults: z
        .strictObject(shared, mapping)
        .describe("For every task that does not say else.")
        .optional(),
      limits: runLimitsField.optional(),
      tasks: z
        .array(taskSchema, "a list of tasks")
        .min(1, "at least one task")
        .describe("The tasks, at most 10,000."),
    },
    "a plan: version, name, tasks",
  )
  .describe("A muster plan.");

export type RawPlan = z.output<typeof planSchema>;
export type RawTask = z.output<typeof taskSchema>;
export type RawShared = NonNullable<RawPlan["defaults"]>;

/** The JSON Schema (draft 2020-12) of `plan.yaml`, for editors and `muster schema plan`. */
export function planJsonSchema(): Record<string, unknown> {
  return { ...z.toJSONSchema(planSchema, { io: "input" }), title: "muster plan" };
}

/** The keys that may stand at a path of a plan. */
export function keysAt(path: readonly PropertyKey[]): readonly string[] {
  return Object.keys(mappingAt(path));
}

function mappingAt(path: readonly PropertyKey[]): Readonly<Record<string, unknown>> {
  const last = path.at(-1);
  if (last === undefined) return planSchema.shape;
  if (last === "defaults") return shared;
  if (last === "permissions") return permissionsField.shape;
  if (last === "prompt") return promptFile.shape;
  if (last === "limits") return path.length === 1 ? runLimitsField.shape : limitsField.shape;
  return path.at(-2) === "needs" ? needMapping.shape : taskSchema.shape;
}
