/** The file that starts the daemon at login: written, enabled where that can be done, and removed. A file that is not muster's stays. */
import { lstatSync, mkdirSync, readFileSync, readlinkSync, rmSync } from "node:fs";
import { dirname, join, resolve } from "node:path";
import { fileURLToPath } from "node:url";
import { ensureHome, musterHome } from "../config/paths.ts";
import { replaceFile } from "../config/write.ts";
import { Fault } from "../core/fault.ts";
import { shellWord } from "../core/words.ts";
import { run } from "../process/run.ts";
import {
  type UnitKind,
  disableText,
  enableText,
  homeIn,
  isOwnUnit,
  unitKind,
  unitName,
  unitPath,
  unitText,
} from "./unit.ts";

export interface Unit {
  readonly kind: UnitKind;
  readonly path: string;
  readonly home: string;
  /** Of the file as it should be. */
  readonly text: string;
  /** `other`: muster's, of another version, program or PATH. */
  readonly is: "absent" | "same" | "other";
}

/** What a service manager was told, or why it was not. */
export interface Told {
  /** The command for a person. */
  readonly command: string;
  /** True where it was run. */
  readonly ran: boolean;
  /** Why it was not; null where it was. */
  readonly why: string | null;
}

/** The unit of this MUSTER_HOME as it is and as it should be. Throws Fault `refused` for a file of somebody else's or of another home. */
export function lookAtUnit(): Unit {
  const kind = unitKind(process.platform);
  const path = unitPath(kind, process.env);
  const home = musterHome(process.env);
  const { PATH = "/usr/bin:/bin" } = process.env;
  const bin = fileURLToPath(new URL("../../bin/muster.js", import.meta.url));
  const argv = [process.execPath, bin, "host", "run"];
  const text = unitText(kind, { home, path: PATH, argv });
  const found = readOwn(kind, path, home);
  return { kind, path, home, text, is: found === null ? "absent" : isSame(found, text) };
}

function isSame(found: string, text: string): "same" | "other" {
  return found === text ? "same" : "other";
}

/** The file's text; null where there is none. */
function readOwn(kind: UnitKind, path: string, home: string): string | null {
  const stat = lstatSync(path, { throwIfNoEntry: false });
  if (stat === undefined) return null;
  const text = stat.isFile() ? readFileSync(path, "utf8") : "";
  if (!isOwnUnit(text))
    throw new Fault("refused", `${path} is not muster's`, {
      remedy: `To see what it is, run ls -la ${shellWord(path)}`,
    });
  const other = homeIn(kind, text);
  if (other !== undefined && other !== home)
    throw new Fault("refused", `${path} is for the daemon of ${other}`, {
      remedy: `MUSTER_HOME=${shellWord(other)} muster host uninstall`,
    });
  return text;
}

/** Writes the file where it is not the same, and has it enabled. Repeating it changes nothing. */
export async function installUnit({ kind, path, home, text, is }: Unit): Promise<Told> {
  ensureHome(home);
  if (is !== "same") {
    mkdirSync(dirname(path), { recursive: true });
    await replaceFile(path, text, { mode: 0o644 });
  }
  return tell(enableText(kind, path), [["daemon-reload"], ["enable", "--now", unitName]]);
}

/** Removes the file; a daemon that runs goes on. */
export async function removeUnit({ kind, path, is }: Unit): Promise<Told | null> {
  if (is === "absent") return null;
  const command = disableText(kind);
  // While it is there: what enabled it is found by its name. A manager that refuses must not keep it.
  const told = await tell(command, [["disable", unitName]]).catch((error: unknown): Told => {
    if (!(error instanceof Fault)) throw error;
    return { command, ran: false, why: error.message };
  });
  dropLink(path);
  rmSync(path, { force: true });
  if (told.ran) await systemctl(["daemon-reload"]);
  return told;
}

/** What `enable` made, where nobody could be told to undo it; a link to anything else stays. */
function dropLink(path: string): void {
  const link = join(dirname(path), "default.target.wants", unitName);
  if (lstatSync(link, { throwIfNoEntry: false })?.isSymbolicLink() !== true) return;
  if (resolve(dirname(link), readlinkSync(link)) === path) rmSync(link, { force: true });
}

/** The path of this home's own file; null where there is none, or somebody else's is in its place. */
export function ownUnit(): Unit | null {
  try {
    const unit = lookAtUnit();
    return unit.is === "absent" ? null : unit;
  } catch (error) {
    if (error instanceof Fault) return null;
    throw error;
  }
}

async function tell(command: string, calls: readonly (readonly string[])[]): Promise<Told> {
  const why = await whyNot();
  if (why !== null) return { command, ran: false, why };
  for (const call of calls) {
    const { code, said } = await systemctl(call);
    if (code !== 0)
      throw new Fault("refused", `systemctl --user ${call.join(" ")} ended with ${code}: ${said}`, {
        remedy: `systemctl --user status ${unitName}`,
      });
  }
  return { command, ran: true, why: null };
}

/** Why nobody can be told; null where `systemctl --user` answers. */
async function whyNot(): Promise<string | null> {
  if (process.platform !== "linux") return "muster does not run launchctl";
  try {
    const { stdout, said } = await systemctl(["is-system-running"]);
    // Degraded is what a manager is called of which any unit has failed.
    const isUp = ["running", "degraded", "starting", "initializing"].includes(stdout);
    return isUp ? null : `systemctl --user can't be used here: ${said || stdout || "no answer"}`;
  } catch (error) {
    if (error instanceof Fault && error.code === "not_found") return "there is no systemctl here";
    throw error;
  }
}

/** A reload and a start take under a second; a manager that hangs is not waited for longer. */
const timeoutMs = 30_000;
/** How a user's manager is reached. */
const wanted = ["PATH", "HOME", "XDG_RUNTIME_DIR", "XDG_CONFIG_HOME", "DBUS_SESSION_BUS_ADDRESS"];

async function systemctl(
  args: readonly string[],
): Promise<{ readonly code: number | null; readonly stdout: string; readonly said: string }> {
  const env = Object.fromEntries(
    wanted.flatMap((name): [string, string][] => {
      const value = process.env[name];
      return value === undefined ? [] : [[name, value]];
    }),
  );
  const argv = ["systemctl", "--user", ...args] as const;
  const done = await run({ argv, cwd: "/", env: { ...env, LC_ALL: "C" }, timeoutMs });
  const said = done.stderr.toString("utf8").trim().split("\n").at(-1) ?? "";
  return { code: done.code, stdout: done.stdout.toString("utf8").trim(), said };
}
