/** What commander finds wrong with a command line, in our voice. */
import type { CommanderError } from "commander";
import { Fault } from "../core/fault.ts";

export function usageFault(error: CommanderError, argv: readonly string[]): Fault {
  const message =
    error.message
      .replace(/^error: /, "")
      .replace(/\n\(?(Did you mean [^)]*)\)?$/s, ", $1")
      .split("\n")[0] ?? "";
  const verb = argv.find((arg) => !arg.startsWith("-"));
  const isKnown = verb !== undefined && error.code !== "commander.unknownCommand";
  return new Fault("usage", message, {
    remedy: `muster ${isKnown ? `${verb} ` : ""}--help`,
    cause: error,
  });
}
