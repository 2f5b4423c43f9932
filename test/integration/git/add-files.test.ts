/** A file that can't be put into an index is named, and one that could not be for a moment is not. */
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import { Fault } from "../../../src/core/fault.ts";
import { addFiles } from "../../../src/git/add-files.ts";
import { withPrivateDir } from "../../../src/git/private.ts";
import { makeWorld } from "./world.ts";

test.each([
  ["once", 1, []],
  ["each time", Number.POSITIVE_INFINITY, ["a.txt"]],
])("git that fails on a file %s", async (_, failures, named) => {
  const { root, repo } = await makeWorld();
  for (const name of ["a.txt", "b.txt"]) writeFileSync(join(root, name), `${name}\n`);
  await withPrivateDir(repo, { sight: "raw", worktree: root }, async (own) => {
    let left = failures;
    const git: typeof own.git = async (args, options) => {
      const isAbout = String(options?.input).startsWith("a.txt");
      const isAlone = !String(options?.input).includes("b.txt");
      if (isAbout && (!isAlone || left-- > 0)) throw new Fault("git_failed", "unable to write");
      return own.git(args, options);
    };
    expect(await addFiles({ git }, ["a.txt", "b.txt"])).toEqual(named);
    const listed = (await own.git(["ls-files"])).stdout.toString("utf8").trim().split("\n");
    expect(listed).toEqual(failures === 1 ? ["a.txt", "b.txt"] : ["b.txt"]);
  });
});
