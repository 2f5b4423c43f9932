/** The gate effect: a warm place of the project moved to the exact commit, set up like an attempt's, and the commands run there. */
import { randomUUID } from "node:crypto";
import { join } from "node:path";
import type { Effect } from "../core/effects.ts";
import type { Observed } from "../core/inputs.ts";
import { runCommand } from "../gate/command.ts";
import { runGate } from "../gate/gate.ts";
import type { Sha } from "../core/ids.ts";
import { dropGatePlace, moveGatePlace, openGatePlace } from "../git/gate-place.ts";
import type { Repository } from "../git/git.ts";
import type { Place } from "../git/registration.ts";
import {
  type Host,
  openProject,
  projectFolder,
  requireGateEnvironment,
  timeouts,
} from "./context.ts";
import { isFull } from "../process/full.ts";
import { memoryText } from "./memory.ts";
import { portsOf } from "./ports.ts";
import { bringAlong } from "./bring-along.ts";
import { projectConfig } from "./project.ts";

type GateEffect = Extract<Effect, { do: "gate" }>;

/** This daemon's life, for what must not be taken over from an earlier one. */
const instance = randomUUID().slice(0, 8);

let performed = 0;

/** Places in use, by path: each belongs to one gate at a time. */
const busy = new Set<string>();

export async function gate(host: Host, effect: GateEffect): Promise<Observed> {
  const folder = projectFolder(host, effect.spec.project, effect.spec.root);
  const path = takePlace(folder);
  try {
    return await gateIn(host, effect, path);
  } finally {
    busy.delete(path);
  }
}

function takePlace(folder: string): string {
  for (let slot = 1; ; slot++) {
    const path = join(folder, `gate-${slot}`);
    if (busy.has(path)) continue;
    busy.add(path);
    return path;
  }
}

/** The place, at the commit. One that can't be moved there (a lock of a killed git, what a gate left) is made again, once. */
async function placeAt(host: Host, repo: Repository, path: string, commit: Sha): Promise<Place> {
  const place = await openGatePlace(repo, path, commit);
  try {
    await moveGatePlace(repo, place, commit);
    return place;
  } catch (error) {
    const record = { gitDir: place.gitDir, path: place.worktree };
    if (isFull(place.worktree, host.home)) throw error;
    if (!(await dropGatePlace(repo, record, join(host.home, "trash")))) throw error;
    host.log("warn", "A gate place is made again", { path, error: String(error) });
    const again = await openGatePlace(repo, path, commit);
    await moveGatePlace(repo, again, commit);
    return again;
  }
}

async function gateIn(host: Host, effect: GateEffect, path: string): Promise<Observed> {
  const startedAt = performance.now();
  const { attempt, spec, head } = effect;
  const repo = await openProject(host, attempt.run, spec);
  const config = await projectConfig(
    host,
    attempt.run,
    spec,
    attempt.worktree?.config ?? head.commit,
  );
  const place = await placeAt(host, repo, path, head.commit);
  await bringAlong(repo, config, place.worktree, attempt.worktree?.config ?? head.commit);
  const env = {
    ...requireGateEnvironment(host, attempt.run),
    ...config.env,
    ...(await portsOf(host, attempt.id, config.ports)),
    CI: "1",
  };
  const cwd = spec.cwd === null ? place.worktree : join(place.worktree, spec.cwd);
  // A result belongs to one performance: in this place, with these commands.
  const dir = join(
    host.home,
    "gates",
    `${effect.key.replaceAll(":", "-")}-${instance}-${++performed}`,
  );
  for (const [i, command] of config.setup.entries()) {
    const tag = `${dir}/setup-${i + 1}`;
    const result = await runCommand({
      dir: tag,
      command,
      cwd,
      env,
      timeoutMs: timeouts.setupMs,
      tag,
    });
    if (result.exit !== 0)
      return {
        saw: "gate_broken",
        commit: head.commit,
        why: `setup \`${command}\` exited ${result.exit ?? "by time-out"}`,
        ...(isFull(place.worktree, host.home) ? { disk: true } : {}),
        ...(host.killedSince(startedAt) ? { memory: true } : {}),
      };
  }
  const result = await runGate({
    dir,
    commands: effect.commands,
    cwd,
    env,
    head,
    on: effect.on,
    timeoutMs: timeouts.gateMs,
  });
  if (!result.passed && isFull(place.worktree, host.home))
    return { saw: "gate_broken", commit: head.commit, why: "the disk is full", disk: true };
  // Whatever the command exits with: what was killed may be a process of its own.
  const failed = result.passed ? undefined : result.evidence.at(-1);
  if (failed !== undefined && host.killedSince(startedAt)) {
    const why = `\`${failed.command}\` exited ${failed.exit ?? "by time-out"} ${memoryText}`;
    return { saw: "gate_broken", commit: head.commit, why, memory: true };
  }
  return { saw: "gated", head, evidence: result.evidence, passed: result.passed };
}
