/** Open questions over all runs, and the one that a verb is about. */
import { Fault } from "../core/fault.ts";
import { findTask } from "./address.ts";
import type { Connection } from "./connect.ts";
import { note, oneLine, tint } from "./output.ts";

export interface Question {
  readonly run: string;
  readonly task: string;
  readonly id: string;
  readonly kind: string;
  readonly text: string;
}

/** Every open question of every open run, oldest runs last. */
export async function openQuestions(daemon: Connection): Promise<readonly Question[]> {
  const runs = await daemon.runs(0); // Open runs are listed whatever the limit is.
  return runs.flatMap((run) => run.asking.map((ask) => ({ run: run.id, ...ask })));
}

/** True where a word names the task of a question: its key, or its run (whole, or a prefix) and its key. */
export function isAt({ run, task }: Pick<Question, "run" | "task">, word: string): boolean {
  if (word === task) return true;
  const slash = word.indexOf("/");
  if (slash < 1 || word.slice(slash + 1) !== task) return false;
  const prefix = word.slice(0, slash);
  return run.startsWith(prefix) || run.startsWith(`run_${prefix}`);
}

export interface Wanted {
  readonly address: string | undefined;
  /** The question's id; undefined = the oldest of the task. */
  readonly ask?: string | undefined;
  /** Which kinds the verb is for. */
  readonly fits: (question: Question) => boolean;
  /** How a message names them: `question`, `approval`. */
  readonly noun: string;
}

/**
 * The question that a verb is about: the one at `address`, else the only one. Throws Fault `refused` where the task asks nothing,
 * `usage` (after listing them) where it is not clear which.
 */
export async function theQuestion(
  daemon: Connection,
  { address, ask, fits, noun }: Wanted,
): Promise<Question> {
  const open = (await openQuestions(daemon)).filter(fits);
  if (address !== undefined) {
    const { run, task, text } = await findTask(daemon, address);
    const found = open.find(
      (one) => one.run === run && one.task === task && (ask === undefined || one.id === ask),
    );
    if (found !== undefined) return found;
    const which = ask === undefined ? `no open ${noun}` : `no open ${noun} ${ask}`;
    throw new Fault("refused", `${text} has ${which}`, {
      remedy: `To see what it does, run muster show ${text}`,
    });
  }
  const named = ask === undefined ? open : open.filter(({ id }) => id === ask);
  const [only, second] = named;
  if (only === undefined)
    throw new Fault("usage", `no ${noun} is open${ask === undefined ? "" : ` with id ${ask}`}`, {
      remedy: "muster ls",
    });
  if (second === undefined) return only;
  for (const question of named) note(questionLine(question));
  throw new Fault("usage", `${named.length} ${noun}s are open, expected run/task`, {
    remedy: `To choose one, name it, such as ${only.run}/${only.task}; to see them, run muster ls`,
  });
}

export function questionLine({ run, task, kind, text, id }: Question): string {
  return `${tint("ask", "▲", process.stderr)} ${run}/${task} asks (${kind} ${id}): ${oneLine(text, 90)}`;
}
