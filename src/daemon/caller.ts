/**
 * Callers: what a run needs from the person's terminal, kept in memory only: their environment, their login, their CLAUDE.md. A
 * daemon that was restarted has none of it until the person resumes.
 */
import { readFileSync } from "node:fs";
import { join } from "node:path";
import type { Caller } from "../api/schema.ts";
import {
  type CredentialKind,
  allowedEnvironment,
  credentialKind,
  gateEnvironment,
  sessionEnvironment,
} from "../config/environment.ts";
import { type UserConfig, readUserConfig } from "../config/user.ts";
import { Fault } from "../core/fault.ts";
import type { RunEnvironment } from "../host/context.ts";
import { run } from "../process/run.ts";
import { type Binary, findBinary } from "../runner/binary.ts";
import type { Log } from "./log.ts";

export interface KnownCaller {
  readonly config: UserConfig;
  readonly credential: CredentialKind;
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
  const credential = credentialKind(env, config);
  const store = claudeConfigDir ?? "";
  if (credential === "none" || (credential === "login" && !(await isLoggedIn(binary, env, store))))
    throw notLoggedIn(config.auth);
  const session = sessionEnvironment(env, credential, config.env);
  const login = credential === "login" ? { CLAUDE_SECURESTORAGE_CONFIG_DIR: store } : {};
  return {
    config,
    credential,
    binary,
    environment: {
      base: env,
      gate: gateEnvironment(env, config.env),
      session: () => ({ ...session, env: { ...session.env, ...login } }),
      isolation: config.isolation,
      instructions: readOwnInstructions(env, claudeConfigDir),
    },
  };
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
  const env = allowedEnvironment(process.env, [], { ssh: true });
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

/** Asks the binary itself, offline, the way a session would be started (claude-code.md §7.1). */
export async function isLoggedIn(
  binary: Binary,
  env: Readonly<Record<string, string>>,
  store: string,
): Promise<boolean> {
  const asked = await run({
    argv: [binary.path, "auth", "status", "--json"],
    cwd: "/",
    env: {
      ...env,
      CLAUDE_SECURESTORAGE_CONFIG_DIR: store,
      DISABLE_AUTOUPDATER: "1",
      CLAUDE_CODE_DISABLE_NONESSENTIAL_TRAFFIC: "1",
    },
    timeoutMs: probeTimeoutMs,
  });
  try {
    return (JSON.parse(asked.stdout.toString("utf8")) as { loggedIn?: boolean }).loggedIn === true;
  } catch {
    return false;
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
