/** Examples below a command's help, aligned. */
import type { Command } from "commander";

/** Adds `rows` of a command line and what it does. */
export function examples(command: Command, rows: readonly (readonly [string, string])[]): Command {
  const width = Math.max(...rows.map(([line]) => line.length));
  const lines = rows.map(([line, what]) => `  ${line.padEnd(width)}  ${what}`.trimEnd());
  return command.addHelpText("after", `\nExamples:\n${lines.join("\n")}`);
}
