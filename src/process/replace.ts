/** Small files that nobody waits for: old or new for whoever reads them. What must outlive a power cut is written by `config/write.ts`. */
import { renameSync, rmSync, writeFileSync } from "node:fs";

/** Replaces `path` by a file with `text`, through no link. Throws what the disk says, and then `path` is as it was. One writer. */
export function replaceNow(path: string, text: string): void {
  const sibling = `${path}.new`;
  try {
    rmSync(sibling, { force: true });
    writeFileSync(sibling, text, { mode: 0o600, flag: "wx" });
    renameSync(sibling, path);
  } catch (error) {
    rmSync(sibling, { force: true });
    throw error;
  }
}
