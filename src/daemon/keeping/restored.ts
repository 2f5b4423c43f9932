/** Notes of what was restored, `restored/<id>.json`: such a worktree is the person's, and no event of an attempt that is over. */
import { randomBytes } from "node:crypto";
import { existsSync, mkdirSync, readFileSync, readdirSync, rmSync } from "node:fs";
import { join } from "node:path";
import { replaceFile } from "../../config/write.ts";
import { isLeaving } from "../../host/removal.ts";
import type { AttemptId, RunId, TaskKey } from "../../core/ids.ts";

export interface RestoredNote {
  readonly id: string;
  readonly run: RunId;
  readonly task: TaskKey;
  readonly attempt: AttemptId;
  readonly worktree: string;
  /** The snapshot that it was made of. */
  readonly ref: string;
  /** The branch that was made again for it; null for none. */
  readonly branch: string | null;
  /** ms since 1970. */
  readonly at: number;
  /** False from before a crash: it may be cut off. */
  readonly done: boolean;
}

const folder = "restored";

/** Notes of what this daemon is restoring right now. */
export const restoring: Set<string> = new Set();

export function newNoteId(): string {
  return randomBytes(6).toString("hex");
}

export async function writeNote(home: string, note: RestoredNote): Promise<void> {
  mkdirSync(join(home, folder), { recursive: true, mode: 0o700 });
  await replaceFile(join(home, folder, `${note.id}.json`), `${JSON.stringify(note)}\n`, {
    mode: 0o600,
  });
}

export function forgetNote(home: string, id: string): void {
  rmSync(join(home, folder, `${id}.json`), { force: true });
}

/** Notes of worktrees that are there, or on their way, oldest first; those of others are dropped. */
export function readNotes(home: string): RestoredNote[] {
  const dir = join(home, folder);
  if (!existsSync(dir)) return [];
  const notes: RestoredNote[] = [];
  for (const name of readdirSync(dir).filter((each) => /^[0-9a-f]+\.json$/.test(each))) {
    const note = JSON.parse(readFileSync(join(dir, name), "utf8")) as RestoredNote;
    const isOnItsWay = restoring.has(note.id) || isLeaving(note.worktree);
    if (existsSync(note.worktree) || isOnItsWay) notes.push(note);
    else forgetNote(home, note.id);
  }
  return notes.toSorted((a, b) => a.at - b.at);
}
