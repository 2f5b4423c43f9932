/** Whether there is a login, found where the real program looks for one; nothing is ever checked. */
import { existsSync } from "node:fs";
import { join } from "node:path";

type Environment = Readonly<Record<string, string | undefined>>;

export type AuthMethod = "none" | "api_key" | "oauth_token" | "claude.ai" | "third_party";

/** How this environment is logged in. */
export function authMethod(env: Environment): AuthMethod {
  const has = (name: string): boolean => (env[name] ?? "") !== "";
  if (has("CLAUDE_CODE_USE_BEDROCK") || has("CLAUDE_CODE_USE_VERTEX")) return "third_party";
  if (has("CLAUDE_CODE_OAUTH_TOKEN") || has("ANTHROPIC_AUTH_TOKEN")) return "oauth_token";
  if (has("ANTHROPIC_API_KEY") || has("CLAUDE_CODE_API_KEY_FILE_DESCRIPTOR")) return "api_key";
  return existsSync(join(storeOf(env), ".credentials.json")) ? "claude.ai" : "none";
}

/** The folder of a stored login: an own config dir hides the person's, unless the secure store is named. */
function storeOf(env: Environment): string {
  const own = join(env["HOME"] ?? "/", ".claude");
  const store = env["CLAUDE_SECURESTORAGE_CONFIG_DIR"];
  if (store !== undefined) return store === "" ? own : store;
  return env["CLAUDE_CONFIG_DIR"] ?? own;
}

/** True where a prompt would reach a model. */
export function isLoggedIn(env: Environment): boolean {
  return authMethod(env) !== "none";
}

/** What `auth status --json` prints. */
export function authStatus(env: Environment): string {
  const method = authMethod(env);
  const status = {
    loggedIn: method !== "none",
    authMethod: method,
    apiProvider: method === "third_party" ? "bedrock" : "firstParty",
    configDirectory: env["CLAUDE_CONFIG_DIR"] ?? join(env["HOME"] ?? "/", ".claude"),
  };
  return `${JSON.stringify(status, null, 2)}\n`;
}
