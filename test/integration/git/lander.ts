/** Lands as a daemon would, in a process that a test can kill: argv is a JSON of directory, environment, request and journal. */
import { rmSync, writeFileSync } from "node:fs";
import { openRepository } from "../../../src/git/git.ts";
import { land } from "../../../src/git/land.ts";

interface Order {
  readonly root: string;
  readonly env: Record<string, string>;
  readonly target: string;
  readonly old: string;
  readonly next: string;
  readonly journal: string;
}

const order = JSON.parse(process.argv[2] ?? "{}") as Order;
const repo = await openRepository(order.root, order.env);
await land(repo, {
  target: order.target,
  old: order.old,
  new: order.next,
  journal: {
    write: (record) => writeFileSync(order.journal, JSON.stringify(record)),
    clear: () => rmSync(order.journal),
  },
});
