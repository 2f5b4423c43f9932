/** A program that takes over this terminal until it ends. */
import { spawn } from "node:child_process";
import { constants } from "node:os";
import { Fault } from "../core/fault.ts";
import { type Identity, readIdentity } from "./identity.ts";

export interface AttachedCommand {
  readonly argv: readonly [string, ...string[]];
  readonly cwd: string;
  /** The whole environment: nothing is inherited. */
  readonly env: Readonly<Record<string, string>>;
  /** Told who it is as soon as it is started. */
  readonly onStart?: (program: Identity) => void;
}

/** What a terminal sends to everybody in it; they are meant for the program, which is in our process group. */
const terminalSignals = ["SIGINT", "SIGQUIT"] as const;

/**
 * Runs a program on our own stdin, stdout and stderr, and resolves with its exit code (128 + n for signal n) once it has ended.
 * There is no limit on time: a person sits in front of it. Throws Fault `not_found` where it can't be started.
 */
export async function runAttached({
  argv,
  cwd,
  env,
  onStart = () => {},
}: AttachedCommand): Promise<number> {
  const ignore = (): void => {};
  for (const name of terminalSignals) process.on(name, ignore);
  try {
    const [file, ...args] = argv;
    return await new Promise<number>((resolve, reject) => {
      const child = spawn(file, args, { cwd, env, stdio: "inherit" });
      child.once("error", (cause) =>
        reject(new Fault("not_found", `cannot run ${file} in ${cwd}`, { cause })),
      );
      const program = child.pid === undefined ? undefined : readIdentity(child.pid);
      if (program !== undefined) onStart(program);
      child.once("exit", (code, signal) => resolve(code ?? 128 + signalNumber(signal)));
    });
  } finally {
    for (const name of terminalSignals) process.removeListener(name, ignore);
  }
}

function signalNumber(name: NodeJS.Signals | null): number {
  return name === null ? 0 : constants.signals[name];
}
