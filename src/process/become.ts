/** Becoming another program: this process goes on as it, so that whoever watches over our pid watches over it. */
import { Fault } from "../core/fault.ts";

export interface Become {
  readonly argv: readonly [string, ...string[]];
  readonly cwd: string;
  /** The whole environment: nothing is inherited. */
  readonly env: Readonly<Record<string, string>>;
}

/** Replaces this process by a program (execve(2)): same pid, stdin, stdout and stderr. Throws Fault `unsupported` where the system has no such call. */
export function become({ argv, cwd, env }: Become): never {
  if (process.execve === undefined)
    throw new Fault("unsupported", `a process can't become another one on ${process.platform}`, {
      remedy: "muster ls",
    });
  process.chdir(cwd);
  return process.execve(argv[0], argv, env);
}
