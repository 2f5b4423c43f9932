/** The command line: every verb registered, errors in one voice, exit codes as in design §8. */
import { Command, CommanderError } from "commander";
import { packageVersion } from "../config/version.ts";
import { exitCodes } from "../core/fault.ts";
import { commands } from "./commands.ts";
import { sayFault } from "./output.ts";

/** Builds the program; `docs/reference` is generated from it. */
export function program(): Command {
  const root = new Command("muster")
    .description(
      "One control plane for many Claude Code sessions: a plan in, verified work landed.",
    )
    .version(packageVersion(), "--version", "print the version")
    .showSuggestionAfterError()
    .configureHelp({ sortSubcommands: false })
    .addHelpText(
      "after",
      '\nExamples:\n  muster run plan.yaml                 run a plan\n  muster run "fix the flaky test"      run a prompt\n  muster ls                            what needs me now\n  muster demo                          watch it work, no key needed',
    );
  for (const command of commands) command(root);
  return root;
}

/** Runs the command line; resolves to the exit code. */
export async function main(argv: readonly string[]): Promise<number> {
  const root = program();
  const json = argv.includes("--json");
  for (const each of [root, ...root.commands])
    each.exitOverride().configureOutput({ writeErr: () => {} });
  try {
    await root.parseAsync([...argv], { from: "user" });
    return typeof process.exitCode === "number" ? process.exitCode : 0;
  } catch (error) {
    if (!(error instanceof CommanderError)) return sayFault(error, json);
    if (error.exitCode === 0) return 0;
    if (error.code === "commander.help") {
      process.stderr.write(root.helpInformation());
      return exitCodes.usage;
    }
    const { usageFault } = await import("./usage.ts");
    return sayFault(usageFault(error, argv), json);
  }
}

process.stdout.on("error", (error: NodeJS.ErrnoException) => {
  if (error.code === "EPIPE") process.exit(0); // The reader has seen enough (`muster ls | head`).
});
process.exit(await main(process.argv.slice(2)));
