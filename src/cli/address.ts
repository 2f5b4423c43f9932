/**
 * Addresses: `run/task`, a run (its id or a unique prefix, with or without `run_`), or the bare name of a task of the latest run.
 * One place resolves them, so that every verb takes the same words.
 */
import type { RunDetail } from "../api/service.ts";
import { Fault } from "../core/fault.ts";
import { suggest } from "../core/words.ts";
import type { Connection } from "./connect.ts";

/** A run and the tasks that it can be asked for. */
export interface Named {
  readonly id: string;
  readonly tasks: readonly { readonly key: string; readonly id: string }[];
}

export interface Address {
  readonly run: string;
  /** null = the whole run. */
  readonly task: string | null;
  readonly detail: RunDetail;
}

export interface TaskAddress extends Address {
  readonly task: string;
  /** `run/task`, whole. */
  readonly text: string;
}

/** Letters of a run's id that win against the name of a task. */
const shortestPrefix = 4;

/** The key of the task that `word` names in a run: a key, or an id that only one plan of the run has. */
export function chooseKey(word: string, { id, tasks }: Named): string {
  if (tasks.some(({ key }) => key === word)) return word;
  const named = tasks.filter((task) => task.id === word);
  const [only, second] = named;
  if (only !== undefined && second === undefined) return only.key;
  if (only !== undefined)
    throw new Fault(
      "usage",
      `${word} is in ${named.length} plans of ${id}: ${named.map(({ key }) => key).join(", ")}`,
      { remedy: `muster show ${id}/${only.key}` },
    );
  const near = suggest(
    word,
    tasks.map(({ key }) => key),
  );
  const hint = near === undefined ? "" : ` (did you mean ${near}?)`;
  throw new Fault("not_found", `no task ${word} in ${id}${hint}`, {
    remedy: `To see its tasks, run muster show ${id}`,
  });
}

/**
 * What a word without a slash names, where it may name the run `named`, a task of the run `latest`, or both. `wants` says what the
 * verb can use: a run that has one task stands for it. Throws Fault `not_found`, or `usage` where it could be either.
 */
export function chooseWord(
  word: string,
  named: Named | null,
  latest: Named | null,
  wants: "task" | "either",
): { readonly run: string; readonly task: string | null } {
  const asTask = latest !== null && latest.tasks.some(({ key, id }) => key === word || id === word);
  const isWhole = named !== null && (named.id === word || named.id === `run_${word}`);
  if (named !== null && (isWhole || !asTask)) {
    if (wants === "either") return { run: named.id, task: null };
    const [only, second] = named.tasks;
    if (only !== undefined && second === undefined) return { run: named.id, task: only.key };
    throw new Fault("usage", `${named.id} has ${named.tasks.length} tasks, expected one of them`, {
      remedy: `To see them, run muster show ${named.id}`,
    });
  }
  // As git takes no shorter abbreviation either: a task that is called so is what is meant.
  const isShort = word.replace(/^run_/, "").length < shortestPrefix;
  if (asTask && (named === null || wants === "task" || isShort))
    return { run: latest.id, task: chooseKey(word, latest) };
  if (asTask && named !== null)
    throw new Fault("usage", `${word} may be ${named.id} or ${latest.id}/${word}`, {
      remedy: `To say which, run the command with ${latest.id}/${word}`,
    });
  throw new Fault("not_found", `no run ${word}, and no task ${word} in the latest run`, {
    remedy: "muster ls --all",
  });
}

export function namedOf({ run, tasks }: RunDetail): Named {
  return {
    id: run.id,
    tasks: tasks.map(({ key }, i) => ({ key, id: run.tasks[i]?.id ?? key })),
  };
}

/** True where a word names a task, of the run that it names itself or else of one of `runs`, whatever that task does. */
export async function isTaskName(
  daemon: Connection,
  word: string,
  runs: readonly string[],
): Promise<boolean> {
  const slash = word.indexOf("/");
  const name = word.slice(slash + 1);
  for (const run of slash < 0 ? new Set(runs) : [word.slice(0, slash)]) {
    const detail = await orFault(daemon.run(run));
    if (detail instanceof Fault) continue;
    if (namedOf(detail).tasks.some(({ key, id }) => key === name || id === name)) return true;
  }
  return false;
}

/** A run, the latest by default. Throws Fault `not_found`. */
export async function findRun(daemon: Connection, wanted: string | undefined): Promise<RunDetail> {
  return daemon.run(wanted ?? (await latestRun(daemon)));
}

/** A run or one of its tasks. Throws Fault `not_found`, `usage`. */
export async function findTarget(daemon: Connection, wanted: string): Promise<Address> {
  return resolve(daemon, wanted, "either");
}

/** One task. Throws Fault `not_found`, `usage`. */
export async function findTask(daemon: Connection, wanted: string): Promise<TaskAddress> {
  const { run, task, detail } = await resolve(daemon, wanted, "task");
  const key = task ?? "";
  return { run, task: key, detail, text: `${run}/${key}` };
}

async function resolve(
  daemon: Connection,
  wanted: string,
  wants: "task" | "either",
): Promise<Address> {
  const slash = wanted.indexOf("/");
  if (slash >= 0) {
    const detail = await daemon.run(wanted.slice(0, slash));
    const task = chooseKey(wanted.slice(slash + 1), namedOf(detail));
    return { run: detail.run.id, task, detail };
  }
  const asked = await orFault(daemon.run(wanted));
  const named = asked instanceof Fault ? null : asked;
  const id = await orFault(latestRun(daemon));
  const latest = id instanceof Fault ? null : await daemon.run(id);
  const known = latest === null ? null : namedOf(latest);
  const isTask = known?.tasks.some((task) => task.key === wanted || task.id === wanted) === true;
  // The first letters of several runs name none of them, but may still be a task.
  if (asked instanceof Fault && asked.code === "usage" && !isTask) throw asked;
  const chosen = chooseWord(wanted, named === null ? null : namedOf(named), known, wants);
  const detail = [named, latest].find((one) => one?.run.id === chosen.run);
  return { ...chosen, detail: detail ?? (await daemon.run(chosen.run)) };
}

/** The latest run, of this folder's project where there is one. Throws Fault `not_found` where there is none. */
export async function latestRun(daemon: Connection): Promise<string> {
  const runs = await daemon.runs(50);
  const here = process.cwd();
  const own = runs.find(({ projects }) =>
    projects.some((project) => here === project || here.startsWith(`${project}/`)),
  );
  const run = own ?? runs[0];
  if (run === undefined)
    throw new Fault("not_found", "no runs yet", { remedy: 'muster run "what to do"' });
  return run.id;
}

/** What was found, or the Fault that says why there is not one of it; any other is thrown. */
async function orFault<T>(asked: Promise<T>): Promise<T | Fault> {
  try {
    return await asked;
  } catch (error) {
    if (error instanceof Fault && (error.code === "not_found" || error.code === "usage"))
      return error;
    throw error;
  }
}
