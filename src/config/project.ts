/**
 * `muster.yaml` of a repository. Its text is the one of an attempt's base commit: the caller reads it from git, never from a
 * worktree. It may only narrow what a session may do, and may not name or replace what the person's environment decides.
 */
import { z } from "zod";
import type { Limits, Permissions, Place } from "../core/plan.ts";
import { parseConfig } from "./document.ts";
import { isReserved } from "./environment.ts";
import {
  branch,
  commands,
  context,
  fixes,
  gate,
  inside,
  mapping,
  minutes,
  rules,
  saidLimits,
  saidRules,
  turns,
  usd,
  variable,
} from "./fields.ts";

export interface ProjectConfig {
  readonly setup: readonly string[];
  readonly teardown: readonly string[];
  /** Ignored files to bring along: globs from the root. */
  readonly copy: readonly string[];
  /** null = not said, [] = `none` said on purpose. */
  readonly gate: readonly string[] | null;
  readonly target: string | null;
  readonly limits: Partial<Limits>;
  readonly permissions: Pick<Partial<Permissions>, "ask" | "deny">;
  /** Variables that each get a free port of their own in every attempt. */
  readonly ports: readonly string[];
  readonly env: Readonly<Record<string, string>>;
  readonly hooks: "on" | "off";
  readonly follow: "checkout" | "integration";
  /** Where each key was said, by its dotted path. */
  readonly places: Readonly<Record<string, Place>>;
}

const own =
  "a variable that is the project's own (not the person's, the loader's, git's or Claude's)";
const envName = variable.refine((name) => !isReserved(name), own);
const envValue = z
  .union([z.string(), z.number().transform(String)], "text or a number")
  .refine((text) => !text.includes("\0") && text.isWellFormed(), "text without NUL");

const envField = z
  .record(z.string(), envValue, "variables and their values")
  .superRefine((value, context) => {
    for (const name of Object.keys(value)) {
      const issue = envName.safeParse(name).error?.issues[0];
      if (issue !== undefined)
        context.addIssue({ code: "custom", path: [name], message: issue.message });
    }
  });

const limits = z.strictObject(
  {
    turns: turns.optional(),
    minutes: minutes.optional(),
    usd: usd.optional(),
    fixes: fixes.optional(),
    context: context.optional(),
  },
  mapping,
);
const permissions = z.strictObject({ ask: rules.optional(), deny: rules.optional() }, mapping);

const schema = z.strictObject(
  {
    setup: commands.optional(),
    teardown: commands.optional(),
    copy: z.array(inside, "a list of paths").max(1_000, "at most 1000 paths").optional(),
    gate: gate.optional(),
    target: branch.optional(),
    limits: limits.optional(),
    permissions: permissions.optional(),
    ports: z
      .array(envName, "a list of variables such as [PORT]")
      .max(20, "at most 20 ports")
      .optional(),
    env: envField.optional(),
    hooks: z.enum(["on", "off"], "on or off").optional(),
    follow: z.enum(["checkout", "integration"], "checkout or integration").optional(),
  },
  mapping,
);

const keysAt: ReadonlyMap<string, readonly string[]> = new Map([
  ["", Object.keys(schema.shape)],
  ["limits", Object.keys(limits.shape)],
  ["permissions", Object.keys(permissions.shape)],
]);

const narrow = "expected only ask and deny: a repository may only narrow (a plan may allow)";
const refused = new Map([
  ["permissions.allow", narrow],
  ["permissions.wait", narrow],
]);

/** The configuration that `text` says; an empty text is the defaults. Throws Fault `bad_config` with `file:line`. */
export function parseProjectConfig(text: string, file: string): ProjectConfig {
  const { value, places } = parseConfig(text, file, {
    schema,
    keysAt,
    refused,
  });
  return {
    setup: value.setup ?? [],
    teardown: value.teardown ?? [],
    copy: value.copy ?? [],
    gate: value.gate ?? null,
    target: value.target ?? null,
    limits: saidLimits(value.limits ?? {}),
    permissions: saidRules(value.permissions ?? {}),
    ports: value.ports ?? [],
    env: value.env ?? {},
    hooks: value.hooks ?? "on",
    follow: value.follow ?? "checkout",
    places,
  };
}
