/** What needs the whole house but no daemon: `doctor` and `config explain` run as a program of their own and answer in JSON. */
import { Fault, type FaultJson } from "../core/fault.ts";
import { run } from "../process/run.ts";
import { daemonScript } from "./connect.ts";

/** The slowest check is a cold binary that says its version, twice. */
const timeoutMs = 60_000;

/** Asks; throws the Fault that the program answers with. */
export async function askOffline<T>(what: "doctor" | "config"): Promise<T> {
  const done = await run({
    argv: [process.execPath, daemonScript("offline"), what],
    cwd: process.cwd(),
    env: Object.fromEntries(
      Object.entries(process.env).flatMap(([name, value]) =>
        value === undefined ? [] : [[name, value]],
      ),
    ),
    timeoutMs,
  });
  if (done.ended === "timed_out")
    throw new Fault("timed_out", `${what} took longer than ${timeoutMs / 1000} s`);
  const answer = parse(done.stdout.toString("utf8"));
  if (answer === undefined)
    throw new Fault("internal", `${what} failed: ${lastLine(done.stderr.toString("utf8"))}`);
  if ("error" in answer) throw Fault.of(answer.error);
  return answer.answer as T;
}

type Answer = { readonly answer: unknown } | { readonly error: FaultJson };

function parse(text: string): Answer | undefined {
  try {
    return JSON.parse(text) as Answer;
  } catch {
    return undefined;
  }
}

function lastLine(text: string): string {
  return text.trim().split("\n").at(-1) ?? "";
}
