/**
 * The stand-in: a small program that speaks the control protocol of `claude -p --input-format stream-json`, keeps sessions and
 * runs tools for real, and asks the scripted model in its own process. For tests that need hundreds of sessions.
 */
import { copyFileSync, writeSync } from "node:fs";
import type { Flags } from "./flags.ts";
import { readFlags } from "./flags.ts";
import { authStatus, isLoggedIn } from "./login.ts";
import type { Session } from "./session.ts";
import { createSession } from "./session.ts";
import { findTranscript, openTranscript, readTranscript, transcriptPath } from "./transcript.ts";
import type { Past } from "./transcript.ts";
import { nothing, usageFields } from "./usage.ts";
import type { Inbound, Wire } from "./wire.ts";
import { result, version } from "./wire.ts";

/** The cache is ours alone: what this program starts is not to use it. */
const { NODE_COMPILE_CACHE: _, ...inherited } = process.env;
const env = Object.fromEntries(
  Object.entries(inherited).flatMap(([name, value]) =>
    value === undefined ? [] : [[name, value]],
  ),
);
const cwd = process.cwd();

function main(argv: readonly string[]): void {
  const flags = readFlags(argv);
  if (flags.command === "version") {
    say(1, `${version} (Claude Code)\n`);
    return;
  }
  if (flags.command === "auth") {
    say(1, authStatus(env));
    process.exitCode = isLoggedIn(env) ? 0 : 1;
    return;
  }
  const session = start(flags);
  readLines(session);
  process.on("SIGINT", () => {
    process.exitCode = 0;
    session.interrupt();
    session.close();
  });
  for (const [name, code] of [
    ["SIGTERM", 143],
    ["SIGHUP", 129],
  ] as const) {
    process.on(name, () => {
      muted = true;
      session.interrupt();
      process.exit(code);
    });
  }
}

let muted = false;

function write(message: Wire): void {
  if (!muted) say(1, `${JSON.stringify(message)}\n`);
}

/** Written at once and whole: an exit right after it loses nothing. */
function say(fd: 1 | 2, text: string): void {
  try {
    writeSync(fd, text);
  } catch {
    // Nobody reads any more. The session goes on until its input ends, as the real one does.
    muted = true;
  }
}

function start(flags: Flags): Session {
  const { resume } = flags;
  const found = resume === undefined ? undefined : findTranscript(resume, env);
  if (resume !== undefined && found === undefined)
    fail(`No conversation found with session ID: ${resume}`, resume);
  const isSame = resume !== undefined && !flags.fork;
  const sessionId = isSame ? resume : (flags.sessionId ?? crypto.randomUUID());
  const taken = isSame ? undefined : findTranscript(sessionId, env);
  if (taken !== undefined) fail(`Error: Session ID ${sessionId} is already in use.`);
  const path = isSame && found !== undefined ? found : transcriptPath(sessionId, cwd, env);
  if (!isSame && found !== undefined) copyFileSync(found, path);
  const past: Past = found === undefined ? fresh : readTranscript(found);
  const transcript = openTranscript(path, sessionId, cwd);
  return createSession({ flags, sessionId, cwd, env, transcript, past, write, exit });
}

function exit(code: number): never {
  process.exit(process.exitCode ?? code);
}

const fresh: Past = { messages: [], uuids: new Set(), totals: null };

/** Ends with code 1; for a session that is not there also with a result, as the real program does. */
function fail(message: string, sessionId?: string): never {
  if (sessionId !== undefined) {
    const fields = {
      subtype: "error_during_execution",
      is_error: true,
      stop_reason: null,
      num_turns: 0,
      permission_denials: [],
      errors: [message],
    } as const;
    const ids = { session_id: sessionId, uuid: crypto.randomUUID(), result_index: 0 };
    write(result(fields, { ...usageFields(nothing, nothing, ""), ...ids }));
  }
  say(2, `${message}\n`);
  process.exit(1);
}

function readLines(session: Session): void {
  let rest = "";
  const take = (line: string): void => {
    if (line.trim() === "") return;
    session.take(parse(line));
  };
  process.stdin.setEncoding("utf8");
  process.stdin.on("data", (chunk: string) => {
    const lines = (rest + chunk).split("\n");
    rest = lines.pop() ?? "";
    for (const line of lines) take(line);
  });
  process.stdin.on("end", () => {
    take(rest);
    session.close();
  });
}

function parse(line: string): Inbound {
  try {
    const message: Inbound = JSON.parse(line);
    return message;
  } catch {
    return fail(`Error parsing streaming input line (${line.length} chars): SyntaxError`);
  }
}

main(process.argv.slice(2));
