/**
 * What of the person's environment goes where (design §9): the allow-list to the daemon, without the credentials that were not
 * chosen to a session, without any to a gate. Never a `MUSTER_*`: whoever needs `MUSTER_HOME` sets it.
 */
import type { Auth } from "./user.ts";

type Env = Readonly<Record<string, string | undefined>>;
export type CredentialKind = "api-key" | "auth-token" | "oauth-token" | "cloud" | "login" | "none";

const plainNames = new Set([
  "PATH",
  "HOME",
  "LANG",
  "TZ",
  "TERM",
  "HTTP_PROXY",
  "HTTPS_PROXY",
  "NO_PROXY",
  "http_proxy",
  "https_proxy",
  "no_proxy",
  "NODE_EXTRA_CA_CERTS",
  "SSL_CERT_FILE",
]);

/** The providers by the variable that chooses each, with the prefixes of their own variables. Source: names in the binary. */
const clouds: ReadonlyMap<string, readonly string[]> = new Map([
  ["CLAUDE_CODE_USE_BEDROCK", ["AWS_"]],
  ["CLAUDE_CODE_USE_MANTLE", ["AWS_"]],
  ["CLAUDE_CODE_USE_ANTHROPIC_AWS", ["AWS_"]],
  ["CLAUDE_CODE_USE_VERTEX", ["GOOGLE_", "GCLOUD_", "CLOUD_ML_", "VERTEX_"]],
  ["CLAUDE_CODE_USE_ANTHROPIC_GOOGLE_CLOUD", ["GOOGLE_", "GCLOUD_", "CLOUD_ML_", "VERTEX_"]],
  ["CLAUDE_CODE_USE_FOUNDRY", ["AZURE_"]],
]);
const cloudPrefixes = [...new Set([...clouds.values()].flat())];

/** What turns a command into another one, or lets a repository redirect the person's credentials. */
const reservedNames =
  /^(?:MUSTER_|GIT_|SSH_|ANTHROPIC_|CLAUDE_|LD_|DYLD_|XDG_|BASH_FUNC_|(?:BASH_ENV|ENV|SHELL|IFS|PS4|SHELLOPTS|BASHOPTS|NODE_OPTIONS|NODE_TLS_REJECT_UNAUTHORIZED|ALL_PROXY|all_proxy|SSL_CERT_DIR|PYTHONSTARTUP|PERL5OPT|RUBYOPT|JAVA_TOOL_OPTIONS)$)/;

/** True for a variable that a repository may not set. */
export function isReserved(name: string): boolean {
  return (
    isPlainName(name) ||
    reservedNames.test(name) ||
    cloudPrefixes.some((prefix) => name.startsWith(prefix))
  );
}

function isPlainName(name: string): boolean {
  return plainNames.has(name) || name.startsWith("LC_");
}

function chosenPrefixes(env: Env): readonly string[] {
  return [...clouds].filter(([name]) => isOn(env[name])).flatMap(([, prefixes]) => prefixes);
}

function isOn(value: string | undefined): boolean {
  return (
    value !== undefined && !["", "0", "false", "no", "off"].includes(value.trim().toLowerCase())
  );
}

/** Where the keys are that landings are signed with: for muster's own git, and for a session only where the person says so. */
const keyNames: ReadonlySet<string> = new Set(["SSH_AUTH_SOCK", "GNUPGHOME"]);

/** The part of `env` that leaves the CLI: the allow-list, the chosen cloud provider's own variables, and `extraNames`. */
export function allowedEnvironment(
  env: Env,
  extraNames: readonly string[],
): Record<string, string> {
  const extra = new Set(extraNames);
  const prefixes = ["ANTHROPIC_", "CLAUDE_CODE_USE_", ...chosenPrefixes(env)];
  return picked(env, (name) => {
    if (name.startsWith("MUSTER_")) return false;
    if (isPlainName(name) || name === "CLAUDE_CODE_OAUTH_TOKEN" || extra.has(name)) return true;
    return keyNames.has(name) || prefixes.some((prefix) => name.startsWith(prefix));
  });
}

function picked(env: Env, wanted: (name: string) => boolean): Record<string, string> {
  const kept: Record<string, string> = {};
  for (const [name, value] of Object.entries(env)) {
    if (value !== undefined && /^[A-Za-z_][A-Za-z0-9_]*$/.test(name) && wanted(name))
      kept[name] = value;
  }
  return kept;
}

/**
 * Which credential a session would use, by the order of design §9; an `auth` other than `auto` takes only its own. `login` is
 * not probed here; `none` means that the asked-for credential is not in the environment.
 */
export function credentialKind(env: Env, config: { readonly auth: Auth }): CredentialKind {
  const { auth } = config;
  const takes = (kind: Auth): boolean => auth === "auto" || auth === kind;
  if (takes("api-key") && isSet(env["ANTHROPIC_API_KEY"])) return "api-key";
  if (takes("api-key") && isSet(env["ANTHROPIC_AUTH_TOKEN"])) return "auth-token";
  if (takes("oauth") && isSet(env["CLAUDE_CODE_OAUTH_TOKEN"])) return "oauth-token";
  if (takes("cloud") && [...clouds.keys()].some((name) => isOn(env[name]))) return "cloud";
  return takes("login") ? "login" : "none";
}

function isSet(value: string | undefined): boolean {
  return value !== undefined && value.trim() !== "";
}

/**
 * The environment of a session that uses `kind`: without the variables of other credentials and keys, unless `extraNames` has
 * them or, for the agent of SSH, `ssh` says so. The API key is apart: it goes over a pipe at every start.
 */
export function sessionEnvironment(
  allowed: Readonly<Record<string, string>>,
  kind: CredentialKind,
  { env: extraNames, ssh }: { readonly env: readonly string[]; readonly ssh: boolean },
): { readonly env: Record<string, string>; readonly apiKey: string | null } {
  const extra = new Set(extraNames);
  const env = picked(allowed, (name) => {
    if (extra.has(name)) return true;
    if (keyNames.has(name)) return ssh && name === "SSH_AUTH_SOCK";
    const credential = credentialOf(name);
    return credential === null || (credential === kind && kind !== "api-key");
  });
  return { env, apiKey: kind === "api-key" ? (allowed["ANTHROPIC_API_KEY"] ?? null) : null };
}

/** The credential that a variable belongs to; null for one that is no credential's. */
function credentialOf(name: string): CredentialKind | null {
  if (name === "ANTHROPIC_API_KEY") return "api-key";
  if (name === "ANTHROPIC_AUTH_TOKEN") return "auth-token";
  if (name === "CLAUDE_CODE_OAUTH_TOKEN") return "oauth-token";
  const cloud = clouds.has(name) || cloudPrefixes.some((prefix) => name.startsWith(prefix));
  return cloud || /^ANTHROPIC_(?:BEDROCK|VERTEX|FOUNDRY|AWS|GOOGLE_CLOUD)_/.test(name)
    ? "cloud"
    : null;
}

/** The environment of gates, setup and teardown: no credential, whoever names it, no agent socket, nothing of Claude's. */
export function gateEnvironment(
  allowed: Readonly<Record<string, string>>,
  extraNames: readonly string[],
): Record<string, string> {
  const extra = new Set(extraNames);
  return picked(allowed, (name) => {
    if (/^(?:ANTHROPIC_|CLAUDE_|SSH_)/.test(name) || credentialOf(name) !== null) return false;
    return isPlainName(name) || extra.has(name);
  });
}

/** An environment that was let through, with what may be written to disk apart from what may not. */
interface Kept {
  readonly env: Readonly<Record<string, string>>;
  /** Names of what a session gets beyond `env`. */
  readonly session: readonly string[];
  /** Names of what a gate gets beyond `env`. */
  readonly gate: readonly string[];
}

/**
 * Takes out whatever may hold a secret: credentials, what belongs to a cloud provider, where keys are, every variable that the person
 * named, a proxy or an endpoint with a password in it. What neither a session nor a gate gets is not named either.
 */
export function withoutSecrets(
  allowed: Readonly<Record<string, string>>,
  kind: CredentialKind,
  config: { readonly env: readonly string[]; readonly ssh: boolean },
): Kept {
  const named = new Set(config.env);
  const env = picked(
    allowed,
    (name) => (isPlainName(name) || !named.has(name)) && isPublic(name, allowed[name] ?? ""),
  );
  const beyond = (names: readonly string[]): string[] =>
    names.filter((name) => env[name] === undefined).toSorted();
  const session = sessionEnvironment(allowed, kind, config);
  const key = session.apiKey === null ? [] : ["ANTHROPIC_API_KEY"];
  return {
    env,
    session: beyond([...new Set([...Object.keys(session.env), ...key])]),
    gate: beyond(Object.keys(gateEnvironment(allowed, config.env))),
  };
}

function isPublic(name: string, value: string): boolean {
  if (/_proxy$/i.test(name)) return !value.includes("@");
  if (name === "ANTHROPIC_BASE_URL") return !/[@?#]/.test(value);
  return (
    isPlainName(name) || /^ANTHROPIC_(?:MODEL|SMALL_FAST_MODEL|DEFAULT_[A-Z]+_MODEL)$/.test(name)
  );
}
