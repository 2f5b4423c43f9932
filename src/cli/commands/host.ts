/** `muster host`: the daemon of this machine. */
import type { Command } from "commander";
import { Fault } from "../../core/fault.ts";
import { isAlive, readIdentity } from "../../process/identity.ts";
import { type Connection, endDaemon, findDaemon } from "../connect.ts";
import { examples } from "../help.ts";
import { done, note, say, sayJson, table } from "../output.ts";

export function hostCommand(root: Command): void {
  const host = root.command("host").description("look at the daemon, or end it");
  host
    .command("status")
    .description("what runs on this machine")
    .option("--json", "print an object")
    .action(async (flags: { json?: boolean }) => status(flags.json === true));
  host
    .command("stop")
    .description("end the daemon; sessions go on")
    .option("--sessions", "end the sessions too")
    .option("--json", "print an object")
    .action(stop);
  examples(host, [
    ["muster host status --json", "pid, version, socket, sessions"],
    ["muster host stop --sessions", "everything of muster ends"],
  ]);
}

async function status(json: boolean): Promise<void> {
  const daemon = await findDaemon();
  if (daemon === undefined) throw none();
  const host = await daemon.host();
  if (json) {
    sayJson({ schema: 1, host });
    return;
  }
  const { pid, version, socket, sessions } = host;
  say(`✓ muster ${version}, pid ${pid}, ${socket}`);
  if (sessions.length > 0)
    say(table(sessions.map(({ task, session, pid: of }) => [`◎ ${task}`, `pid ${of}`, session])));
}

function none(): Fault {
  return new Fault("daemon_unreachable", "no daemon runs", {
    remedy: "To start it, run muster ls",
  });
}

interface StopFlags {
  readonly sessions?: boolean;
  readonly json?: boolean;
}

/** Under `--json`: the daemon that has ended, with the sessions that go on; null where none ran. */
async function stop({ sessions = false, json = false }: StopFlags): Promise<void> {
  const daemon = await findDaemon();
  if (daemon === undefined) {
    if (json) sayJson({ schema: 1, host: null });
    else note("◎ no daemon runs");
    return;
  }
  const host = await daemon.host();
  const before = host.sessions.map((session) => ({ session, is: readIdentity(session.pid) }));
  await end(daemon, sessions);
  // Seen, not assumed: some runners' sessions end with the daemon.
  const left = before.flatMap(({ session, is }) =>
    is !== undefined && isAlive(is) ? [session] : [],
  );
  if (json) {
    sayJson({ schema: 1, host: { ...host, sessions: left } });
    return;
  }
  done("the daemon has ended");
  if (left.length > 0)
    note(
      `◎ ${left.length === 1 ? "a session goes on; the next command takes it over" : `${left.length} sessions go on; the next command takes them over`}`,
    );
}

async function end(daemon: Connection, sessions: boolean): Promise<void> {
  if (await endDaemon(daemon, () => daemon.stopHost(sessions))) return;
  throw new Fault("timed_out", "the daemon is still ending", { remedy: "muster host status" });
}
