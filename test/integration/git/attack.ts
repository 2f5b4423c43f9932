/**
 * What an agent can write to its worktree and to the shared git directory, each time with a positive control: the same attack
 * must fire with plain git, or the test proves nothing.
 */
import { chmod, rm, utimes } from "node:fs/promises";
import { existsSync } from "node:fs";
import { join } from "node:path";
import { expect } from "vitest";
import { changedFiles, diffText, log, readHead } from "../../../src/git/inspect.ts";
import { mergeTree } from "../../../src/git/merge.ts";
import { branchPrefix, resolve } from "../../../src/git/refs.ts";
import { restoreSnapshot } from "../../../src/git/restore.ts";
import { snapshot } from "../../../src/git/snapshot.ts";
import {
  addWorktree,
  listWorktrees,
  retireWorktree,
  type Place,
  type WorktreeRecord,
} from "../../../src/git/worktree.ts";
import { makeWorld, put, type World } from "./world.ts";

export interface Scene {
  readonly world: World;
  readonly record: WorktreeRecord;
  readonly place: Place;
  readonly base: string;
  readonly canary: string;
  /** A command that leaves the canary and passes its input on. */
  readonly command: string;
  hasFired(): boolean;
  /** Runs plain git, sees the canary, removes it. */
  control(args: readonly string[], cwd?: string): Promise<void>;
}

export async function makeScene(files?: Readonly<Record<string, string>>): Promise<Scene> {
  const world = await makeWorld(files ?? { "a.txt": "aaaa\n", "b.txt": "bbbb\n" });
  const base = await world.git(["rev-parse", "HEAD"]);
  const { record, place } = await world.addWorktree("att_1");
  const canary = join(world.dir, "canary");
  const command = join(world.dir, "canary.sh");
  await put(command, `#!/bin/sh\ntouch ${canary}\ncat\n`);
  await chmod(command, 0o755);
  return {
    world,
    record,
    place,
    base,
    canary,
    command,
    hasFired: () => existsSync(canary),
    control: async (args, cwd = record.path) => {
      await rm(canary, { force: true });
      await world.tryGit(args, { cwd });
      expect(existsSync(canary), `the attack must fire with plain git ${args.join(" ")}`).toBe(
        true,
      );
      await rm(canary, { force: true });
    },
  };
}

/** Every call of ours that touches the worktree, its commits or the refs. */
export async function everything(scene: Scene): Promise<void> {
  const { world, place, base } = scene;
  const { repo } = world;
  const state = await readHead(repo, place, base);
  const taken = await snapshot(repo, place, {
    ref: "refs/muster/attempts/att_1/1",
    message: "round",
  });
  await changedFiles(repo, base, taken.commit);
  await diffText(repo, base, taken.commit);
  await log(repo, base, taken.commit);
  await mergeTree(repo, base, state.head);
  await restoreSnapshot(repo, taken.commit, join(world.dir, "restored"));
  await resolve(repo, "main");
  await branchPrefix(repo);
  await listWorktrees(repo);
  await addWorktree(repo, {
    path: join(world.dir, "worktrees/att_2"),
    branch: "muster/run_1/att_2",
    commit: state.head,
    reason: "next",
  });
  await retireWorktree(repo, place, join(world.dir, "trash"));
}

/** Same size, other stat data: git has to read the file to know. */
export async function edit(scene: Scene, path = "a.txt"): Promise<void> {
  await put(join(scene.record.path, path), "zzzz\n");
  await utimes(join(scene.record.path, path), 1_000_000_000, 1_000_000_000);
}
