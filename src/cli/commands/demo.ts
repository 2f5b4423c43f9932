/** `muster demo`: the way through on a sample project. What it needs is loaded when it is asked for. */
import type { Command } from "commander";

export function demoCommand(root: Command): void {
  root
    .command("demo")
    .description("watch it work on a sample, no key needed")
    .option("--keep", "leave the sample to look at")
    .option("--json", "print the run object at the end")
    .action(async (flags: { keep?: boolean; json?: boolean }) => {
      const { demo } = await import("../demo/demo.ts");
      process.exitCode = await demo(flags.keep === true, flags.json === true);
    });
}
