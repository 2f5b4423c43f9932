/** What is wrong with a file, line by line, and the one Fault that says so. */
import { Fault } from "../core/fault.ts";
import { oneLine } from "../core/words.ts";

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

/** Throws Fault `bad_plan` with every problem where there is one. */
export function refuse(problems: readonly Problem[]): void {
  const [first, ...more] = problems.map(problemLine);
  const remedy = "To see what a plan may say, run muster schema plan";
  if (first !== undefined) throw new Fault("bad_plan", first, { remedy, more });
}
