/** The person's own configuration, `$XDG_CONFIG_HOME/muster/config.yaml` (design §7). */
import { z } from "zod";
import type { Permissions, Place } from "../core/plan.ts";
import { parseConfig } from "./document.ts";
import {
  line,
  mapping,
  minutes,
  parallel,
  parseSize,
  rules,
  saidRules,
  turns,
  usd,
  variable,
} from "./fields.ts";
import { userConfigPath } from "./paths.ts";
import { readTextFile } from "./text.ts";

export type Auth = "auto" | "api-key" | "oauth" | "cloud" | "login";

/** `parallel` and `usd` are for a run, `turns` and `minutes` for an attempt. */
export interface UserLimits {
  readonly parallel?: number;
  readonly usd?: number;
  readonly turns?: number;
  readonly minutes?: number;
}

export interface UserConfig {
  readonly auth: Auth;
  readonly isolation: "none" | "home";
  /** Absolute path of the claude binary; null = look for it. */
  readonly claude: string | null;
  /** What no plan may go beyond; null = no ceiling. */
  readonly ceiling: Pick<Partial<Permissions>, "allow" | "ask" | "deny"> | null;
  /** argv of the command that gets asks, finishes and failures; [] = none. */
  readonly notify: readonly string[];
  /** Names of variables that sessions get beyond the allow-list. */
  readonly env: readonly string[];
  readonly limits: UserLimits;
  /** Whether sessions get SSH_AUTH_SOCK. */
  readonly ssh: boolean;
  /** Days after which `clean --older-than` takes what is left of a settled run, where no time is said. */
  readonly retention: number;
  /** What open runs do after a restart of the machine: go on, or wait for the person. */
  readonly resume: "auto" | "ask";
  /** Bytes of attempts, gates and logs beyond which `clean --larger-than` takes the oldest, where no size is said. */
  readonly size: number;
  /** Where each key was said, by its dotted path. */
  readonly places: Readonly<Record<string, Place>>;
}

const limits = z.strictObject(
  {
    parallel: parallel.optional(),
    usd: usd.optional(),
    turns: turns.optional(),
    minutes: minutes.optional(),
  },
  mapping,
);
const ceiling = z.strictObject(
  { allow: rules.optional(), ask: rules.optional(), deny: rules.optional() },
  mapping,
);
const absolute = "an absolute path";
const sizeWords = "a size such as 5GB or 500MB";
const days = "a whole number of days over 0";

const schema = z.strictObject(
  {
    auth: z
      .enum(["auto", "api-key", "oauth", "cloud", "login"], "auto, api-key, oauth, cloud or login")
      .optional(),
    isolation: z.enum(["none", "home"], "none or home").optional(),
    claude: line(absolute, 4096)
      .refine((path) => path.startsWith("/"), absolute)
      .optional(),
    ceiling: ceiling.optional(),
    notify: z
      .array(line("a word of a command", 4096), "a command as a list of words")
      .max(100, "at most 100 words")
      .optional(),
    env: z.array(variable, "a list of variables").max(200, "at most 200 variables").optional(),
    limits: limits.optional(),
    ssh: z.boolean("true or false").optional(),
    resume: z.enum(["auto", "ask"], "auto or ask").optional(),
    retention: z.int(days).min(1, days).max(36_500, "at most 36500").optional(),
    size: z
      .string(sizeWords)
      .transform((said, context) => {
        const bytes = parseSize(said);
        if (bytes !== undefined) return bytes;
        context.addIssue({ code: "custom", message: sizeWords });
        return z.NEVER;
      })
      .optional(),
  },
  mapping,
);

const keysAt: ReadonlyMap<string, readonly string[]> = new Map([
  ["", Object.keys(schema.shape)],
  ["limits", Object.keys(limits.shape)],
  ["ceiling", Object.keys(ceiling.shape)],
]);

/** A month: longer than it takes to miss something. */
const defaultRetention = 30;
/** 5 GB: some ten thousand sessions, of which a small one leaves 0.2 to 0.5 MB (claude-code.md §4). */
const defaultSize = 5 * 1024 ** 3;

/** The configuration that `text` says; an empty text is the defaults. Throws Fault `bad_config` with `file:line`. */
export function parseUserConfig(text: string, file: string): UserConfig {
  const { value, places } = parseConfig(text, file, {
    schema,
    keysAt,
  });
  return {
    auth: value.auth ?? "auto",
    isolation: value.isolation ?? "none",
    claude: value.claude ?? null,
    ceiling: value.ceiling === undefined ? null : saidRules(value.ceiling),
    notify: value.notify ?? [],
    env: value.env ?? [],
    limits: saidUserLimits(value.limits ?? {}),
    ssh: value.ssh ?? false,
    retention: value.retention ?? defaultRetention,
    resume: value.resume ?? "auto",
    size: value.size ?? defaultSize,
    places,
  };
}

function saidUserLimits(value: z.output<typeof limits>): UserLimits {
  const said: { -readonly [K in keyof UserLimits]: UserLimits[K] } = {};
  for (const key of ["parallel", "usd", "turns", "minutes"] as const) {
    if (value[key] !== undefined) said[key] = value[key];
  }
  return said;
}

/** Reads the person's configuration; without a file it is the defaults. Throws Fault `bad_config` with `file:line`. */
export function readUserConfig(env: Readonly<Record<string, string | undefined>>): UserConfig {
  const path = userConfigPath(env);
  return parseUserConfig(readTextFile(path, "bad_config") ?? "", path);
}
