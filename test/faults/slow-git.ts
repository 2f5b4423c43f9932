/** A git that lives: it waits in a program that it called. */
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { chmod } from "node:fs/promises";
import { join } from "node:path";
import { onTestFinished } from "vitest";
import { type World, put } from "../integration/git/world.ts";

/** Starts git in `cwd` with the arguments for that program, and returns once it waits; the end of the test ends it. */
export async function startGit(
  world: World,
  cwd: string,
  args: (program: string) => readonly string[],
): Promise<ChildProcess> {
  const program = join(world.dir, "slow.sh");
  await put(program, "#!/bin/sh\necho begun >&2\nexec sleep 60\n");
  await chmod(program, 0o755);
  const git = spawn("git", args(program), { cwd, env: world.env, detached: true });
  onTestFinished(() => endGit(git));
  await once(git.stderr, "data");
  return git;
}

/** Kills it with its program. */
export async function endGit(git: ChildProcess): Promise<void> {
  if (git.exitCode !== null || git.signalCode !== null) return;
  const ended = once(git, "exit");
  process.kill(-(git.pid ?? 0), "SIGKILL");
  await ended;
}
