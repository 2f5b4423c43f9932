/** What commander finds wrong with a command line, in our voice. */
import type { Command, CommanderError } from "commander";
import { Fault } from "../core/fault.ts";

export function usageFault(
  error: CommanderError,
  argv: readonly string[],
  root: Pick<Command, "commands">,
): Fault {
  const message =
    error.message
      .replace(/^error: /, "")
      .replace(/\n\(?(Did you mean [^)]*)\)?$/s, (_all, hint: string) => `, d${hint.slice(1)}`)
      .split("\n")[0] ?? "";
  const verb = argv.find((arg) => !arg.startsWith("-"));
  const isKnown = root.commands.some((each) => each.name() === verb);
  return new Fault("usage", message, {
    remedy: `muster ${isKnown ? `${verb} ` : ""}--help`,
    cause: error,
  });
}
