/**
 * A caller: what a run needs from the person's terminal, their environment, their login, their CLAUDE.md. Secrets are kept in memory
 * only: a daemon that was started from elsewhere has none of them until the person resumes.
 */
import { createHash } from "node:crypto";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { Caller } from "../../api/schema.ts";
import {
  type CredentialKind,
  allowedEnvironment,
  credentialKind,
  gateEnvironment,
  sessionEnvironment,
} from "../../config/environment.ts";
import { type UserConfig, readUserConfig } from "../../config/user.ts";
import { Fault } from "../../core/fault.ts";
import { defaultContext } from "../../core/plan.ts";
import type { SessionEnvironment } from "../../core/runner.ts";
import type { RunEnvironment } from "../../host/context.ts";
import { run } from "../../process/run.ts";
import { type Binary, findBinary } from "../../runner/binary.ts";
import { environmentOf } from "../../runner/profile.ts";
import type { Log } from "../log.ts";

export interface KnownCaller {
  readonly caller: Caller;
  readonly config: UserConfig;
  readonly kind: Exclude<CredentialKind, "none">;
  /** What sessions log in with, for people. */
  readonly credential: string;
  /** Tells the credential from others and gives nothing away. */
  readonly fingerprint: string;
  readonly binary: Binary;
  readonly environment: RunEnvironment;
}

const probeTimeoutMs = 20_000;
const maxInstructions = 32 * 1024;

/**
 * Reads the person's configuration, finds the binary and proves that there is a login, before anything starts.
 * Throws Fault `bad_config`, `no_claude`, `no_login`.
 */
export async function knowCaller(caller: Caller): Promise<KnownCaller> {
  const { env, claudeConfigDir } = caller;
  const config = configOf(caller);
  const binary = await findBinary(config.claude, env);
  const kind = credentialKind(env, config);
  const plain = { ...sessionEnvironment(env, kind, config), configDir: null };
  const session =
    kind === "login" ? await findLogin(binary, plain, claudeConfigDir, config.isolation) : plain;
  if (kind === "none" || session === undefined) throw notLoggedIn(config.auth);
  return {
    caller,
    config,
    kind,
    credential: session.configDir === null ? kind : `${kind} (in your own config dir)`,
    fingerprint: fingerprintOf(kind, session),
    binary,
    environment: environmentOfRun(caller, config, () => session, []),
  };
}

/** What is known of a caller whose secrets are gone. */
interface Part {
  readonly kind: KnownCaller["kind"];
  readonly fingerprint: string;
  /** Names of what gates had and have no more. */
  readonly lost: readonly string[];
  /** What a session is refused with. */
  readonly fault: Fault;
}

/** A caller that no session can be started for; git goes on, and gates do where nothing of theirs is lost. Throws as `knowCaller`. */
export async function knowPart(
  caller: Caller,
  { kind, fingerprint, lost, fault }: Part,
): Promise<KnownCaller> {
  const config = configOf(caller);
  const binary = await findBinary(config.claude, caller.env);
  const refuse = (): never => {
    throw fault;
  };
  const environment = environmentOfRun(caller, config, refuse, lost);
  return { caller, config, kind, credential: kind, fingerprint, binary, environment };
}

function environmentOfRun(
  { env, configHome, claudeConfigDir }: Caller,
  config: UserConfig,
  session: () => SessionEnvironment,
  lost: readonly string[],
): RunEnvironment {
  return {
    // Git reads the person's configuration there.
    base: configHome === null ? env : { ...env, XDG_CONFIG_HOME: configHome },
    gate: gateEnvironment(env, config.env),
    lost,
    session,
    isolation: config.isolation,
    instructions: readOwnInstructions(env, claudeConfigDir),
  };
}

/** Whatever of a session's start decides who answers and who pays. */
function fingerprintOf(kind: string, { env, apiKey, configDir }: SessionEnvironment): string {
  const names = Object.keys(env).filter((name) =>
    /^(?:ANTHROPIC_|CLAUDE_|AWS_|GOOGLE_|AZURE_)/.test(name),
  );
  const told = names.toSorted().map((name) => [name, env[name]]);
  const all = JSON.stringify([kind, apiKey, configDir, env["HOME"], told]);
  return `${kind}-${createHash("sha256").update(all).digest("hex").slice(0, 12)}`;
}

/** The person's configuration. Throws Fault `bad_config`. */
export function configOf({ env, configHome }: Caller): UserConfig {
  return readUserConfig({
    ...env,
    ...(configHome === null ? {} : { XDG_CONFIG_HOME: configHome }),
  });
}

/**
 * The caller that this daemon was started by, from its own environment: what a respawned daemon has. Undefined where that is not
 * enough to run a session; the runs that need one are parked then.
 */
export async function ownCaller(log: Log): Promise<KnownCaller | undefined> {
  const { XDG_CONFIG_HOME = null, CLAUDE_CONFIG_DIR = null } = process.env;
  const env = allowedEnvironment(process.env, []);
  try {
    return await knowCaller({
      env,
      configHome: XDG_CONFIG_HOME,
      claudeConfigDir: CLAUDE_CONFIG_DIR,
    });
  } catch (error) {
    log("info", "Started without a login of its own", { why: String(error) });
    return undefined;
  }
}

function notLoggedIn(auth: string): Fault {
  const said = auth === "auto" ? "" : ` (config says auth: ${auth})`;
  return new Fault(
    "no_login",
    `no login for Claude Code found${said}: no key, no token, no cloud provider, and claude is not logged in`,
    {
      remedy: "export ANTHROPIC_API_KEY=…, or run claude setup-token, or log in with: claude",
    },
  );
}

/**
 * The environment of a session that finds the person's own login, undefined where none does. With a config dir of its own that
 * takes an undocumented variable (claude-code.md §7.1); where the binary doesn't know it, the person's config dir itself is used.
 * Each is asked for the way a session would be started, so that what is said here holds there.
 */
export async function findLogin(
  binary: Binary,
  given: SessionEnvironment,
  claudeConfigDir: string | null,
  isolation: RunEnvironment["isolation"],
): Promise<SessionEnvironment | undefined> {
  const { env } = given;
  const persons = claudeConfigDir ?? join(env["HOME"] ?? "/", ".claude");
  const storedIn = (store: string): SessionEnvironment => ({
    ...given,
    env: { ...env, CLAUDE_SECURESTORAGE_CONFIG_DIR: store },
  });
  const ways = [storedIn(claudeConfigDir ?? "")];
  // Empty means the default store, which is looked for in HOME.
  if (isolation === "home" && claudeConfigDir === null) ways.push(storedIn(persons));
  ways.push({ ...given, configDir: persons });
  for (const way of ways) if (await isLoggedIn(binary, way, isolation)) return way;
  return undefined;
}

/** Asks the binary itself, offline, in the folders of an attempt that has just been made. */
async function isLoggedIn(
  binary: Binary,
  way: SessionEnvironment,
  isolation: RunEnvironment["isolation"],
): Promise<boolean> {
  const dir = mkdtempSync(join(tmpdir(), "muster-login-"));
  const home = isolation === "home" ? { HOME: join(dir, "home") } : {};
  const given = { ...way, env: { ...way.env, ...home } };
  const { MUSTER_ATTEMPT: _, ...env } = environmentOf(
    { att: "att_login_1", dir, context: defaultContext },
    given,
  );
  try {
    const asked = await run({
      argv: [binary.path, "auth", "status", "--json"],
      cwd: "/",
      env,
      timeoutMs: probeTimeoutMs,
    });
    const said = JSON.parse(asked.stdout.toString("utf8")) as { readonly loggedIn?: boolean };
    return said.loggedIn === true;
  } catch {
    return false;
  } finally {
    rmSync(dir, { recursive: true, force: true, maxRetries: 5, retryDelay: 50 });
  }
}

function readOwnInstructions(
  env: Readonly<Record<string, string>>,
  claudeConfigDir: string | null,
): string {
  const dir = claudeConfigDir ?? join(env["HOME"] ?? "/", ".claude");
  try {
    return readFileSync(join(dir, "CLAUDE.md"), "utf8").slice(0, maxInstructions);
  } catch {
    return "";
  }
}
