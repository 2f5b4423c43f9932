/** Attaching: a person's terminal takes over a session that rests, and nobody else talks to it meanwhile. */
import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import type { AttachRequest } from "../api/schema.ts";
import type { Attachment } from "../api/service.ts";
import { Fault } from "../core/fault.ts";
import type { AttemptId } from "../core/ids.ts";
import { latestAttempt } from "../core/queries.ts";
import type { Launch } from "../core/runner.ts";
import type { Attempt } from "../core/attempt.ts";
import { type Host, attemptDir } from "../host/context.ts";
import { type Identity, isAlive } from "../process/identity.ts";
import {
  askingArgv,
  attachedArgv,
  attachedEnvironment,
  skipOnboarding,
} from "../runner/attached.ts";
import { knowCaller } from "./callers/caller.ts";
import type { Found } from "./projection.ts";

/** Throws Fault `refused` where there is nothing to attach to, or someone else has it. */
export async function attachmentOf(
  host: Host,
  { state, run }: Found,
  request: AttachRequest,
): Promise<Attachment> {
  const address = `${run.id}/${request.task}`;
  const task = run.tasks.get(request.task);
  const attempt = task === undefined ? undefined : latestAttempt(state, run, task);
  if (attempt === undefined || attempt.starts === 0) throw refused(address, "has no session yet");
  if (attempt.worktree === null || !existsSync(attempt.worktree.path))
    throw refused(address, "has no worktree any more");
  const former = request.former ? attempt.formerSessions.at(-1) : undefined;
  if (request.former && former === undefined)
    throw refused(address, "has no session before its present one");
  if (!request.former && attempt.process.is !== "none")
    throw new Fault("refused", `the session of ${address} is running`, {
      remedy: `muster pause ${address} --now`,
    });
  if (!request.former) requireDetached(host, [attempt]);
  const { binary, environment } = await knowCaller(request);
  const dir = attemptDir(host, attempt.id);
  const launch = JSON.parse(readFileSync(join(dir, "launch.json"), "utf8")) as Launch;
  const given = environment.session();
  skipOnboarding(launch, given);
  return {
    attempt: attempt.id,
    argv:
      former === undefined
        ? attachedArgv(binary.path, launch)
        : askingArgv(binary.path, { ...launch, session: former }),
    cwd: launch.cwd,
    env: attachedEnvironment(launch, given),
    claim: former === undefined ? claimPath(host, attempt.id) : null,
  };
}

function refused(address: string, what: string): Fault {
  return new Fault("refused", `${address} ${what}`, {
    remedy: `To see where it is, run muster show ${address}`,
  });
}

/** Throws Fault `refused` where one of these attempts is open in a terminal: two processes must not resume one session. */
export function requireDetached(host: Host, attempts: Iterable<Attempt>): void {
  for (const { id, run, task } of attempts) {
    const holder = readClaim(claimPath(host, id));
    if (holder !== undefined && isAlive(holder))
      throw new Fault("refused", `${run}/${task} is open in a terminal (process ${holder.pid})`, {
        remedy: `To go on, leave it there, then run muster resume ${run}/${task}`,
      });
  }
}

/** Where a terminal names itself while it holds a session. */
export function claimPath(host: Host, att: AttemptId): string {
  return join(attemptDir(host, att), "attached");
}

export function readClaim(path: string): Identity | undefined {
  try {
    return JSON.parse(readFileSync(path, "utf8")) as Identity;
  } catch {
    return undefined; // Nobody attached, or one that died while it wrote this.
  }
}
