/** A start that is followed: its stream folded from the first byte, its end seen by its exit record or its identity. */
import { join } from "node:path";
import type { AgentEvent, Launch } from "../core/runner.ts";
import { sweepSession } from "../process/end.ts";
import { awaitFile, follow } from "../process/files.ts";
import { isAlive } from "../process/identity.ts";
import { type ShimState, isRunning, readShim } from "../process/shim.ts";
import { foldStream } from "./fold.ts";

/** How often a session whose shim may be gone is looked at; dead is what was missing twice, or once with its writer gone. */
const lookMs = 2_000;

export interface Followed {
  /** Resolves once `exited` was given to the listener, or the start was let go. */
  readonly gone: Promise<void>;
  release(): void;
}

/** Follows start `dir` of a launch. When it is over, nothing of it lives any more before `exited` is given. */
export function followStart(
  dir: string,
  launch: Pick<Launch, "att" | "dir" | "cwd">,
  state: ShimState,
  onEvent: (event: AgentEvent) => void,
): Followed {
  let offset = 0;
  const released = new AbortController();
  const fold = foldStream(onEvent);
  const following = follow(join(dir, "out.jsonl"), 0, (line, end) => {
    offset = end;
    fold.line(line, end);
  });
  const finish = async (): Promise<void> => {
    const why = await watchEnd(dir, state, released.signal);
    if (why === undefined) return;
    await following.drain();
    following.stop();
    const own = { att: launch.att, dir: launch.dir, works: launch.cwd };
    await sweepSession(own, state.id?.shim);
    // Behind every line: an offset is told once.
    offset += 1;
    fold.end(offset);
    const exit = readShim(dir).exit ?? null;
    onEvent({
      is: "exited",
      code: exit,
      signal: null,
      why: exit === null ? why : `exited ${exit}`,
      offset,
    });
  };
  return {
    gone: finish(),
    release() {
      released.abort();
      following.stop();
    },
  };
}

/** Resolves with a reason once the start is over, undefined once `released` aborts. Silence is not death: the identity is. */
async function watchEnd(
  dir: string,
  state: ShimState,
  released: AbortSignal,
): Promise<string | undefined> {
  const lost = new AbortController();
  let misses = 0;
  const look = (): void => {
    misses = isRunning(state) ? 0 : misses + 1;
    const isWriterGone = state.id !== undefined && !isAlive(state.id.shim);
    if (misses >= 2 || (misses === 1 && isWriterGone)) lost.abort();
  };
  const looking = setInterval(look, lookMs);
  look();
  const exit = await awaitFile(
    dir,
    ["exit"],
    Number.POSITIVE_INFINITY,
    AbortSignal.any([released, lost.signal]),
  );
  clearInterval(looking);
  if (exit !== undefined || readShim(dir).exit !== undefined) return "exited";
  return released.aborted ? undefined : "its process is gone and left no exit record";
}
