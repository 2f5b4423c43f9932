/** Every verb, in the order of `--help`: the daily ones first. */
import type { Command } from "commander";
import { demoCommand } from "./commands/demo.ts";
import { lsCommand } from "./commands/ls.ts";
import { planCommand } from "./commands/plan.ts";
import { runCommand } from "./commands/run.ts";
import { showCommand } from "./commands/show.ts";

export const commands: readonly ((root: Command) => void)[] = [
  runCommand,
  lsCommand,
  showCommand,
  planCommand,
  demoCommand,
];
