/** The command line of `muster run`: which arguments are files and which are prompts, and prompts as a plan. */
import { slug, unique } from "../core/ids.ts";
import type { Place, Plan, PlannedTask } from "../core/plan.ts";
import { promptProblem } from "./fields.ts";
import { maxTasks } from "./graph.ts";
import { refuse } from "./problem.ts";
import type { Problem } from "./problem.ts";
import { count } from "../core/words.ts";

/** Characters of the id that a prompt's first words give (design §3). */
const maxPromptId = 30;
/** Enough of a prompt to find its first words in. */
const firstWords = 200;

export interface Arguments {
  readonly files: readonly string[];
  readonly prompts: readonly string[];
}

/**
 * Sorts the arguments of `run` (design §8): one that ends in .yaml, .yml or .md, or has a slash and no space, is a file; all
 * others are prompts; `forced.file` and `forced.prompt` are what they say and follow.
 */
export function classifyArguments(
  args: readonly string[],
  forced: { readonly file: readonly string[]; readonly prompt: readonly string[] },
): Arguments {
  return {
    files: [...args.filter(looksLikeFile), ...forced.file],
    prompts: [...args.filter((arg) => !looksLikeFile(arg)), ...forced.prompt],
  };
}

/** No file that anybody names has a line break in it; a prompt of several lines may end in any word. */
function looksLikeFile(arg: string): boolean {
  if (/[\r\n]/.test(arg)) return false;
  return /\.(?:yaml|yml|md)$/i.test(arg) || (arg.includes("/") && !/\s/.test(arg));
}

/**
 * A plan of prompts without needs; each id is the slug of its first words. Throws Fault `bad_plan` for none, for too many and for
 * a prompt that is no text of at most 200 KB.
 */
export function planFromPrompts(
  prompts: readonly string[],
  name: string,
  takenPlanIds: ReadonlySet<string> = new Set(),
): Plan {
  const file = "command line";
  const problems: Problem[] = prompts.flatMap((prompt, index) => {
    const wrong = promptProblem(prompt);
    return wrong === undefined
      ? []
      : [{ file, line: index + 1, text: `prompt ${index + 1} ${wrong}` }];
  });
  if (prompts.length === 0) problems.push({ file, line: 1, text: "no prompt, expected text" });
  if (prompts.length > maxTasks) {
    problems.push({
      file,
      line: 1,
      text: `${count(prompts.length, "prompt")}, expected at most ${maxTasks}`,
    });
  }
  refuse(problems);
  const taken = new Set<string>();
  const tasks = prompts.map((prompt, index) => {
    const id = promptId(prompt, taken);
    taken.add(id);
    return simpleTask(id, prompt.trim(), { file, line: index + 1 });
  });
  return simplePlan(name, takenPlanIds, tasks);
}

/** The slug of a prompt's first words, at most 30 characters, unlike those in `taken`. */
export function promptId(prompt: string, taken: ReadonlySet<string>): string {
  const first = prompt
    .trimStart()
    .slice(0, firstWords)
    .split("\n")
    .find((line) => /[a-z0-9]/i.test(line));
  return unique(slug(first ?? "", maxPromptId), taken);
}

/** A task of which only id and prompt are said. */
export function simpleTask(
  id: string,
  prompt: string,
  place: Place,
  needs: PlannedTask["needs"] = [],
): PlannedTask {
  return {
    id,
    prompt,
    needs,
    runner: null,
    model: null,
    profile: null,
    gate: null,
    limits: {},
    cwd: null,
    paths: null,
    artifacts: [],
    tools: null,
    permissions: {},
    approval: false,
    land: null,
    project: null,
    target: null,
    place,
  };
}

/** A plan of which only name and tasks are said. */
export function simplePlan(
  name: string,
  takenPlanIds: ReadonlySet<string>,
  tasks: readonly PlannedTask[],
): Plan {
  return {
    id: unique(slug(name), takenPlanIds),
    name,
    target: null,
    parallel: null,
    usd: null,
    tasks,
  };
}
