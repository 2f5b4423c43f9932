/** `muster host`: the daemon of this machine. */
import type { Command } from "commander";
import { Fault } from "../../core/fault.ts";
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
    .action(async (flags: { sessions?: boolean }) => stop(flags.sessions === true));
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

async function stop(sessions: boolean): Promise<void> {
  const daemon = await findDaemon();
  if (daemon === undefined) {
    note("◎ no daemon runs");
    return;
  }
  const { sessions: live } = await daemon.host();
  await end(daemon, sessions);
  done("the daemon has ended");
  if (live.length > 0 && !sessions)
    note(`◎ ${live.length} sessions go on; the next command takes them over`);
}

async function end(daemon: Connection, sessions: boolean): Promise<void> {
  if (await endDaemon(daemon, () => daemon.stopHost(sessions))) return;
  throw new Fault("timed_out", "the daemon is still ending", { remedy: "muster host status" });
}
