/** `muster host`: the daemon of this machine. */
import type { Command } from "commander";
import { ensureHome, musterHome } from "../../config/paths.ts";
import { Fault } from "../../core/fault.ts";
import { become } from "../../process/become.ts";
import { isAlive, readIdentity } from "../../process/identity.ts";
import { type Connection, daemonCommand, endDaemon, findDaemon } from "../connect.ts";
import { examples } from "../help.ts";
import { done, note, oneLine, say, sayJson, table } from "../output.ts";
import { heldBackText } from "../run-text.ts";
import { type Told, type Unit, installUnit, lookAtUnit, removeUnit } from "../unit-file.ts";
import { unrecordedText } from "../unrecorded.ts";

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
  host
    .command("run")
    .description("be the daemon, in the foreground, for a service manager")
    .action(runHere);
  host
    .command("install")
    .description("have the daemon come back after a login")
    .option("--dry-run", "show what would be written")
    .option("--json", "print an object")
    .action(install);
  host
    .command("uninstall")
    .description("undo host install; a daemon that runs goes on")
    .option("--dry-run", "show what would be removed")
    .option("--json", "print an object")
    .action(uninstall);
  examples(host, [
    ["muster host status --json", "pid, version, socket, sessions"],
    ["muster host stop --sessions", "everything of muster ends"],
    ["muster host install", "open runs go on after a reboot"],
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
  const { pid, version, socket, sessions, heldBack, unrecorded } = host;
  say(`✓ muster ${version}, pid ${pid}, ${socket}`);
  if (heldBack) say(heldBackText(heldBack));
  for (const line of unrecordedText(unrecorded)) say(line);
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

/**
 * Becomes the daemon, under the same pid: a service manager's TERM reaches it, and it ends as after `host stop`. Where one runs already
 * there is nothing to do, which is no failure: the service would be started over and over.
 */
async function runHere(): Promise<void> {
  const daemon = await findDaemon();
  if (daemon !== undefined) {
    note(`◎ a daemon runs already (pid ${(await daemon.version()).pid})`);
    return;
  }
  become({ ...(await daemonCommand(ensureHome(musterHome(process.env)))), cwd: "/" });
}

interface UnitFlags {
  readonly dryRun?: boolean;
  readonly json?: boolean;
}

async function install({ dryRun = false, json = false }: UnitFlags): Promise<void> {
  const unit = lookAtUnit();
  const told = dryRun ? null : await installUnit(unit);
  if (json) sayUnit(unit, told, { written: told !== null && unit.is !== "same" });
  else if (told === null) say(`would write ${unit.path}\n\n${unit.text}`);
  else {
    done(`${unit.is === "same" ? "nothing to change in" : "wrote"} ${unit.path}`);
    tellNext(told, "enabled");
    if (unit.kind === "systemd")
      note("◎ it starts at login; to start it at boot, run loginctl enable-linger");
  }
}

async function uninstall({ dryRun = false, json = false }: UnitFlags): Promise<void> {
  const unit = lookAtUnit();
  const told = dryRun ? null : await removeUnit(unit);
  if (json) sayUnit(unit, told, { removed: told !== null });
  else if (unit.is === "absent") note(`◎ there is no ${unit.path}`);
  else if (told === null) say(`would remove ${unit.path}`);
  else {
    done(`removed ${unit.path}`);
    tellNext(told, "disabled");
  }
}

function tellNext({ command, ran, why }: Told, what: string): void {
  if (ran) note(`◎ ${what} with ${command}`);
  else note(`▲ not ${what}: ${oneLine(why ?? "", 300)}\n↳ ${command}`);
}

/** Under `--json`: the file, whether it was touched, and what a service manager was told. */
function sayUnit({ kind, path, home, text, is }: Unit, told: Told | null, touched: object): void {
  sayJson({ schema: 1, service: { kind, path, home, is, text, ...touched, told } });
}
