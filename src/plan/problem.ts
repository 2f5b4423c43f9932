/** What is wrong with a file, line by line, and the one Fault that says so. */
import { Fault } from "../core/fault.ts";
import { oneLine, shellWord } from "../core/words.ts";

export interface Problem {
  readonly file: string;
  readonly line: number;
  /** What was found and what was expected, one line without period. */
  readonly text: string;
}

/** A problem as a person reads it: `file:line: what was found, what was expected`. */
export function problemLine(problem: Problem): string {
  return `${oneLine(problem.file)}:${problem.line}: ${problem.text}`;
}

/** The Fault `bad_plan` of a file: its first problem, how many more there are, and the command that lists them or the words. */
function planFault(problems: readonly [Problem, ...Problem[]]): Fault {
  const [first, ...others] = problems;
  const more = others.length === 0 ? "" : ` (and ${others.length} more)`;
  const remedy =
    others.length > 0
      ? `To see every problem, run muster plan ${shellWord(first.file)}`
      : "To see what a plan may say, run muster schema plan";
  return new Fault("bad_plan", problemLine(first) + more, { remedy });
}

/** Throws `planFault` where there is a problem. */
export function refuse(problems: readonly Problem[]): void {
  const [first, ...others] = problems;
  if (first !== undefined) throw planFault([first, ...others]);
}
