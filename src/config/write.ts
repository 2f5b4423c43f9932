/** Writes a file so that a crash leaves the old one or the new one, whole. */
import { randomBytes } from "node:crypto";
import { open, rename, rm } from "node:fs/promises";
import { dirname, join } from "node:path";

/**
 * Replaces `path` by a file with `text`: a sibling is written, synced and renamed, and the rename is synced. A link in its place
 * is replaced, not followed. Where it throws, `path` is as it was and no sibling is left.
 */
export async function replaceFile(
  path: string,
  text: string | Uint8Array,
  options: { readonly mode?: number } = {},
): Promise<void> {
  const folder = dirname(path);
  const sibling = join(folder, `.muster-${randomBytes(8).toString("hex")}.tmp`);
  try {
    // "wx" is O_EXCL: it fails on anything that is already there, links included.
    const file = await open(sibling, "wx", options.mode ?? 0o600);
    try {
      await file.writeFile(text);
      await file.sync();
    } finally {
      await file.close();
    }
    await rename(sibling, path);
  } catch (error) {
    await rm(sibling, { force: true });
    throw error;
  }
  await syncFolder(folder);
}

async function syncFolder(folder: string): Promise<void> {
  const handle = await open(folder, "r");
  try {
    await handle.sync();
  } finally {
    await handle.close();
  }
}
