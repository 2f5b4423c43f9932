/** The way to the daemon: found, or started on demand under the respawning shim; versions compared before anything else. */
import {
  appendFileSync,
  closeSync,
  existsSync,
  mkdirSync,
  openSync,
  readFileSync,
  readSync,
  rmSync,
  statSync,
} from "node:fs";
import { basename, dirname, join } from "node:path";
import { setTimeout as wait } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import { type Client, client } from "../api/client.ts";
import type { Caller } from "../api/schema.ts";
import { apiVersion } from "../api/version.ts";
import { ensureHome, musterHome, socketPath } from "../config/paths.ts";
import { packageVersion } from "../config/version.ts";
import { Fault, type FaultJson } from "../core/fault.ts";
import { awaitGone } from "../process/end.ts";
import { awaitFile } from "../process/files.ts";
import { isFull, noSpace } from "../process/full.ts";
import { readIdentity } from "../process/identity.ts";
import { startRespawning } from "../process/respawn.ts";
import { note } from "./output.ts";
import { shellWord } from "../core/words.ts";

/** A small young generation: after eight runs the daemon held 92 MB instead of 112 MB, at no cost that could be measured. */
const leanFlags = ["--max-semi-space-size=1"];
/**
 * What glibc is told about memory that was freed: give it back from 128 KiB on, as it does by itself until the first large piece
 * was freed. The pieces of the daemon's threads took 7 to 8 MB in two runs of the soak, and 26 to 30 MB in three without this.
 */
const leanEnvironment = { MALLOC_MMAP_THRESHOLD_: "131072", MALLOC_TRIM_THRESHOLD_: "131072" };

/** How the daemon is started, whoever starts it. */
export const lean = { flags: leanFlags, env: leanEnvironment } as const;

const startTimeoutMs = 30_000;
const lookMs = 250;
/** A daemon that can come up on a full disk at all does so within this: it has nothing to write first. */
const fullMs = 5_000;
/** Longer than a session takes to end: an interrupt, a request, TERM and KILL. */
const endTimeoutMs = 60_000;

export interface Connection extends Client {
  readonly home: string;
  /** True where this command started the daemon. */
  readonly started: boolean;
}

/** The daemon of this MUSTER_HOME, started if need be. Throws Fault `daemon_unreachable`, `version_mismatch`, `unwritable`. */
export async function connect(): Promise<Connection> {
  const home = ensureHome(musterHome(process.env));
  const socket = socketPath(home, process.env);
  const api = client(socket);
  const running = await tryVersion(api);
  if (running === undefined) await start(home, socket, api);
  else await requireSameVersion(api, running, home, socket);
  tellNote(noteOf(home));
  return { ...api, home, started: running === undefined };
}

/** The daemon if there is one; undefined where none answers. Starts nothing. */
export async function findDaemon(): Promise<Connection | undefined> {
  const home = musterHome(process.env);
  const api = client(socketPath(home, process.env));
  return (await tryVersion(api)) === undefined ? undefined : { ...api, home, started: false };
}

/**
 * Ends the daemon and returns once it is gone, so that whatever follows finds the home free. False where it goes on for longer than
 * a minute: it ends, but a session takes its time.
 */
export async function endDaemon(api: Client, ask: () => Promise<unknown>): Promise<boolean> {
  const { pid } = await api.version();
  const identity = readIdentity(pid);
  await ask();
  return identity === undefined || awaitGone(identity, endTimeoutMs);
}

async function tryVersion(api: Client): Promise<{ version: string; api: number } | undefined> {
  try {
    return await api.version();
  } catch (error) {
    if (error instanceof Fault && error.code === "daemon_unreachable") return undefined;
    throw error;
  }
}

/** A newer CLI takes over: the old daemon ends, sessions under the shim go on. An older CLI is refused. */
async function requireSameVersion(
  api: Client,
  running: { version: string; api: number },
  home: string,
  socket: string,
): Promise<void> {
  const own = packageVersion();
  if (running.version === own && running.api === apiVersion) return;
  if (running.api > apiVersion || isNewer(running.version, own))
    throw new Fault("version_mismatch", `the daemon is muster ${running.version}, this is ${own}`, {
      remedy: "npm install --global musterd@latest",
    });
  note(`◎ the daemon is muster ${running.version}: handing over to ${own}`);
  await endDaemon(api, () => api.stopHost(false));
  await start(home, socket, api);
}

function isNewer(a: string, b: string): boolean {
  const [left, right] = [a, b].map((v) => v.split(".").map((part) => Number.parseInt(part, 10)));
  for (let i = 0; i < 3; i++)
    if ((left?.[i] ?? 0) !== (right?.[i] ?? 0)) return (left?.[i] ?? 0) > (right?.[i] ?? 0);
  return false;
}

async function start(home: string, socket: string, api: Client): Promise<void> {
  const logDir = join(home, "log");
  mkdirSync(logDir, { recursive: true, mode: 0o700 });
  const log = join(logDir, "daemon.err");
  const giveUp = noteOf(home);
  tellNote(giveUp);
  appendFileSync(log, "", { mode: 0o600 });
  const { argv, env } = await daemonCommand(home);
  let from = 0;
  const startOnce = (): void => {
    from = statSync(log).size;
    startRespawning({ argv, env, cwd: "/", log, note: giveUp });
  };
  startOnce();
  const since = performance.now();
  while (performance.now() - since < startTimeoutMs) {
    await awaitFile(dirname(socket), [basename(socket)], lookMs);
    if ((await tryVersion(api)) !== undefined) return;
    await wait(lookMs / 10); // A dead daemon's socket is there at once: do not spin around it.
    const said = faultIn(log, from);
    if (said !== undefined && said.code !== "locked") throw said;
    if (performance.now() - since > fullMs && isFull(home)) throw noSpace(home);
    // Another one is on its way up, or still on its way down: then it is our turn.
    if (said !== undefined) startOnce();
  }
  throw new Fault(
    "daemon_unreachable",
    `the daemon did not come up within ${startTimeoutMs / 1000} s`,
    { remedy: `cat ${shellWord(log)}` },
  );
}

/** How a daemon of this home is started, with what it gets of the environment around this process. */
export async function daemonCommand(
  home: string,
): Promise<{ readonly argv: [string, ...string[]]; readonly env: Record<string, string> }> {
  // Reading configuration is slow to load, and only a start needs it.
  const { daemonEnvironment } = await import("./caller.ts");
  return {
    argv: [process.execPath, ...lean.flags, daemonScript("main")],
    env: { HOME: home, ...daemonEnvironment(), ...lean.env, MUSTER_HOME: home },
  };
}

/** A program of `daemon/`, as it is in a clone or in the package. */
export function daemonScript(name: string): string {
  const extension = import.meta.filename.endsWith(".ts") ? "ts" : "js";
  return fileURLToPath(new URL(`../daemon/${name}.${extension}`, import.meta.url));
}

/** What the daemon is to know of this terminal, for the commands that bring it. */
export async function thisCaller(): Promise<Caller> {
  return (await import("./caller.ts")).caller();
}

/** What a daemon, or what keeps it alive, has to say to whoever comes next. */
function noteOf(home: string): string {
  return join(home, "daemon.note");
}

function tellNote(path: string): void {
  if (!existsSync(path)) return;
  for (const line of readFileSync(path, "utf8").trim().split("\n")) note(`▲ ${line}`);
  rmSync(path, { force: true });
}

/** The Fault that a daemon wrote to its log from byte `from` on, where it could not start. */
function faultIn(log: string, from: number): Fault | undefined {
  const fd = openSync(log, "r");
  try {
    const buffer = Buffer.alloc(64 * 1024);
    const text = buffer.subarray(0, readSync(fd, buffer, 0, buffer.length, from)).toString("utf8");
    const line = text.split("\n").find((each) => each.startsWith('{"code"'));
    if (line === undefined) return undefined;
    return Fault.of(JSON.parse(line) as FaultJson);
  } finally {
    closeSync(fd);
  }
}
