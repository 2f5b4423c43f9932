/** What the daemon gets of this terminal: the allow-listed environment, and where the person's own configuration is. */
import type { Caller } from "../api/schema.ts";
import { allowedEnvironment } from "../config/environment.ts";
import { readUserConfig } from "../config/user.ts";

/** What the daemon is told of this terminal. */
export function caller(): Caller {
  const config = readUserConfig(process.env);
  return {
    env: allowedEnvironment(process.env, config.env),
    configHome: process.env["XDG_CONFIG_HOME"] ?? null,
    claudeConfigDir: process.env["CLAUDE_CONFIG_DIR"] ?? null,
  };
}

/** The respawning shim keeps it, so that a daemon that died comes back with what its runs need. */
export function daemonEnvironment(): Record<string, string> {
  const folders = ["XDG_RUNTIME_DIR", "XDG_CONFIG_HOME", "CLAUDE_CONFIG_DIR"];
  const kept = folders.flatMap((name) =>
    process.env[name] === undefined ? [] : [[name, process.env[name]]],
  );
  return { ...caller().env, ...Object.fromEntries(kept) };
}
