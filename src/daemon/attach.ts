/** Attaching: a person's terminal takes over a session that rests, and nobody else talks to it meanwhile. */
import { existsSync, readFileSync, rmSync } from "node:fs";
import { join } from "node:path";
import type { AttachRequest } from "../api/schema.ts";
import type { Attachment } from "../api/service.ts";
import { Fault } from "../core/fault.ts";
import type { AttemptId } from "../core/ids.ts";
import { latestAttempt } from "../core/queries.ts";
import type { Launch } from "../core/runner.ts";
import type { Attempt } from "../core/attempt.ts";
import { type Host, attemptDir } from "../host/context.ts";
import { claimName, holderOf, makeClaim } from "../process/claim.ts";
import type { Identity } from "../process/identity.ts";
import {
  askingArgv,
  attachedArgv,
  attachedEnvironment,
  skipOnboarding,
} from "../runner/attached.ts";
import { knowCaller } from "./callers/caller.ts";
import type { Found } from "./projection.ts";

/**
 * What a terminal needs to take a session over, with the claim made for it. Throws Fault `refused` where there is nothing to attach
 * to, or someone else has it. A resume looks at the claim before it takes its turn, and the last look at the session comes a turn
 * after the claim was made, which `turn` waits for: one of two that come at once sees the other.
 */
export async function attachmentOf(
  host: Host,
  find: () => Promise<Found>,
  turn: () => Promise<void>,
  request: AttachRequest,
): Promise<Attachment> {
  const found = await find();
  const attempt = requireAttachable(found, request);
  const former = request.former ? attempt.formerSessions.at(-1) : undefined;
  const { binary, environment } = await knowCaller(request);
  const claim = former === undefined ? claimPath(host, attempt.id) : null;
  if (claim !== null) {
    const holder = makeClaim(claim, request.holder);
    if (holder !== undefined) throw isOpen(attempt, holder);
  }
  try {
    if (claim !== null) {
      await turn();
      requireResting(await find(), request, attempt.id);
    }
    const launch = readLaunch(host, attempt.id);
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
      claim,
    };
  } catch (error) {
    if (claim !== null) rmSync(claim, { force: true });
    throw error;
  }
}

function readLaunch(host: Host, att: AttemptId): Launch {
  return JSON.parse(readFileSync(join(attemptDir(host, att), "launch.json"), "utf8")) as Launch;
}

function requireAttachable({ state, run }: Found, request: AttachRequest): Attempt {
  const address = `${run.id}/${request.task}`;
  const task = run.tasks.get(request.task);
  const attempt = task === undefined ? undefined : latestAttempt(state, run, task);
  if (attempt === undefined || attempt.starts === 0) throw refused(address, "has no session yet");
  if (attempt.worktree === null || !existsSync(attempt.worktree.path))
    throw refused(address, "has no worktree any more");
  if (request.former && attempt.formerSessions.length === 0)
    throw refused(address, "has no session before its present one");
  if (!request.former && attempt.process.is !== "none")
    throw new Fault("refused", `the session of ${address} is running`, {
      remedy: `muster pause ${address} --now`,
    });
  return attempt;
}

/** Throws Fault `refused` where a resume or a retry came between the pause and the claim. */
function requireResting(found: Found, request: AttachRequest, att: AttemptId): void {
  const attempt = requireAttachable(found, request);
  const { run } = found;
  const isPaused = run.paused || run.tasks.get(request.task)?.paused === true;
  if (attempt.id === att && (isPaused || attempt.phase.at === "ended")) return;
  throw new Fault("refused", `${run.id}/${request.task} was resumed meanwhile`, {
    remedy: `muster attach ${run.id}/${request.task}`,
  });
}

function refused(address: string, what: string): Fault {
  return new Fault("refused", `${address} ${what}`, {
    remedy: `To see where it is, run muster show ${address}`,
  });
}

/** Throws Fault `refused` where one of these attempts is open in a terminal: two processes must not resume one session. */
export function requireDetached(host: Host, attempts: Iterable<Attempt>): void {
  for (const attempt of attempts) {
    const holder = holderOf(claimPath(host, attempt.id));
    if (holder !== undefined) throw isOpen(attempt, holder);
  }
}

function isOpen({ run, task }: Attempt, { pid }: Identity): Fault {
  return new Fault("refused", `${run}/${task} is open in a terminal (process ${pid})`, {
    remedy: `To go on, leave it there, then run muster resume ${run}/${task}`,
  });
}

/** Where a terminal is named while it holds a session. */
export function claimPath(host: Host, att: AttemptId): string {
  return join(attemptDir(host, att), claimName);
}
