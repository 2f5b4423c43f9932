/** The command line, as far as the stand-in has use for it; every other flag is taken and ignored. */

export interface Flags {
  readonly command: "session" | "version" | "auth";
  readonly sessionId: string | undefined;
  readonly resume: string | undefined;
  readonly fork: boolean;
  readonly model: string;
  readonly permissionMode: string;
  readonly asks: boolean;
  readonly allowedTools: readonly string[];
  readonly maxTurns: number;
  readonly maxBudgetUsd: number;
  readonly partialMessages: boolean;
  readonly tools: readonly string[];
}

const defaultTools = ["Bash", "Edit", "Read", "Write", "AskUserQuestion"];

/** Reads `--name value`, `--name=value` and bare flags; words that stand alone mean nothing here. */
export function readFlags(argv: readonly string[]): Flags {
  const values = new Map<string, string>();
  for (const [index, word] of argv.entries()) {
    const [, name, , value] = /^--([a-zA-Z-]+)(=([\s\S]*))?$/.exec(word) ?? [];
    if (name === undefined) continue;
    const next = argv[index + 1];
    values.set(name, value ?? (next?.startsWith("-") === false ? next : ""));
  }
  return {
    command: commandOf(argv, values),
    sessionId: values.get("session-id"),
    resume: values.get("resume"),
    fork: values.has("fork-session"),
    model: values.get("model") ?? "claude-opus-5-5",
    permissionMode: values.get("permission-mode") ?? "default",
    asks: values.has("permission-prompt-tool"),
    allowedTools: [
      ...listOf(values.get("allowedTools") ?? values.get("allowed-tools")),
      ...settingsRules(values.get("settings")),
    ],
    maxTurns: Number(values.get("max-turns") ?? Infinity),
    maxBudgetUsd: Number(values.get("max-budget-usd") ?? Infinity),
    partialMessages: values.has("include-partial-messages"),
    tools: values.has("tools") ? listOf(values.get("tools")) : defaultTools,
  };
}

/** What `--settings` allows, where it is JSON. */
function settingsRules(settings = "{}"): readonly string[] {
  try {
    const { permissions }: Settings = JSON.parse(settings);
    return permissions?.allow ?? [];
  } catch {
    return []; // The path of a file: nobody here needs one.
  }
}

interface Settings {
  readonly permissions?: { readonly allow?: readonly string[] };
}

function commandOf(argv: readonly string[], values: ReadonlyMap<string, string>): Flags["command"] {
  if (values.has("version") || argv[0] === "-v") return "version";
  return argv[0] === "auth" ? "auth" : "session";
}

/** A comma or space list whose entries may have commas and spaces in parentheses. */
function listOf(text = ""): readonly string[] {
  return text.match(/[^\s,(]+(?:\([^)]*\))?/g) ?? [];
}
