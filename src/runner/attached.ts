/** A person's own terminal on a session: the launch profile where it holds there too, and what an interactive start needs besides. */
import { randomBytes } from "node:crypto";
import { readFileSync, renameSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import type { Launch, SessionEnvironment } from "../core/runner.ts";
import { isJson } from "./messages.ts";
import { foldersOf, projectFlags, settingsOf } from "./profile.ts";

/**
 * The command line of a person's own terminal on the session: the same transcript, rules and profile, since what the agent wrote
 * into its worktree is still hostile.
 */
export function attachedArgv(binary: string, launch: Launch): [string, ...string[]] {
  return [binary, `--resume=${launch.session}`, "--permission-mode=acceptEdits", ...rest(launch)];
}

/** The command line on a session that is only asked: a copy of it, in the mode that changes nothing. */
export function askingArgv(binary: string, launch: Launch): [string, ...string[]] {
  const { session } = launch;
  const argv = [`--resume=${session}`, "--fork-session", "--permission-mode=plan"];
  return [binary, ...argv, ...rest(launch)];
}

function rest(launch: Launch): string[] {
  return [
    ...projectFlags(launch),
    `--settings=${JSON.stringify(settingsOf(launch))}`,
    `--model=${launch.model}`,
  ];
}

/** What that terminal adds to the person's environment; `given` names the store of their login. */
export function attachedEnvironment(
  launch: Launch,
  given: SessionEnvironment,
): Record<string, string> {
  const store = given.env["CLAUDE_SECURESTORAGE_CONFIG_DIR"];
  return {
    ...foldersOf(launch, given),
    DISABLE_AUTOUPDATER: "1",
    ...(store === undefined ? {} : { CLAUDE_SECURESTORAGE_CONFIG_DIR: store }),
  };
}

/**
 * Says that the first-run screens are over: the attempt's own config dir has never seen a person, and those screens ask the network
 * before anything else (measured). Whether to trust the folder is still the person's to say. A file that is not understood is left,
 * and so is the person's own config dir.
 */
export function skipOnboarding({ dir }: Launch, { configDir }: SessionEnvironment): void {
  if (configDir !== null) return;
  const path = join(dir, "cfg", ".claude.json");
  const known = readJson(path);
  if (known === undefined || known["hasCompletedOnboarding"] === true) return;
  const sibling = `${path}.${randomBytes(8).toString("hex")}`;
  writeFileSync(
    sibling,
    `${JSON.stringify({ ...known, hasCompletedOnboarding: true }, null, 2)}\n`,
    {
      mode: 0o600,
      flag: "wx", // Never through a link that an agent may have left.
    },
  );
  renameSync(sibling, path);
}

/** An empty object where there is no file, undefined where it holds something else than an object. */
function readJson(path: string): Readonly<Record<string, unknown>> | undefined {
  let text: string;
  try {
    text = readFileSync(path, "utf8");
  } catch {
    return {};
  }
  try {
    const value: unknown = JSON.parse(text);
    return isJson(value) ? value : undefined;
  } catch {
    return undefined;
  }
}
