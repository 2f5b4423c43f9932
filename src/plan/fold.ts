/** From the words of `plan.yaml` to the plan: defaults into every task, prompts read, ids and needs checked. */
import { unique, slug } from "../core/ids.ts";
import {
  type Limits,
  limitNames,
  type Need,
  type Permissions,
  type Plan,
  type PlannedTask,
} from "../core/plan.ts";
import type { YamlDocument } from "./document.ts";
import { parseDuration, promptProblem } from "./fields.ts";
import { maxTasks, needProblems } from "./graph.ts";
import type { Problem } from "./problem.ts";
import type { RawPlan, RawShared, RawTask } from "./schema.ts";
import { count, quote } from "../core/words.ts";

/** The text of a file that a plan names, by its path as written; undefined where there is none. It may throw a Fault. */
export type ReadText = (path: string) => string | undefined;

/** All prompts of a plan together, in characters: they travel in one request and stay in the ledger. */
const maxPrompts = 16 * 1024 * 1024;

interface Context {
  readonly file: string;
  readonly document: YamlDocument;
  readonly read: ReadText;
  readonly problem: (path: readonly PropertyKey[], text: string) => void;
}

/** The plan that `raw` says, and what is wrong with it beyond its shape. */
export function foldPlan(
  raw: RawPlan,
  document: YamlDocument,
  file: string,
  takenPlanIds: ReadonlySet<string>,
  read: ReadText,
): { readonly plan: Plan; readonly problems: readonly Problem[] } {
  const problems: Problem[] = [];
  const problem: Context["problem"] = (path, text) =>
    problems.push({ file, line: document.lineOf(path), text });
  if (raw.tasks.length > maxTasks) {
    problem(
      ["tasks"],
      `the plan has ${count(raw.tasks.length, "task")}, expected at most ${maxTasks}`,
    );
  }
  const context: Context = { file, document, read, problem };
  const name = raw.name ?? fileStem(file);
  const plan: Plan = {
    id: unique(slug(name), takenPlanIds),
    name,
    target: raw.target ?? null,
    parallel: raw.limits?.parallel ?? null,
    usd: raw.limits?.usd ?? null,
    tasks:
      problems.length > 0
        ? []
        : raw.tasks.map((task, index) => foldTask(task, index, raw.defaults ?? {}, context)),
  };
  checkTasks(plan, context);
  return { plan, problems: problems.toSorted((a, b) => a.line - b.line) };
}

/** A file's name without folder and extension: what a plan without `name` is called. */
export function fileStem(file: string): string {
  const base = file.slice(Math.max(file.lastIndexOf("/"), file.lastIndexOf("\\")) + 1);
  return base.replace(/(?<=.)\.[^.]*$/, "") || "plan";
}

function foldTask(raw: RawTask, index: number, defaults: RawShared, context: Context): PlannedTask {
  const said = <K extends keyof RawShared>(key: K): RawShared[K] => raw[key] ?? defaults[key];
  // The gate of another project is that project's, unless the task names one (design §5).
  const elsewhere = raw.project !== undefined && !isHere(raw.project);
  const gate = raw.gate ?? (elsewhere ? undefined : defaults.gate);
  return {
    id: raw.id,
    prompt: promptOf(raw, index, context),
    needs: (raw.needs ?? []).map(foldNeed),
    runner: said("runner") ?? null,
    model: said("model") ?? null,
    profile: said("profile") ?? null,
    gate: gate === undefined ? null : commands(gate),
    limits: foldLimits(defaults.limits, raw.limits),
    cwd: said("cwd") ?? null,
    paths: said("paths") ?? null,
    artifacts: raw.artifacts ?? [],
    tools: said("tools") ?? null,
    permissions: foldPermissions(defaults.permissions, raw.permissions),
    approval: said("approval") === "required",
    land: said("land") ?? null,
    project: elsewhere ? (raw.project ?? null) : null,
    target: raw.target ?? null,
    place: { file: context.file, line: context.document.lineOf(["tasks", index]) },
  };
}

function isHere(project: string): boolean {
  return project === "." || project === "./";
}

function foldNeed(need: NonNullable<RawTask["needs"]>[number]): Need {
  return typeof need === "string"
    ? { task: need, when: null }
    : { task: need.task, when: need.when ?? null };
}

function commands(gate: NonNullable<RawShared["gate"]>): readonly string[] {
  if (gate === "none") return [];
  return typeof gate === "string" ? [gate] : gate;
}

function foldLimits(defaults: RawShared["limits"], own: RawShared["limits"]): Partial<Limits> {
  const limits: { -readonly [K in keyof Limits]?: Limits[K] } = {};
  for (const key of limitNames) {
    const value = own?.[key] ?? defaults?.[key];
    if (value !== undefined) limits[key] = value;
  }
  return limits;
}

function foldPermissions(
  defaults: RawShared["permissions"],
  own: RawShared["permissions"],
): Partial<Permissions> {
  const permissions: { -readonly [K in keyof Permissions]?: Permissions[K] } = {};
  for (const key of ["allow", "ask", "deny"] as const) {
    const value = own?.[key] ?? defaults?.[key];
    if (value !== undefined) permissions[key] = value;
  }
  const wait = own?.wait ?? defaults?.wait;
  const waitMs = wait === undefined ? undefined : parseDuration(String(wait));
  if (waitMs !== undefined) permissions.waitMs = waitMs;
  return permissions;
}

function promptOf(raw: RawTask, index: number, context: Context): string {
  const path = ["tasks", index, "prompt"];
  if (typeof raw.prompt === "string") {
    const wrong = promptProblem(raw.prompt);
    if (wrong !== undefined) context.problem(path, `the prompt of task ${quote(raw.id)} ${wrong}`);
    return raw.prompt.trimEnd();
  }
  const { file } = raw.prompt;
  const text = context.read(file);
  const of = `prompt file ${quote(file)} of task ${quote(raw.id)}`;
  if (text === undefined) {
    context.problem(
      [...path, "file"],
      `${of} does not exist, expected a path from the plan's folder`,
    );
    return "";
  }
  const clean = text.replace(/^\ufeff/, "").replaceAll("\r\n", "\n");
  const wrong = promptProblem(clean);
  if (wrong !== undefined) context.problem([...path, "file"], `${of} ${wrong}`);
  return clean.trimEnd();
}

function checkTasks(plan: Plan, context: Context): void {
  const indexes = new Map<string, number>();
  let characters = 0;
  for (const [index, task] of plan.tasks.entries()) {
    const before = indexes.get(task.id);
    if (before === undefined) indexes.set(task.id, index);
    else {
      const line = context.document.lineOf(["tasks", before]);
      context.problem(
        ["tasks", index, "id"],
        `task ${quote(task.id)} a second time, expected it once (line ${line})`,
      );
    }
    const names = new Set<string>();
    const twice = task.needs.findIndex((need) => names.size === names.add(need.task).size);
    if (twice >= 0) {
      const text = `task ${quote(task.id)} needs ${quote(task.needs[twice]?.task ?? "")} twice, expected it once`;
      context.problem(["tasks", index, "needs", twice], text);
    }
    characters += task.prompt.length;
  }
  if (characters > maxPrompts)
    context.problem(["tasks"], "the prompts are over 16 MB together, expected less");
  if (indexes.size < plan.tasks.length) return;
  for (const { task, need, text } of needProblems([plan], { partial: true })) {
    context.problem(["tasks", indexes.get(task.id) ?? 0, "needs", need], text);
  }
}
