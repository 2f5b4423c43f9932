/** The command line: errors in one voice, exit codes as in design §8. */
import { type Command, CommanderError } from "commander";
import { Fault, exitCodes } from "../core/fault.ts";
import { sayFault } from "./output.ts";
import { everyCommand, program } from "./program.ts";
import { usageFault } from "./usage.ts";

/** Runs the command line; resolves to the exit code. */
async function main(argv: readonly string[]): Promise<number> {
  const root = await program(argv[0]);
  const words = argv.indexOf("--");
  const json = argv.slice(0, words < 0 ? argv.length : words).includes("--json");
  for (const each of everyCommand(root))
    each.exitOverride().configureOutput({ writeErr: () => {} });
  try {
    await root.parseAsync([...argv], { from: "user" });
    return typeof process.exitCode === "number" ? process.exitCode : 0;
  } catch (error) {
    if (!(error instanceof CommanderError)) return sayFault(error, json);
    if (error.exitCode === 0) return 0;
    if (error.code !== "commander.help") return sayFault(usageFault(error, argv, root), json);
    process.stderr.write(named(root, argv).helpInformation());
    return exitCodes.usage;
  }
}

/** The command that a command line without a subcommand is about, such as `muster host`. */
function named(root: Command, argv: readonly string[]): Command {
  return root.commands.find((each) => each.name() === argv[0]) ?? root;
}

process.stdout.on("error", (error: NodeJS.ErrnoException) => {
  if (error.code === "EPIPE") process.exit(0); // The reader has seen enough (`muster ls | head`).
  const why = new Fault("unwritable", `what was asked for can't be written: ${error.message}`);
  process.exit(sayFault(why, false));
});
// What is said on the way may be lost (`2>&1 | head`, a full disk below a log); what the command does may not.
process.stderr.on("error", () => {});
const code = await main(process.argv.slice(2));
// A pipe takes what fits and the rest later: an exit right away would cut a long answer off.
for (const stream of [process.stdout, process.stderr])
  await new Promise<void>((resolve) => stream.write("", () => resolve()));
process.exit(code);
