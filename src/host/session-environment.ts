/** What an attempt's session has in its environment. */
import { mkdirSync } from "node:fs";
import { join } from "node:path";
import type { Attempt } from "../core/attempt.ts";
import type { SessionEnvironment } from "../core/runner.ts";
import type { Person } from "../git/merge.ts";
import { type Host, attemptDir, requireEnvironment } from "./context.ts";

/** The run's environment with the person as author, signing off, and where it is isolated a home of its own. */
export function sessionEnvironment(
  host: Host,
  attempt: Pick<Attempt, "id" | "run">,
  who: Person,
  hooks: "on" | "off",
  own: Readonly<Record<string, string>>,
): SessionEnvironment {
  const { session, isolation } = requireEnvironment(host, attempt.run);
  const { env, apiKey, configDir } = session();
  const home = join(attemptDir(host, attempt.id), "home");
  if (isolation === "home") mkdirSync(home, { recursive: true, mode: 0o700 });
  const config = {
    "commit.gpgsign": "false",
    "tag.gpgsign": "false",
    ...(hooks === "off" ? { "core.hooksPath": "/dev/null" } : {}),
  };
  return {
    apiKey,
    configDir,
    env: {
      GIT_AUTHOR_NAME: who.name,
      GIT_AUTHOR_EMAIL: who.email,
      GIT_COMMITTER_NAME: who.name,
      GIT_COMMITTER_EMAIL: who.email,
      GIT_CONFIG_COUNT: String(Object.keys(config).length),
      ...Object.fromEntries(
        Object.entries(config).flatMap(([key, value], i) => [
          [`GIT_CONFIG_KEY_${i}`, key],
          [`GIT_CONFIG_VALUE_${i}`, value],
        ]),
      ),
      ...own,
      ...env,
      ...(isolation === "home" ? { HOME: home } : {}),
    },
  };
}
