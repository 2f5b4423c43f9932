/**
 * The trash: folders that are out of everybody's way. One that is not yet known to be held by a ref has a name that says so, and a note
 * beside it says where it was: it is never deleted, and goes back there after a kill.
 */
import { Buffer } from "node:buffer";
import { randomBytes } from "node:crypto";
import { open, readdir, rename, rm } from "node:fs/promises";
import { dirname, isAbsolute, join } from "node:path";
import { errnoOf, openUp, readSmall, readStat } from "./files.ts";

const unproved = ".unproved";
const origin = ".from";

/** A folder in the trash that no ref is known to hold. */
export interface Unproved {
  readonly path: string;
  /** Where it was; null where nobody knows. */
  readonly from: string | null;
  /** Where it goes back to; null where nobody knows, its parent is gone, or something else is there. */
  readonly to: string | null;
}

export interface MoveRequest {
  /** Looks at the folder where it lies; where that is false or throws, it goes back. */
  readonly isHeld?: (lies: string) => Promise<boolean>;
}

/** Moves a folder to `trash`, below the name of an unproved one as long as `isHeld` has not said that it is held. */
export async function moveAway(
  from: string,
  trash: string,
  { isHeld }: MoveRequest,
): Promise<"moved" | "not_held" | "other_file_system"> {
  if (isHeld === undefined) return (await renamed(from, trash)) ? "moved" : "other_file_system";
  const lies = `${trash}${unproved}`;
  const note = `${trash}${origin}`;
  await writeNote(note, from);
  if (!(await renamed(from, lies))) {
    await rm(note);
    return "other_file_system";
  }
  let held = false;
  try {
    held = await isHeld(lies);
  } finally {
    if (!held) {
      await moveBack(lies, from);
      await rm(note);
    }
  }
  if (!held) return "not_held";
  await renamed(lies, trash);
  await rm(note);
  return "moved";
}

/** On disk before the folder moves: after a loss of power, too, there is none without its note. */
async function writeNote(note: string, from: string): Promise<void> {
  const file = await open(note, "wx", 0o600);
  try {
    await file.writeFile(from);
    await file.sync();
  } finally {
    await file.close();
  }
}

/** Where someone took its old place meanwhile it goes beside it. */
async function moveBack(lies: string, to: string): Promise<void> {
  try {
    await rename(lies, to);
  } catch (error) {
    if (errnoOf(error) !== "ENOTEMPTY" && errnoOf(error) !== "ENOTDIR") throw error;
    await rename(lies, `${to}-${randomBytes(4).toString("hex")}`);
  }
}

/** Renames; false where `to` is on another file system. What is gone already counts as renamed. */
export async function renamed(from: string, to: string): Promise<boolean> {
  try {
    await rename(from, to);
    return true;
  } catch (error) {
    const code = errnoOf(error);
    if (code === "EXDEV") return false;
    if (code === "ENOENT") return true;
    throw error;
  }
}

/** Every unproved folder in the trash. */
export async function readUnproved(trashDir: string): Promise<Unproved[]> {
  const names = (await readNames(trashDir)).filter((name) => name.endsWith(unproved));
  return Promise.all(
    names.map(async (name) => {
      const path = join(trashDir, name);
      const from = await readOrigin(path);
      const isFree =
        from !== null &&
        (await readStat(from)) === undefined &&
        (await readStat(dirname(from)))?.isDirectory() === true;
      return { path, from, to: isFree ? from : null };
    }),
  );
}

/** The unproved folder that was at `from`; undefined where there is none. */
export async function findUnproved(trashDir: string, from: string): Promise<string | undefined> {
  return (await readUnproved(trashDir)).find((each) => each.from === from)?.path;
}

/** Puts an unproved folder back where it was; false where it can't go there. */
export async function bringBack({ path, to }: Unproved): Promise<boolean> {
  if (to === null) return false;
  try {
    await rename(path, to);
  } catch {
    return false; // It stays, and is looked at again.
  }
  await rm(noteOf(path), { force: true });
  return true;
}

interface Sorted {
  /** Where folders went back to. */
  readonly back: readonly string[];
  /** No ref is known to hold them, and they can't go back. */
  readonly left: readonly string[];
  /** Everything else: to be deleted. */
  readonly held: readonly string[];
}

/** What was cut off: unproved folders go back to where they were, or stay. Nothing may be at work there. */
export async function sortTrash(trashDir: string): Promise<Sorted> {
  const back: string[] = [];
  const left: string[] = [];
  for (const each of await readUnproved(trashDir))
    if (await bringBack(each)) back.push(each.to ?? "");
    else left.push(each.path);
  const stays = new Set(left.flatMap((path) => [path, noteOf(path)]));
  const all = (await readNames(trashDir)).map((name) => join(trashDir, name));
  return { back, left, held: all.filter((path) => !stays.has(path)) };
}

/** The note beside an unproved folder. */
export function noteOf(path: string): string {
  return `${path.slice(0, -unproved.length)}${origin}`;
}

async function readOrigin(path: string): Promise<string | null> {
  const text = await readSmall(noteOf(path));
  const from = text === undefined ? "" : Buffer.from(text, "latin1").toString("utf8");
  return isAbsolute(from) ? from : null;
}

async function readNames(dir: string): Promise<readonly string[]> {
  try {
    return await readdir(dir);
  } catch (error) {
    if (errnoOf(error) === "ENOENT") return [];
    throw error;
  }
}

/** Deletes a folder that was moved away, links not followed, folders without write permission included. */
export async function deleteTrash(path: string): Promise<void> {
  const remove = (): Promise<void> => rm(path, { recursive: true, force: true, maxRetries: 3 });
  try {
    await remove();
  } catch (error) {
    if (errnoOf(error) !== "EACCES" && errnoOf(error) !== "EPERM") throw error;
    await openUp(path);
    await remove();
  }
}
