/** Many sessions in the middle of a round, whose daemon is killed: what they do, and what the ledger has to say of it then. */
import { existsSync, readFileSync, readdirSync, statSync } from "node:fs";
import { join } from "node:path";
import type { Event } from "../../src/core/events.ts";
import { readStat } from "../../src/process/identity.ts";
import { foldStream } from "../../src/runner/fold.ts";
import { prompt } from "../../src/testing/model/behaviors.ts";
import { bash, commit, quote, say, write } from "../../src/testing/model/steps.ts";

/** Calls that a session makes while nobody reads its stream; each of them writes some lines. */
const talks = 5;

/** A task whose session waits for the file `go` among the flags, then talks, then waits for `end` with its work undone. */
export function talker(id: string, flags: string) {
  const until = (name: string): string =>
    `until [ -e ${quote(join(flags, name))} ]; do sleep 0.5; done`;
  const steps = [
    bash(`echo begun > ${quote(join(flags, `${id}.begun`))}; ${until("go")}`),
    ...Array.from({ length: talks }, (_, i) => bash(`echo ${i}`)),
    bash(until("end")),
    write(`${id}.md`, `${id}\n`),
    commit(`Add ${id}`),
    say("Done."),
  ];
  return { id, prompt: prompt(`Add ${id}.`, steps), permissions: { allow: ["Bash"] } };
}

/** How many talkers have come to wait for `go`. */
export function countBegun(flags: string): number {
  return readdirSync(flags).filter((name) => name.endsWith(".begun")).length;
}

/** What a stream says to the core, as `<kind> <byte>`, folded from its first byte by itself. */
function saidBy(stream: Buffer): readonly string[] {
  const said: string[] = [];
  const fold = foldStream((event) => {
    if (event.is === "taken") said.push(`message.taken ${event.offset}`);
    if (event.is === "turn") said.push(`attempt.used ${event.offset}`);
    if (event.is === "round_ended") said.push(`round.ended ${event.offset}`);
  });
  let from = 0;
  for (let end = stream.indexOf(10); end !== -1; end = stream.indexOf(10, from)) {
    fold.line(stream.subarray(from, end), end + 1);
    from = end + 1;
  }
  fold.end(stream.length + 1);
  return said;
}

/** What the ledger has of an attempt's stream, in the same words. */
function recordedOf(events: readonly Event[], att: string): readonly string[] {
  return events.flatMap((event) =>
    (event.type === "message.taken" ||
      event.type === "attempt.used" ||
      event.type === "round.ended") &&
    event.att === att
      ? [`${event.type} ${event.offset}`]
      : [],
  );
}

/** Lines that the streams of these attempts have and the ledger has not, or more than once, or out of order; each by its attempt. */
export function misread(
  home: string,
  attempts: readonly string[],
  events: readonly Event[],
): { readonly lines: number; readonly wrong: readonly string[] } {
  let lines = 0;
  const wrong = attempts.flatMap((att) => {
    const said = saidBy(readFileSync(join(home, "attempts", att, "1", "out.jsonl")));
    const recorded = recordedOf(events, att);
    lines += said.length;
    return said.join() === recorded.join() ? [] : [`${att}: ${said.join()} is ${recorded.join()}`];
  });
  return { lines, wrong };
}

/** Bytes in the streams of all first starts. */
export function streamBytes(home: string): number {
  return readdirSync(join(home, "attempts"))
    .map((att) => join(home, "attempts", att, "1", "out.jsonl"))
    .filter((path) => existsSync(path))
    .reduce((sum, path) => sum + statSync(path).size, 0);
}

/** How long a process has been there, in ms; its start is known to 10 ms. Linux only. */
export function ageMs(pid: number): number {
  const uptime = Number(readFileSync("/proc/uptime", "utf8").split(" ")[0]) * 1000;
  return uptime - Number(readStat(pid)?.startedAt) * 10;
}

/** CPU that a process has used by itself, in ms to 10 ms: what else the machine does makes it little longer. Linux only. */
export function cpuMs(pid: number): number {
  const stat = readFileSync(`/proc/${pid}/stat`, "utf8");
  const fields = stat.slice(stat.lastIndexOf(")") + 2).split(" ");
  return (Number(fields[11]) + Number(fields[12])) * 10;
}
