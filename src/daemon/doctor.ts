/** `muster doctor`: checks that look, each with what helps. Starts no daemon and changes nothing. */
import { accessSync, constants, existsSync, lstatSync, readFileSync, statfsSync } from "node:fs";
import { basename, dirname, join } from "node:path";
import { client } from "../api/client.ts";
import { apiVersion } from "../api/version.ts";
import type { Check } from "../api/service.ts";
import { allowedEnvironment, credentialKind, sessionEnvironment } from "../config/environment.ts";
import { musterHome, socketPath } from "../config/paths.ts";
import { type UserConfig, readUserConfig } from "../config/user.ts";
import { packageVersion } from "../config/version.ts";
import { Fault } from "../core/fault.ts";
import type { AttemptId } from "../core/ids.ts";
import { shellWord } from "../core/words.ts";
import { openRepository } from "../git/git.ts";
import { readRegistrations } from "../git/registration.ts";
import { listSnapshots, readAllSnapshotsBytes } from "../git/restore.ts";
import { findDamage } from "../ledger/check.ts";
import { lookAtLedger } from "../ledger/look.ts";
import { readDamages } from "../ledger/rebuild.ts";
import { run } from "../process/run.ts";
import { type Binary, findBinary, testedVersion } from "../runner/binary.ts";
import { isSdkInstalled } from "../runner/claude-sdk.ts";
import { findLogin } from "./callers/caller.ts";
import { suspectPath } from "./damage/damage.ts";
import { diskUse } from "./keeping/disk.ts";

const neededNode = [24, 11] as const;
/** Below the first a run may end in the middle; below the second it will (a worktree each, and the ledger). */
const littleSpace = 2 * 1024 ** 3;
const noSpace = 200 * 1024 ** 2;

const ok = (name: string, text: string): Check => ({ name, is: "ok", text, remedy: null });
const note = (name: string, text: string, remedy: string): Check => ({
  name,
  is: "note",
  text,
  remedy,
});
const bad = (name: string, text: string, remedy: string): Check => ({
  name,
  is: "bad",
  text,
  remedy,
});

/** All checks, in order of how much depends on them. */
export async function checkUp(): Promise<readonly Check[]> {
  const env = allowedEnvironment(process.env, []);
  const config = guarded("config", () => readUserConfig(process.env));
  const known = "check" in config ? undefined : config.value;
  const home = guarded("home", () => musterHome(process.env));
  const checks = [checkNode(), checkPlatform(), await checkGit(env)];
  if ("check" in config) checks.push(config.check);
  checks.push(...(await checkClaude(env, known)), await checkSdk());
  if ("check" in home) return [...checks, home.check];
  const ledger = checkLedger(home.value);
  checks.push(checkHome(home.value), checkSocket(home.value), await checkDaemon(home.value));
  checks.push(ledger.check, await checkWorktrees(home.value, env, ledger.open));
  checks.push(await checkDisk(home.value, env));
  return checks;
}

function guarded<T>(name: string, read: () => T): { value: T } | { check: Check } {
  try {
    return { value: read() };
  } catch (error) {
    return { check: failed(name, error, "muster config explain") };
  }
}

function failed(name: string, error: unknown, remedy: string): Check {
  const message = error instanceof Error ? (error.message.split("\n")[0] ?? "") : String(error);
  return bad(name, message, (error instanceof Fault ? error.remedy : null) ?? remedy);
}

function checkNode(): Check {
  const { node } = process.versions;
  const [major = 0, minor = 0] = node.split(".").map(Number);
  const isNew = major > neededNode[0] || (major === neededNode[0] && minor >= neededNode[1]);
  return isNew
    ? ok("node", `Node ${node}`)
    : bad("node", `Node ${node}, ${neededNode.join(".")} or newer is needed`, "nvm install 24");
}

function checkPlatform(): Check {
  const name = `${process.platform} ${process.arch}`;
  switch (process.platform) {
    case "linux":
      return ok("platform", isWsl() ? `${name} (WSL2)` : name);
    case "darwin":
      return note("platform", `${name}, on which muster is untested`, "muster demo");
    default:
      return bad("platform", `${name} is not supported`, "wsl --install");
  }
}

function isWsl(): boolean {
  try {
    return /microsoft/i.test(readFileSync("/proc/version", "utf8"));
  } catch {
    return false;
  }
}

async function checkGit(env: Readonly<Record<string, string>>): Promise<Check> {
  const remedy = "install git 2.39 or later, then: muster doctor";
  try {
    const said = await run({ argv: ["git", "--version"], cwd: "/", env, timeoutMs: 10_000 });
    const text = said.stdout.toString("utf8").trim();
    const [, major = 0, minor = 0] = (/(\d+)\.(\d+)/.exec(text) ?? []).map(Number);
    if (major > 2 || (major === 2 && minor >= 39)) return ok("git", text);
    return bad("git", `${text || "git says no version"}, 2.39 or later is needed`, remedy);
  } catch {
    return bad("git", "git is not on PATH", remedy);
  }
}

async function checkClaude(
  env: Readonly<Record<string, string>>,
  config: UserConfig | undefined,
): Promise<Check[]> {
  let binary: Binary;
  try {
    binary = await findBinary(config?.claude ?? null, env);
  } catch (error) {
    return [failed("claude", error, "npm install --global @anthropic-ai/claude-code")];
  }
  const { path, version, from } = binary;
  const text = `claude ${version} at ${path} (${from})`;
  const isTested = version === testedVersion;
  return [
    isTested
      ? ok("claude", text)
      : note("claude", `${text}, tested with ${testedVersion}`, "muster demo"),
    await checkLogin(env, config, binary),
  ];
}

async function checkLogin(
  env: Readonly<Record<string, string>>,
  config: UserConfig | undefined,
  binary: Binary,
): Promise<Check> {
  const kind = credentialKind(env, { auth: config?.auth ?? "auto" });
  const remedy = "export ANTHROPIC_API_KEY=…, or run claude setup-token, or log in with: claude";
  if (kind === "none")
    return bad("login", `no credential for auth: ${config?.auth ?? "auto"}`, remedy);
  if (kind !== "login") return ok("login", `credential: ${kind}`);
  const plain = {
    ...sessionEnvironment(env, kind, config ?? { env: [], ssh: false }),
    configDir: null,
  };
  const configDir = process.env["CLAUDE_CONFIG_DIR"] ?? null;
  const found = await findLogin(binary, plain, configDir, config?.isolation ?? "none");
  if (found === undefined)
    return bad("login", "no key, no token, no cloud provider, and claude is not logged in", remedy);
  const where =
    found.configDir === null
      ? ""
      : `, in ${found.configDir} itself: sessions keep their files there`;
  return ok("login", `credential: claude's own login${where}`);
}

async function checkSdk(): Promise<Check> {
  return (await isSdkInstalled())
    ? ok("sdk", "the Agent SDK can be imported")
    : note(
        "sdk",
        "the Agent SDK is not installed: runner claude-sdk is not there",
        "npm install --global @anthropic-ai/claude-agent-sdk",
      );
}

/** The home, or the folder that it would be made in. */
function checkHome(home: string): Check {
  let folder = home;
  while (!existsSync(folder)) folder = dirname(folder);
  const remedy = 'export MUSTER_HOME="$HOME/muster-home"';
  if (!lstatSync(folder).isDirectory() && folder !== home)
    return bad("home", `cannot make ${home}: ${folder} is no folder`, remedy);
  try {
    accessSync(folder, constants.W_OK | constants.X_OK);
    const { bavail, bsize } = statfsSync(folder);
    const free = bavail * bsize;
    const text = `${home}, ${gigabytes(free)} free`;
    if (free < noSpace) return bad("home", text, `df -h ${shellWord(folder)}`);
    return free < littleSpace ? note("home", text, `df -h ${shellWord(folder)}`) : ok("home", text);
  } catch (error) {
    return failed("home", error, remedy);
  }
}

function gigabytes(bytes: number): string {
  return `${(bytes / 1024 ** 3).toFixed(1)} GB`;
}

function checkSocket(home: string): Check {
  const socket = socketPath(home, process.env);
  const isOther = existsSync(socket) && !lstatSync(socket).isSocket();
  return isOther
    ? bad("socket", `${socket} is no socket`, `ls -la ${shellWord(socket)}`)
    : ok("socket", socket);
}

async function checkDaemon(home: string): Promise<Check> {
  try {
    const { version, api, pid } = await client(socketPath(home, process.env)).version();
    const text = `daemon ${version} runs (pid ${pid})`;
    if (version === packageVersion() && api === apiVersion) return ok("daemon", text);
    return note("daemon", `${text}, this is muster ${packageVersion()}`, "muster host stop");
  } catch (error) {
    if (error instanceof Fault && error.code === "daemon_unreachable")
      return ok("daemon", "no daemon runs; the next command starts it");
    return failed("daemon", error, "muster host stop");
  }
}

function checkLedger(home: string): { check: Check; open: ReadonlySet<AttemptId> } {
  const path = join(home, "ledger.db");
  if (!existsSync(path)) return { check: ok("ledger", "no ledger yet"), open: new Set() };
  try {
    const found = findDamage(path, { all: true });
    const mend = `touch ${shellWord(suspectPath(home))}; muster host stop; muster ls`;
    if (found.events !== null) {
      const why = `${path} is damaged: ${found.events}; a start that looks at all of it rebuilds it`;
      return { check: bad("ledger", why, mend), open: new Set() };
    }
    const { events, open } = lookAtLedger(path);
    const text = `${events} events, ${open.size} attempts open`;
    const last = readDamages(path).at(-1);
    if (found.index !== null) {
      const why = `an index of ${path} is damaged: ${found.index}; a start that looks at all makes it anew`;
      return { check: bad("ledger", why, mend), open };
    }
    if (last === undefined) return { check: ok("ledger", text), open };
    const report = shellWord(join(last.folder, "report.txt"));
    return {
      check: note("ledger", `${text}; rebuilt after damage`, `cat ${report}`),
      open,
    };
  } catch (error) {
    return { check: failed("ledger", error, `ls -la ${shellWord(path)}`), open: new Set() };
  }
}

/** Worktrees of ours in the repository around this folder whose attempt is over. */
async function checkWorktrees(
  home: string,
  env: Readonly<Record<string, string>>,
  open: ReadonlySet<AttemptId>,
): Promise<Check> {
  const name = "worktrees";
  try {
    const repo = await openRepository(process.cwd(), env);
    const ours = (await readRegistrations(repo)).filter(({ path }) => path.startsWith(`${home}/`));
    const left = ours.filter(({ path }) => {
      const att = basename(path);
      return att.startsWith("att_") && !open.has(att as AttemptId);
    });
    const [first] = left;
    if (first === undefined)
      return ok(name, `${ours.length} in use in this project, none left over`);
    const text = `${left.length} of attempts that are over, such as ${first.path}`;
    return note(name, text, "muster clean --dry-run");
  } catch (error) {
    if (error instanceof Fault && error.code === "not_a_repository")
      return ok(name, "not looked at: this folder is in no repository");
    return failed(name, error, "git worktree list");
  }
}

/** What muster takes below its home, and its snapshots in the repository around this folder. */
async function checkDisk(home: string, env: Readonly<Record<string, string>>): Promise<Check> {
  const { worktrees, attempts, gates, rest, whole } = await diskUse(home);
  const all = megabytes(worktrees + attempts + gates + rest);
  const own = `${whole ? "" : "over "}${all} in ${home}, ${megabytes(worktrees)} of it in worktrees`;
  try {
    const repo = await openRepository(process.cwd(), env);
    const { length } = await listSnapshots(repo);
    const bytes = length === 0 ? 0 : await readAllSnapshotsBytes(repo);
    const size = bytes === null ? "" : `, ${megabytes(bytes)} beyond its branches`;
    return ok("disk", `${own}; ${length} snapshots in this project${size}`);
  } catch {
    return ok("disk", own);
  }
}

function megabytes(bytes: number): string {
  return bytes < 1024 ** 3 ? `${Math.ceil(bytes / 1024 ** 2)} MB` : gigabytes(bytes);
}
