/** A checkout on `main` and a commit to land on it, with what must hold afterwards. */
import { chmod, readdir, rm, stat } from "node:fs/promises";
import { existsSync } from "node:fs";
import { join } from "node:path";
import { expect } from "vitest";
import { land, type FollowRecord } from "../../../src/git/land.ts";
import { makeWorld, type World } from "./world.ts";

export interface Scene {
  readonly world: World;
  readonly old: string;
  readonly next: string;
  readonly journal: { readonly records: FollowRecord[]; cleared: number };
  readonly land: (isOurs?: (path: string) => boolean) => ReturnType<typeof land>;
}

export const before = {
  "touched.txt": "one\ntwo\nthree\n",
  "other.txt": "other\n",
  "dropped.txt": "dropped\n",
  "folder/file": "x\n",
  ".gitignore": "*.log\nbuild\n",
};

/** `main` is checked out at `old`; `next` edits one file, adds three and deletes one. */
export async function makeScene(files: Readonly<Record<string, string>> = before): Promise<Scene> {
  const world = await makeWorld(files);
  const old = await world.git(["rev-parse", "HEAD"]);
  await world.git(["checkout", "-q", "-b", "work"]);
  await world.write("touched.txt", "one\ntwo\nTHREE\n");
  await world.write("added.txt", "added\n");
  await world.write("deep/er/added.txt", "added\n");
  await world.write("run.sh", "#!/bin/sh\n");
  await chmod(join(world.root, "run.sh"), 0o755);
  await rm(join(world.root, "dropped.txt"));
  const next = await world.commit("next");
  await world.git(["checkout", "-q", "main"]);
  await world.git(["branch", "-q", "-D", "work"]);
  const journal: Scene["journal"] = { records: [], cleared: 0 };
  return {
    world,
    old,
    next,
    journal,
    land: (isOurs) =>
      land(world.repo, {
        target: "main",
        old,
        new: next,
        journal: {
          write: (record) => {
            journal.records.push(record);
          },
          clear: () => {
            journal.cleared++;
          },
        },
        ...(isOurs === undefined ? {} : { isOurs }),
      }),
  };
}

export async function expectLanded(scene: Scene, status = ""): Promise<void> {
  const { world } = scene;
  expect(await scene.land()).toEqual({ landed: true, followed: world.root });
  expect(await world.git(["rev-parse", "main"])).toBe(scene.next);
  expect(await world.git(["status", "--porcelain"])).toBe(status);
  expect(await world.read("touched.txt")).toBe("one\ntwo\nTHREE\n");
  expect((await stat(join(world.root, "run.sh"))).mode & 0o100).toBe(0o100);
  await expectTidy(scene);
}

/** Nothing of ours is left in the git directory, and the journal is closed. */
export async function expectTidy({ world, journal }: Scene): Promise<void> {
  expect(journal.records.length).toBe(journal.cleared);
  const left = (await readdir(join(world.root, ".git"))).filter((name) =>
    /^index\.|ORIG_HEAD/.test(name),
  );
  expect(left).toEqual([]);
}

/** Refused, and every byte, index entry and ref as it was. */
export async function expectRefused(scene: Scene, paths: readonly string[]): Promise<string> {
  const { world, old } = scene;
  const status = await world.git(["status", "--porcelain=v2", "--ignored"]);
  const diff = await world.git(["diff"]);
  const landing = await scene.land();
  if (landing.landed || landing.why !== "checkout_in_the_way")
    throw new Error(JSON.stringify(landing));
  expect(landing.paths).toEqual(paths);
  expect(await world.git(["rev-parse", "main"])).toBe(old);
  expect(await world.git(["status", "--porcelain=v2", "--ignored"])).toBe(status);
  expect(await world.git(["diff"])).toBe(diff);
  expect(existsSync(join(world.root, "run.sh"))).toBe(false);
  return landing.detail;
}
