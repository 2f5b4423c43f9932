/** A gate: commands that must exit 0 on an exact commit, run in order in a place that holds it, up to the first that does not. */
import { join } from "node:path";
import type { GateEvidence, Head } from "../core/attempt.ts";
import { runCommand } from "./command.ts";

export interface GateRequest {
  /** Folder of this gate's key under `gates/`. */
  readonly dir: string;
  readonly commands: readonly string[];
  readonly cwd: string;
  readonly env: Readonly<Record<string, string>>;
  readonly head: Head;
  readonly on: "head" | "merge";
  readonly timeoutMs: number;
}

export interface GateResult {
  readonly passed: boolean;
  readonly evidence: readonly GateEvidence[];
}

/** Runs the commands; the evidence names each log and its hash. Throws Fault where a command can't be started at all. */
export async function runGate(request: GateRequest): Promise<GateResult> {
  const { commands, head, on, cwd, env, timeoutMs } = request;
  const evidence: GateEvidence[] = [];
  for (const [i, command] of commands.entries()) {
    const dir = join(request.dir, String(i + 1));
    const result = await runCommand({
      dir,
      command,
      cwd,
      env,
      timeoutMs,
      tag: `${request.dir}/${i + 1}`,
    });
    evidence.push({
      command,
      commit: head.commit,
      tree: head.tree,
      on,
      reusedFrom: null,
      ...result,
    });
    if (result.exit !== 0) return { passed: false, evidence };
  }
  return { passed: true, evidence };
}
