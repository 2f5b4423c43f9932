/** Writes a file so that a crash leaves the old one or the new one, whole. */
import { randomBytes } from "node:crypto";
import { existsSync, readdirSync, rmSync } from "node:fs";
import { open, rename, rm } from "node:fs/promises";
import { dirname, join } from "node:path";

/** What a sibling's name has around its number. */
const [before, behind] = [".muster-", ".tmp"];

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
  const sibling = join(folder, `${before}${randomBytes(8).toString("hex")}${behind}`);
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

/** Removes the siblings that killed writers left in a folder, where there is one; nobody may be writing there. */
export function dropSiblings(folder: string): void {
  if (!existsSync(folder)) return;
  for (const name of readdirSync(folder))
    if (name.startsWith(before) && name.endsWith(behind)) rmSync(join(folder, name));
}

async function syncFolder(folder: string): Promise<void> {
  const handle = await open(folder, "r");
  try {
    await handle.sync();
  } finally {
    await handle.close();
  }
}
