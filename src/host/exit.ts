/** The end of a session's process, with what this host knows of its cause: memory, disk, and what it was in the middle of. */
import type { Attempt } from "../core/attempt.ts";
import type { Observed } from "../core/inputs.ts";
import { beginning, oneLine } from "../core/words.ts";
import { type Host, attemptDir } from "./context.ts";
import { isFull } from "../process/full.ts";
import { memoryText } from "./memory.ts";

type Exited = Extract<Observed, { saw: "session_exited" }>;

const maxToolChars = 200;
/** As a shell says it: 128 and the number of the signal. */
const killedCode = 137;
/** A kill is heard of within a few seconds, and what the session left behind is ended first, for ten at most. */
const memoryMs = 30_000;

interface Circumstances {
  /** The tool call that has not come back, as text. */
  readonly tool: string | null;
  readonly pid: number | undefined;
  /** It ended because we asked for it. */
  readonly isOurs: boolean;
}

export function wholeExit(
  host: Host,
  attempt: Attempt,
  exited: Exited,
  { tool, pid, isOurs }: Circumstances,
): Exited {
  const exit = isOurs ? exited : withMemory(host, exited, pid);
  const within = tool === null ? "" : `, in the middle of ${cutTool(tool)}`;
  return { ...exit, why: `${exit.why}${within}`, ...diskOf(host, attempt) };
}

/** Says that there was no space for what a session writes. */
export function diskOf(host: Host, { id, worktree }: Attempt): { readonly disk?: true } {
  const folders = [attemptDir(host, id), ...(worktree === null ? [] : [worktree.path])];
  return isFull(...folders) ? { disk: true } : {};
}

/** Says that the kernel killed for want of memory, of an exit that was a kill; it may have meant another process beside it. */
function withMemory(host: Host, exited: Exited, pid: number | undefined): Exited {
  const isKilled = exited.code === killedCode || exited.code === null;
  if (!isKilled || !host.killedSince(performance.now() - memoryMs, pid)) return exited;
  return { ...exited, memory: true, why: `${exited.why}, ${memoryText}` };
}

/** A tool call may be a whole script; its beginning tells which it was. */
export function cutTool(tool: string): string {
  const line = oneLine(tool);
  return line.length > maxToolChars ? `${beginning(line, maxToolChars)}…` : line;
}
