/** Takes a worktree away as a daemon would, in a process that a test can kill. Arguments: root, git directory, path, trash, and when. */
import { writeSync } from "node:fs";
import { openRepository } from "../../../src/git/git.ts";
import { deleteTrash } from "../../../src/git/trash.ts";
import { openPlace, retireWorktree } from "../../../src/git/worktree.ts";

const [root = "", gitDir = "", path = "", trash = "", when = ""] = process.argv.slice(2);
const repo = await openRepository(root, process.env);
const place = await openPlace(repo, { gitDir, path });
const pause = (at: string): Promise<void> => {
  if (at !== when) return Promise.resolve();
  writeSync(1, `${at}\n`);
  return new Promise((resolve) => setTimeout(resolve, 60_000));
};
const retired = await retireWorktree(repo, place, trash, async () => {
  await pause("looking");
  return when !== "not held";
});
await pause("proved");
if (retired.retired && retired.trash !== null) await deleteTrash(retired.trash);
