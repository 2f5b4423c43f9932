/** Lands as a daemon would, in a process that a test can kill. Arguments: root, old, new, and a file for the journal's token. */
import { renameSync, rmSync, writeFileSync } from "node:fs";
import { openRepository } from "../../../src/git/git.ts";
import { land } from "../../../src/git/land.ts";

const [root = "", old = "", next = "", journal = ""] = process.argv.slice(2);
const repo = await openRepository(root, process.env);
await land(repo, {
  target: "main",
  old,
  new: next,
  journal: {
    write: (record) => {
      writeFileSync(`${journal}.new`, record.token);
      renameSync(`${journal}.new`, journal);
    },
    clear: () => rmSync(journal),
  },
});
