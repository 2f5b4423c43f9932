/** `muster logs`: what was said to a task's sessions and what they did, or the log of its last gate. */
import { closeSync, constants, fstatSync, openSync, readSync } from "node:fs";
import type { Command } from "commander";
import type { TranscriptLine } from "../../api/service.ts";
import { Fault } from "../../core/fault.ts";
import { type TaskAddress, findTask } from "../address.ts";
import { type Connection, connect } from "../connect.ts";
import { examples } from "../help.ts";
import { type Tone, clean, note, say, sayJson, sayRaw, tint } from "../output.ts";

interface LogFlags {
  readonly follow?: boolean;
  readonly gate?: boolean;
  readonly json?: boolean;
}

export function logsCommand(root: Command): void {
  const command = root
    .command("logs")
    .description("show what a task's sessions did")
    .argument("<run/task>", "a task")
    .option("-f, --follow", "go on until it is settled")
    .option("--gate", "the log of its last gate")
    .option("--json", "an object per line")
    .action(async (wanted: string, flags: LogFlags) => {
      const daemon = await connect();
      const address = await findTask(daemon, wanted);
      if (flags.gate === true) gateLog(address, flags.json === true);
      else await transcript(daemon, address, flags);
    });
  examples(command, [
    ["muster logs api", "a task of the latest run"],
    ["muster logs -f run_1e9443u1/api", "as it goes"],
    ["muster logs api --gate", "what the gate printed"],
  ]);
}

const marks: Readonly<Record<TranscriptLine["kind"], readonly [string, Tone]>> = {
  prompt: ["▷", "busy"],
  said: [" ", "plain"],
  tool: ["◦", "dim"],
  asked: ["▲", "ask"],
  round: ["–", "dim"],
  note: ["·", "dim"],
};

/** A line for people: everything in it was written by an agent or may have been. */
function lineText({ kind, text }: TranscriptLine): string {
  const [mark, tone] = marks[kind];
  const [first = "", ...more] = clean(text).trimEnd().split("\n");
  return [`${tint(tone, mark)} ${first}`, ...more.map((line) => `  ${line}`)].join("\n");
}

const retryMs = 1_000;
/** A daemon that is being restarted is back after a second; one that is not back by now is gone. */
const patienceMs = 30_000;

/** Prints the transcript; while following, a daemon that goes away is waited for and what was printed is skipped. */
async function transcript(
  daemon: Connection,
  { run, task, text }: TaskAddress,
  { follow = false, json = false }: LogFlags,
): Promise<void> {
  const { signal } = new AbortController();
  let printed = 0;
  let awayAt: number | undefined;
  for (;;) {
    try {
      let skip = printed;
      for await (const line of daemon.transcript(run, task, follow, signal)) {
        awayAt = undefined;
        if (skip-- > 0) continue;
        printed += 1;
        if (json) sayJson({ schema: 1, line }, { lines: true });
        else say(lineText(line));
      }
      if (printed === 0 && !json) note(`◎ ${text} has no session yet`);
      return;
    } catch (error) {
      const isAway = error instanceof Fault && error.code === "daemon_unreachable";
      awayAt ??= performance.now();
      if (!follow || !isAway || performance.now() - awayAt > patienceMs) throw error;
      await new Promise((resolve) => setTimeout(resolve, retryMs));
    }
  }
}

/** The end of a log says what went wrong; more than this is read from the file. */
const maxLogBytes = 8 * 1024 * 1024;

function gateLog({ detail, task, text }: TaskAddress, json: boolean): void {
  const more = detail.tasks.find(({ key }) => key === task);
  const path = more?.attempts.flatMap(({ logs }) => logs).at(-1);
  if (path === undefined)
    throw new Fault("refused", `no gate of ${text} has run yet`, {
      remedy: `muster show ${text}`,
    });
  const bytes = readEnd(path);
  if (json) sayJson({ schema: 1, gate: { path, text: bytes.toString("utf8") } });
  else sayRaw(bytes);
}

function readEnd(path: string): Buffer {
  let fd: number;
  try {
    fd = openSync(path, constants.O_RDONLY | constants.O_NONBLOCK | constants.O_NOFOLLOW);
  } catch (cause) {
    throw new Fault("not_found", `the log ${path} is gone`, { remedy: "muster ls", cause });
  }
  try {
    const { size } = fstatSync(fd);
    const buffer = Buffer.alloc(Math.min(size, maxLogBytes));
    const read = readSync(fd, buffer, 0, buffer.length, size - buffer.length);
    if (size > maxLogBytes) note(`▲ only the end is shown; all of it: less ${path}`);
    return buffer.subarray(0, read);
  } finally {
    closeSync(fd);
  }
}
