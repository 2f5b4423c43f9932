/**
 * Takes a lock away as a daemon would, and is killed where it would remove what it claimed. Arguments: root, lock, and "raced" for a
 * lock that somebody else makes anew right before it is claimed.
 */
import fs from "node:fs/promises";
import { syncBuiltinESMExports } from "node:module";
import { openRepository } from "../../src/git/git.ts";
import { clearRepositoryLock } from "../../src/git/stale-lock.ts";

const [root = "", lock = "", how = ""] = process.argv.slice(2);
const repo = await openRepository(root, process.env);
const { rename } = fs;
Object.assign(fs, {
  async rename(from: string, to: string): Promise<void> {
    if (how === "raced") {
      await fs.unlink(from);
      await fs.writeFile(from, "theirs");
    }
    await rename(from, to);
  },
  rm: () => process.kill(process.pid, "SIGKILL"),
});
syncBuiltinESMExports();
await clearRepositoryLock(repo, lock);
