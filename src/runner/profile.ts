/**
 * The launch profile: what a session is started with (design §9, claude-code.md §11). The repository's own configuration is off
 * (`--setting-sources=`, strict MCP); rules go to the binary, which alone parses shell commands.
 */
import type { Launch, SessionEnvironment } from "../core/runner.ts";

export const defaultTools = [
  "Bash",
  "Edit",
  "Read",
  "Write",
  "Grep",
  "Glob",
  "WebFetch",
  "WebSearch",
  "Agent",
] as const;

/** One rule per subcommand: `Bash(git *)` would let `git -c alias.x='!…'` through (claude-code.md §2.3). */
const gitRules = ["add", "status", "diff", "show", "log", "commit", "rm", "mv", "restore"].flatMap(
  (name) => [`Bash(git ${name})`, `Bash(git ${name} *)`],
);
/** Options of allowed git commands that write files or run programs; ask wins over allow. */
const gitAskRules = ["--output", "--ext-diff", "--exec-path", "--upload-pack"].map(
  (option) => `Bash(git *${option}*)`,
);

/** The rules every session has, before what its plan says; `commands` are the project's own gate and setup. */
export function defaultRules(commands: readonly string[]): {
  readonly allow: string[];
  readonly ask: string[];
} {
  return {
    allow: [...gitRules, ...commands.map((command) => `Bash(${command})`)],
    ask: gitAskRules,
  };
}

/** The binary's `--settings`. */
export function settingsOf(launch: Launch): Readonly<Record<string, unknown>> {
  const readable = launch.readable.map((folder) => `Read(/${folder}/**)`);
  return {
    crossSessionInbound: "refuse",
    attribution: { commit: "", pr: "" },
    cleanupPeriodDays: keptDays,
    permissions: {
      allow: [...launch.permissions.allow, ...readable],
      ask: launch.permissions.ask,
      deny: launch.permissions.deny,
    },
  };
}

/**
 * What is loaded of the repository's own configuration: nothing, or the trusted copy (a binary that finds no folder there, or
 * does not know the flag, refuses to start). Never the worktree's: an agent may have written it.
 */
export function projectFlags(launch: Launch): readonly string[] {
  return launch.profile === "isolated"
    ? ["--setting-sources=", "--strict-mcp-config"]
    : ["--setting-sources=project", `--project-config-root=${projectRoot(launch)}`];
}

/** Where the host puts the trusted configuration. */
export function projectRoot({ dir }: Launch): string {
  return `${dir}/project`;
}

/** Every tool a session may name; AskUserQuestion is always among them. */
export function toolsOf(launch: Launch): string[] {
  return [...new Set([...launch.tools, "AskUserQuestion"])];
}

/** The command line of `claude-cli`. Values follow `=`, so that none can be taken for a flag. */
export function argvOf(binary: string, launch: Launch): [string, ...string[]] {
  const argv: [string, ...string[]] = [
    binary,
    "-p",
    "--input-format=stream-json",
    "--output-format=stream-json",
    "--verbose",
    "--permission-prompt-tool=stdio",
    "--permission-mode=acceptEdits",
    ...projectFlags(launch),
    `--tools=${toolsOf(launch).join(",")}`,
    `--settings=${JSON.stringify(settingsOf(launch))}`,
    `--model=${launch.model}`,
    `--max-turns=${Math.max(1, launch.turns)}`,
    `--max-budget-usd=${Math.max(0.01, launch.usd)}`,
    launch.resume ? `--resume=${launch.session}` : `--session-id=${launch.session}`,
  ];
  if (launch.instructions !== "") argv.push(`--append-system-prompt=${launch.instructions}`);
  return argv;
}

type Attempt = Pick<Launch, "att" | "dir">;
type Session = Pick<Launch, "att" | "dir" | "context">;
type Given = Pick<SessionEnvironment, "env" | "configDir">;

/** The config dir of an attempt's sessions, with their transcripts: its own unless the login is only in the person's. */
export function configDirOf(dir: string, configDir: string | null): string {
  return configDir ?? `${dir}/cfg`;
}

/**
 * The folders that every process on an attempt's session has. The person's default config dir goes without a name: named, it
 * would have another `.claude.json` than theirs, and on macOS another entry in the keychain.
 */
export function foldersOf(
  { att, dir }: Attempt,
  { env, configDir }: Given,
): Record<string, string> {
  const isDefault = configDir !== null && configDir === `${env["HOME"] ?? ""}/.claude`;
  return {
    ...(isDefault ? {} : { CLAUDE_CONFIG_DIR: configDirOf(dir, configDir) }),
    CLAUDE_CODE_TMPDIR: `${dir}/tmp`,
    CLAUDE_CODE_PROJECT_DIR_NAME: att,
  };
}

/** The session's environment: what it was given, its own folders, its tag, and switches that keep it quiet and bounded. */
export function environmentOf(launch: Session, given: SessionEnvironment): Record<string, string> {
  const { CLAUDE_CONFIG_DIR: _, ...env } = given.env;
  return {
    ...env,
    ...foldersOf(launch, given),
    MUSTER_ATTEMPT: launch.att,
    ...(given.apiKey === null ? {} : { CLAUDE_CODE_API_KEY_FILE_DESCRIPTOR: "3" }),
    ...switches,
    CLAUDE_CODE_AUTO_COMPACT_WINDOW: String(launch.context),
  };
}

/** A hundred years: nothing is cleaned up, least of all in the config dir of a person who keeps theirs for longer than we would. */
const keptDays = 36_500;

/** Source of each: claude-code.md §8, §11. */
const switches = {
  CLAUDE_CODE_DISABLE_NONESSENTIAL_TRAFFIC: "1",
  DISABLE_TELEMETRY: "1",
  DISABLE_AUTOUPDATER: "1",
  DISABLE_ERROR_REPORTING: "1",
  CLAUDE_CODE_EMIT_SESSION_STATE_EVENTS: "1",
  CLAUDE_CODE_STARTUP_FAILURE_RESULTS: "1",
  CLAUDE_CODE_MAX_RETRIES: "4",
  CLAUDE_ENABLE_BYTE_WATCHDOG: "1",
  CLAUDE_BYTE_STREAM_IDLE_TIMEOUT_MS: "120000",
  API_TIMEOUT_MS: "300000",
  CLAUDE_CODE_DISABLE_AUTO_MEMORY: "1",
  CLAUDE_CODE_DISABLE_BACKGROUND_TASKS: "1",
  CLAUDE_CODE_DISABLE_CRON: "1",
  CLAUDE_CODE_DISABLE_WORKFLOWS: "1",
  CLAUDE_CODE_DISABLE_BUNDLED_SKILLS: "1",
} as const;
