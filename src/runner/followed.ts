/** A start that is followed: its stream folded from the first byte, its end seen by its exit record or its identity. */
import { join } from "node:path";
import type { AgentEvent, Launch } from "../core/runner.ts";
import { sweepSession } from "../process/end.ts";
import { follow } from "../process/files.ts";
import { type ShimState, awaitEnd, readShim } from "../process/shim.ts";
import { foldStream } from "./fold.ts";

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
    const end = await awaitEnd(dir, state, Number.POSITIVE_INFINITY, released.signal);
    if (end === "released") return;
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
      why: exit === null ? "its process is gone and left no exit record" : `exited ${exit}`,
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
