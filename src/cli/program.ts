/** The program: every verb registered; `docs/reference` is generated from it. */
import { Command } from "commander";
import { packageVersion } from "../config/version.ts";
import { commandsFor } from "./commands.ts";
import { examples } from "./help.ts";

/** The program for a command line that begins with `verb`; whole where that is none of its verbs. */
export async function program(verb?: string): Promise<Command> {
  const root = new Command("muster")
    .description(
      "One control plane for many Claude Code sessions: a plan in, verified work landed.",
    )
    .version(packageVersion(), "--version", "print the version")
    .showSuggestionAfterError()
    .configureHelp({ subcommandTerm: termOf });
  examples(root, [
    ["muster run plan.yaml", "run a plan"],
    ['muster run "fix the flaky test"', "run a prompt"],
    ["muster ls", "what needs me now"],
    ["muster demo", "watch it work, no key needed"],
  ]);
  for (const register of await commandsFor(verb)) register(root);
  return root;
}

/** A verb and its arguments: that it has options goes without saying. */
function termOf(command: Command): string {
  const words = command.registeredArguments.map((argument) => {
    const name = `${argument.name()}${argument.variadic ? "..." : ""}`;
    return argument.required ? `<${name}>` : `[${name}]`;
  });
  return [command.name(), ...words].join(" ");
}

/** A command with all below it. */
export function everyCommand(root: Command): readonly Command[] {
  return [root, ...root.commands.flatMap((each) => everyCommand(each))];
}
