/** Every verb, in the order of `--help`: the daily ones first. */
import type { Command } from "commander";
import { answerCommand } from "./commands/answer.ts";
import { approveCommand } from "./commands/approve.ts";
import { attachCommand } from "./commands/attach.ts";
import { cleanCommand } from "./commands/clean.ts";
import { completionCommand } from "./commands/completion.ts";
import { configCommand } from "./commands/config.ts";
import { demoCommand } from "./commands/demo.ts";
import { diffCommand } from "./commands/diff.ts";
import { doctorCommand } from "./commands/doctor.ts";
import { hostCommand } from "./commands/host.ts";
import { logsCommand } from "./commands/logs.ts";
import { lsCommand } from "./commands/ls.ts";
import { pauseCommand } from "./commands/pause.ts";
import { planCommand } from "./commands/plan.ts";
import { rejectCommand } from "./commands/reject.ts";
import { resumeCommand } from "./commands/resume.ts";
import { retryCommand } from "./commands/retry.ts";
import { runCommand } from "./commands/run.ts";
import { schemaCommand } from "./commands/schema.ts";
import { showCommand } from "./commands/show.ts";
import { stopCommand } from "./commands/stop.ts";
import { tellCommand } from "./commands/tell.ts";
import { uninstallCommand } from "./commands/uninstall.ts";
import { watchCommand } from "./commands/watch.ts";

export const commands: readonly ((root: Command) => void)[] = [
  runCommand,
  lsCommand,
  watchCommand,
  showCommand,
  planCommand,
  logsCommand,
  diffCommand,
  answerCommand,
  approveCommand,
  rejectCommand,
  tellCommand,
  pauseCommand,
  resumeCommand,
  stopCommand,
  retryCommand,
  attachCommand,
  cleanCommand,
  doctorCommand,
  demoCommand,
  hostCommand,
  configCommand,
  schemaCommand,
  completionCommand,
  uninstallCommand,
];
