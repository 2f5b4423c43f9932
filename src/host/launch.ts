/** What a start is made with. `launch.json` says so, for `doctor` and for people: replaced, never truncated, without a secret. */
import { mkdirSync } from "node:fs";
import { join } from "node:path";
import { replaceFile } from "../config/write.ts";
import type { Effect } from "../core/effects.ts";
import { Fault } from "../core/fault.ts";
import type { Launch } from "../core/runner.ts";
import { exportOwnConfig, readOwnConfig } from "../git/own-config.ts";
import { configDirOf, defaultRules, defaultTools } from "../runner/profile.ts";
import { hasTranscript } from "../runner/transcript.ts";
import { type Host, attemptDir, openProject } from "./context.ts";
import { handoverDir } from "./handed-over.ts";
import { readInstructions } from "./instructions.ts";
import { projectConfig } from "./project.ts";

/** The launch of a start, written beside it, with the project's own configuration where the task loads that. */
export async function prepareLaunch(
  host: Host,
  { attempt, spec, n, resume, usd }: Extract<Effect, { do: "session" }>,
): Promise<Launch> {
  const dir = attemptDir(host, attempt.id);
  const { worktree } = attempt;
  if (worktree === null) throw new Fault("refused", `attempt ${attempt.id} has no worktree`);
  const config = await projectConfig(host, attempt.run, spec, worktree.config);
  const rules = defaultRules([...(spec.gate ?? []), ...config.setup]);
  // Without an environment nothing is started: what runs is found, and what does not is refused.
  const configDir = host.environment(attempt.run)?.session().configDir ?? null;
  const launch: Launch = {
    att: attempt.id,
    runner: attempt.runner,
    n,
    session: attempt.session,
    resume: resume && hasTranscript(configDirOf(dir, configDir), attempt.session),
    dir,
    cwd: spec.cwd === null ? worktree.path : join(worktree.path, spec.cwd),
    model: spec.model,
    profile: spec.profile,
    tools: spec.tools ?? [...defaultTools, ...(spec.profile === "project" ? ["Skill"] : [])],
    permissions: {
      allow: [...rules.allow, ...spec.permissions.allow],
      ask: [...rules.ask, ...spec.permissions.ask, ...(config.permissions.ask ?? [])],
      deny: [...spec.permissions.deny, ...(config.permissions.deny ?? [])],
    },
    instructions: await readInstructions(host, attempt.run, spec, worktree.config),
    turns: spec.limits.turns - attempt.usage.turns,
    usd,
    readable: [join(dir, "msg"), handoverDir(host, attempt.id)],
  };
  // What is on disk may have been changed by the session itself: a new process loads what the commit says.
  if (spec.profile === "project" && attempt.process.is === "starting") {
    const repo = await openProject(host, attempt.run, spec);
    const own = await readOwnConfig(repo, worktree.config);
    await exportOwnConfig(repo, own, join(dir, "project"));
  }
  await writeLaunch(launch);
  return launch;
}

async function writeLaunch(launch: Launch): Promise<void> {
  mkdirSync(launch.dir, { recursive: true, mode: 0o700 });
  await replaceFile(join(launch.dir, "launch.json"), `${JSON.stringify(launch, null, 2)}\n`, {
    mode: 0o600,
  });
}
