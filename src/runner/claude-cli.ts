/**
 * `claude-cli`: the binary under our own shim. A session goes on while the daemon is dead; the next daemon finds its folder, folds
 * the stream again from the first byte and talks on through the FIFO.
 */
import { mkdirSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as wait } from "node:timers/promises";
import type { AgentEvent, Live, Runner } from "../core/runner.ts";
import { endProcess, sweep } from "../process/end.ts";
import { awaitFile, follow } from "../process/files.ts";
import { isAlive } from "../process/identity.ts";
import {
  type ShimState,
  isRunning,
  maxLineBytes,
  readShim,
  startShim,
  writeLine,
} from "../process/shim.ts";
import type { Launch, SessionEnvironment } from "../core/runner.ts";
import { writeLongMessage } from "./attempt-folder.ts";
import type { Binary } from "./binary.ts";
import { answerLine, endSessionLine, interruptLine, messageLine } from "./control.ts";
import { foldStream } from "./fold.ts";
import { argvOf, environmentOf } from "./profile.ts";

/** How often a session whose shim may be gone is looked at; dead is what was missing twice. */
const lookMs = 2_000;
/** A claim without an id after this long belongs to a shim that died in between. */
const adoptTimeoutMs = 20_000;

export function claudeCli(findBinary: () => Promise<Binary>): Runner {
  return {
    name: "claude-cli",
    outlivesDaemon: true,
    async start(launch, environment, onEvent) {
      const dir = join(launch.dir, String(launch.n));
      let state = readShim(dir);
      if (!state.claimed) state = await startFresh(dir, launch, await findBinary(), environment());
      else if (state.id === undefined && state.exit === undefined) {
        await awaitFile(dir, ["id", "exit"], adoptTimeoutMs);
        state = readShim(dir);
      }
      return attach(dir, launch, state, onEvent);
    },
  };
}

async function startFresh(
  dir: string,
  launch: Launch,
  binary: Binary,
  given: SessionEnvironment,
): Promise<ShimState> {
  for (const name of ["cfg", "tmp", "msg"])
    mkdirSync(join(launch.dir, name), { recursive: true, mode: 0o700 });
  return startShim({
    dir,
    argv: argvOf(binary.path, launch),
    cwd: launch.cwd,
    env: environmentOf(launch, given),
    stdin: "fifo",
    ...(given.apiKey === null ? {} : { secret: given.apiKey }),
  });
}

/** Follows a start until it has exited, and talks to it. */
function attach(
  dir: string,
  launch: Launch,
  state: ShimState,
  onEvent: (event: AgentEvent) => void,
): Live {
  let offset = 0;
  const released = new AbortController();
  const fold = foldStream(onEvent);
  const following = follow(join(dir, "out.jsonl"), 0, (line, end) => {
    offset = end;
    fold.line(line, end);
  });
  const gone = watchEnd(dir, state, released.signal).then(async (why) => {
    if (why === undefined) return;
    await following.drain();
    following.stop();
    const spare = state.id === undefined ? [] : [state.id.shim];
    await sweep(`MUSTER_ATTEMPT=${launch.att}`, spare);
    fold.end(offset);
    const exit = readShim(dir).exit ?? null;
    onEvent({
      is: "exited",
      code: exit,
      signal: null,
      why: exit === null ? why : `exited ${exit}`,
      offset,
    });
  });
  const lines = serialize((line: string) => writeLine(dir, line));
  let requests = 0;
  const requestId = (): string => `muster-${launch.n}-${++requests}`;
  return {
    pid: state.id?.child.pid ?? 0,
    async send({ uuid, text }) {
      const line = messageLine(uuid, text);
      await lines(
        Buffer.byteLength(line) < maxLineBytes
          ? line
          : messageLine(uuid, writeLongMessage(launch.dir, uuid, text)),
      );
    },
    answer: (ask, answer, input) => lines(answerLine(ask, answer, input)),
    interrupt: () => lines(interruptLine(requestId())),
    async stop(graceMs) {
      const { id } = readShim(dir);
      if (id !== undefined && isAlive(id.child)) {
        await Promise.race([lines(endSessionLine(requestId())).catch(() => {}), wait(graceMs)]);
        if ((await awaitFile(dir, ["exit"], graceMs)) === undefined)
          await endProcess(id.child, graceMs);
      }
      await gone;
    },
    async release() {
      released.abort();
      following.stop();
      await gone;
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
  const look = setInterval(() => {
    misses = isRunning(state) ? 0 : misses + 1;
    if (misses >= 2) lost.abort();
  }, lookMs);
  const exit = await awaitFile(
    dir,
    ["exit"],
    Number.POSITIVE_INFINITY,
    AbortSignal.any([released, lost.signal]),
  );
  clearInterval(look);
  if (exit !== undefined || readShim(dir).exit !== undefined) return "exited";
  return released.aborted ? undefined : "its process is gone and left no exit record";
}

/** One writer: calls run one after another, and one that fails does not stop the next. */
function serialize<T>(act: (value: T) => Promise<void>): (value: T) => Promise<void> {
  let last: Promise<void> = Promise.resolve();
  return (value) => {
    const next = last.catch(() => {}).then(() => act(value));
    last = next;
    return next;
  };
}
