/** Every verb, in the order of `--help`: the daily ones first. A verb's code is loaded when it is asked for. */
import type { Command } from "commander";

export type Register = (root: Command) => void;

const verbs: Readonly<Record<string, () => Promise<Register>>> = {
  run: async () => (await import("./commands/run.ts")).runCommand,
  ls: async () => (await import("./commands/ls.ts")).lsCommand,
  watch: async () => (await import("./commands/watch.ts")).watchCommand,
  show: async () => (await import("./commands/show.ts")).showCommand,
  plan: async () => (await import("./commands/plan.ts")).planCommand,
  logs: async () => (await import("./commands/logs.ts")).logsCommand,
  diff: async () => (await import("./commands/diff.ts")).diffCommand,
  answer: async () => (await import("./commands/answer.ts")).answerCommand,
  approve: async () => (await import("./commands/approve.ts")).approveCommand,
  reject: async () => (await import("./commands/reject.ts")).rejectCommand,
  tell: async () => (await import("./commands/tell.ts")).tellCommand,
  pause: async () => (await import("./commands/pause.ts")).pauseCommand,
  resume: async () => (await import("./commands/resume.ts")).resumeCommand,
  stop: async () => (await import("./commands/stop.ts")).stopCommand,
  retry: async () => (await import("./commands/retry.ts")).retryCommand,
  trust: async () => (await import("./commands/trust.ts")).trustCommand,
  attach: async () => (await import("./commands/attach.ts")).attachCommand,
  restore: async () => (await import("./commands/restore.ts")).restoreCommand,
  clean: async () => (await import("./commands/clean.ts")).cleanCommand,
  doctor: async () => (await import("./commands/doctor.ts")).doctorCommand,
  demo: async () => (await import("./commands/demo.ts")).demoCommand,
  host: async () => (await import("./commands/host.ts")).hostCommand,
  config: async () => (await import("./commands/config.ts")).configCommand,
  schema: async () => (await import("./commands/schema.ts")).schemaCommand,
  completion: async () => (await import("./commands/completion.ts")).completionCommand,
  uninstall: async () => (await import("./commands/uninstall.ts")).uninstallCommand,
};

/** Verbs that speak of the others. */
const needAll: ReadonlySet<string> = new Set(["completion", "complete", "help"]);

/** What is to be registered for a command line that begins with `verb`: that one, or everything where it is none of ours. */
export async function commandsFor(verb: string | undefined): Promise<readonly Register[]> {
  const one =
    verb === undefined || needAll.has(verb) || !Object.hasOwn(verbs, verb)
      ? undefined
      : verbs[verb];
  return Promise.all((one === undefined ? Object.values(verbs) : [one]).map((load) => load()));
}
