/**
 * `claude-cli`: the binary under our own shim. A session goes on while the daemon is dead; the next daemon finds its folder, folds
 * the stream again from the first byte and talks on through the FIFO.
 */
import { join } from "node:path";
import { setTimeout as wait } from "node:timers/promises";
import type { AgentEvent, Launch, Live, Runner, SessionEnvironment } from "../core/runner.ts";
import { endProcess } from "../process/end.ts";
import { awaitFile } from "../process/files.ts";
import { isAlive } from "../process/identity.ts";
import { type ShimState, maxLineBytes, readShim, startShim, writeLine } from "../process/shim.ts";
import { openAttempt, writeLongMessage } from "./attempt-folder.ts";
import type { Binary } from "./binary.ts";
import { answerLine, endSessionLine, interruptLine, messageLine } from "./control.ts";
import { followStart } from "./followed.ts";
import { argvOf, environmentOf } from "./profile.ts";

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
  openAttempt(launch);
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
  const followed = followStart(dir, launch, state, onEvent);
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
      await followed.gone;
    },
    async release() {
      followed.release();
      await followed.gone;
    },
  };
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
