/** Taking a snapshot and looking into it with plain git. */
import { snapshot, type SnapshotRequest } from "../../../src/git/snapshot.ts";
import type { Place } from "../../../src/git/worktree.ts";
import type { World } from "./world.ts";

export const ref = "refs/muster/attempts/att_1/1";

export async function take(world: World, place: Place, request: Partial<SnapshotRequest> = {}) {
  return snapshot(world.repo, place, { ref, message: "round 1", ...request });
}

/** Names in a commit's tree, as git prints them unquoted. */
export async function names(world: World, commit: string): Promise<string[]> {
  return (await world.git(["ls-tree", "-r", "-z", "--name-only", commit]))
    .split("\0")
    .filter((name) => name !== "");
}

export function show(world: World, commit: string, path: string): Promise<string> {
  return world.tryGit(["cat-file", "blob", `${commit}:${path}`]).then(({ stdout }) => stdout);
}
