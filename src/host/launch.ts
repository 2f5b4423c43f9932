/** What a start is made with. `launch.json` says so, for `doctor` and for people: replaced, never truncated, without a secret. */
import { mkdirSync } from "node:fs";
import { join } from "node:path";
import { replaceFile } from "../config/write.ts";
import type { Effect } from "../core/effects.ts";
import { Fault } from "../core/fault.ts";
import type { RunId } from "../core/ids.ts";
import { defaultContext } from "../core/plan.ts";
import type { Launch } from "../core/runner.ts";
import { exportOwnConfig, readOwnConfig } from "../git/own-config.ts";
import { configDirOf, defaultRules, defaultTools } from "../runner/profile.ts";
import { openPlace } from "../git/registration.ts";
import { clearStaleLocks } from "../git/stale-lock.ts";
import { readShim } from "../process/shim.ts";
import { hasTranscript, setDamagedAside } from "../runner/transcript.ts";
import { noteAnew } from "./anew.ts";
import { type Host, attemptDir, openProject } from "./context.ts";
import { handoverDir } from "./handed-over.ts";
import { readInstructions } from "./instructions.ts";
import { projectConfig } from "./project.ts";
import { requireWorktree } from "./worktree.ts";

/** How long a start waits for whoever has a lock in its worktree. */
const lockLimitMs = 5_000;

type SessionEffect = Extract<Effect, { do: "session" }>;

/** True where the start was made before: what runs goes on until it ends, whatever became of its folder. */
export function wasMade(host: Host, { att, n }: SessionEffect): boolean {
  return readShim(join(attemptDir(host, att), String(n))).claimed;
}

/**
 * What a start is found by that was made before. Whatever else it was told is in the `launch.json` of then: fifty sessions that
 * are taken over must not wait for what git says of each of them.
 */
export function launchMade(host: Host, effect: SessionEffect): Launch {
  const { worktree } = effect.attempt;
  return {
    ...placeOf(host, effect, worktree?.path ?? "/"),
    resume: effect.resume,
    tools: [],
    permissions: { allow: [], ask: [], deny: [] },
    instructions: "",
    readable: [],
  };
}

/** What a launch says of its start, wherever its rules come from. */
function placeOf(
  host: Host,
  { attempt, spec, n, usd }: SessionEffect,
  worktree: string,
): Omit<Launch, "resume" | "tools" | "permissions" | "instructions" | "readable"> {
  return {
    att: attempt.id,
    runner: attempt.runner,
    n,
    session: attempt.session,
    dir: attemptDir(host, attempt.id),
    cwd: spec.cwd === null ? worktree : join(worktree, spec.cwd),
    model: spec.model,
    profile: spec.profile,
    turns: spec.limits.turns - attempt.usage.turns,
    usd,
    context: spec.limits.context ?? defaultContext,
  };
}

/** The launch of a new start, written beside it, with the project's own configuration where the task loads that. */
export async function prepareLaunch(host: Host, effect: SessionEffect): Promise<Launch> {
  const { attempt, spec, n, resume } = effect;
  const worktree = requireWorktree(attempt);
  const config = await projectConfig(host, attempt.run, spec, worktree.config);
  const rules = defaultRules([...(spec.gate ?? []), ...config.setup]);
  const place = placeOf(host, effect, worktree.path);
  const { dir } = place;
  // Without a login nothing is started, and the runner says so.
  const configDir = configDirOf(dir, sessionConfigDir(host, attempt.run));
  await makeReady(host, effect, configDir);
  const goesOn = resume && hasTranscript(configDir, attempt.session);
  if (n > 1 && !goesOn) await noteAnew(host, attempt.id, n);
  const launch: Launch = {
    ...place,
    resume: goesOn,
    tools: spec.tools ?? [...defaultTools, ...(spec.profile === "project" ? ["Skill"] : [])],
    permissions: {
      allow: [...rules.allow, ...spec.permissions.allow],
      ask: [...rules.ask, ...spec.permissions.ask, ...(config.permissions.ask ?? [])],
      deny: [...spec.permissions.deny, ...(config.permissions.deny ?? [])],
    },
    instructions: await readInstructions(host, attempt.run, spec, worktree.config),
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

/** Null for the attempt's own, and where there is no login. */
function sessionConfigDir(host: Host, run: RunId): string | null {
  try {
    return host.environment(run)?.session().configDir ?? null;
  } catch (error) {
    if (error instanceof Fault && error.code === "no_login") return null;
    throw error;
  }
}

/** Before a new process: what a killed one may have left in the way of it, a transcript without content and git's locks. */
async function makeReady(
  host: Host,
  { attempt, spec }: SessionEffect,
  configDir: string,
): Promise<void> {
  for (const path of setDamagedAside(configDir, attempt.session))
    host.log("warn", "A transcript had no content and was set aside", { att: attempt.id, path });
  if (attempt.worktree === null) return;
  try {
    const { gitDir, path } = attempt.worktree;
    const repo = await openProject(host, attempt.run, spec);
    await clearStaleLocks(await openPlace(repo, { gitDir, path }), lockLimitMs);
  } catch (error) {
    // Somebody's git works there, or it is no worktree any more: the session will see.
    host.log("warn", "A lock of git stays in a worktree", { att: attempt.id, why: String(error) });
  }
}

async function writeLaunch(launch: Launch): Promise<void> {
  mkdirSync(launch.dir, { recursive: true, mode: 0o700 });
  await replaceFile(join(launch.dir, "launch.json"), `${JSON.stringify(launch, null, 2)}\n`, {
    mode: 0o600,
  });
}
