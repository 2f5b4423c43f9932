/** Folders below the home that no attempt has any more, attempts without a folder, and what a landing or a deletion left unfinished. */
import { existsSync, readFileSync, rmSync, statSync } from "node:fs";
import { mkdir, rename } from "node:fs/promises";
import { randomBytes } from "node:crypto";
import { basename, join } from "node:path";
import type { Finding } from "../../api/repair.ts";
import type { FollowRecord } from "../../git/follow.ts";
import { openRepository } from "../../git/git.ts";
import { recoverFollow } from "../../git/land.ts";
import { deleteTrash, type Unproved, bringBack, noteOf, readUnproved } from "../../git/trash.ts";
import { trashDir } from "../../host/context.ts";
import { userOf } from "../../process/folder.ts";
import { type Flaw, type Mended, type Scene, attemptIn, done, isAttempt, names } from "./scene.ts";
import { shellWord } from "../../core/words.ts";

/** Nothing of muster's works in `tmp` or `trash` for as long as this. */
const scratchMs = 60 * 60_000;
const dayMs = 24 * 60 * 60_000;

/** All of them. */
export async function leftFolders(scene: Scene): Promise<Flaw[]> {
  return [
    ...journals(scene),
    ...attemptsWithoutFolder(scene),
    ...unknownAttempts(scene),
    ...oldGates(scene),
    ...scratch(scene, await readUnproved(trashDir(scene.parts.host))),
  ];
}

function findingOf(
  kind: Finding["kind"],
  path: string,
  said: Pick<Finding, "attempt" | "why" | "repair" | "stays">,
): Finding {
  return { id: `${kind}:${path}`, kind, what: path, project: null, ...said };
}

/** Transcripts of what nobody knows: a person may still want them, so they go by age only. */
function unknownAttempts(scene: Scene): Flaw[] {
  const root = join(scene.home, "attempts");
  const all = names(root).filter(isAttempt);
  scene.count.folders += all.length;
  return all
    .filter((att) => scene.standing(att) === "unknown")
    .map((att) => byAge(scene, join(root, att), att, "no run knows it"));
}

/** Logs of gates. Those of a run that was settled a while ago are what `clean --older-than` removes too. */
function oldGates(scene: Scene): Flaw[] {
  const root = join(scene.home, "gates");
  const all = names(root);
  scene.count.folders += all.length;
  return all.flatMap((name): Flaw[] => {
    const att = attemptIn(name);
    if (att === undefined) return [];
    const path = join(root, name);
    if (scene.standing(att) === "unknown") return [byAge(scene, path, att, "no run knows it")];
    const settledAt = scene.settledAt(att);
    if (settledAt === undefined || scene.now - settledAt < scene.retentionMs) return [];
    return [byAge(scene, path, att, `${att} was settled long ago`)];
  });
}

function byAge(scene: Scene, path: string, att: string, why: string): Flaw {
  const ageMs = scene.now - newest(path);
  const isOld = ageMs >= scene.retentionMs;
  const days = Math.ceil((scene.retentionMs - ageMs) / dayMs);
  return {
    finding: findingOf("folder", path, {
      attempt: att,
      why,
      repair: isOld ? "it is removed" : null,
      stays: isOld
        ? null
        : `it is kept for ${days} more days; to see it, run ls -la ${shellWord(path)}`,
    }),
    mend: isOld ? () => remove(scene, path, () => scene.standing(att) !== "open") : null,
  };
}

/** When anything in it was written last: the folder itself, and what is in it and in its starts. */
function newest(path: string, depth = 2): number {
  const stat = statSync(path, { throwIfNoEntry: false });
  if (stat === undefined) return 0;
  const inner =
    stat.isDirectory() && depth > 0
      ? names(path).map((name) => newest(join(path, name), depth - 1))
      : [];
  return Math.max(stat.mtimeMs, ...inner);
}

async function remove(scene: Scene, path: string, may: () => boolean): Promise<Mended> {
  const user = userOf(path);
  if (user !== undefined) return { why: user };
  if (!may()) return { why: "it is in use by now" };
  const trash = trashDir(scene.parts.host);
  await mkdir(trash, { recursive: true, mode: 0o700 });
  // A deletion that is cut off goes on at the next start.
  const moved = join(trash, `${basename(path)}-${randomBytes(4).toString("hex")}`);
  await rename(path, moved);
  await deleteTrash(moved);
  return done;
}

function scratch(scene: Scene, unproved: readonly Unproved[]): Flaw[] {
  const cut = new Map(unproved.map((each) => [each.path, each]));
  const notes = new Set(unproved.map(({ path }) => noteOf(path)));
  return ["tmp", "trash"].flatMap((folder) =>
    names(join(scene.home, folder)).flatMap((name): Flaw[] => {
      const path = join(scene.home, folder, name);
      const stat = statSync(path, { throwIfNoEntry: false });
      // A folder that is moved into the trash keeps its mtime, not its ctime.
      const touchedAt = Math.max(stat?.mtimeMs ?? 0, stat?.ctimeMs ?? 0);
      if (stat === undefined || scene.now - touchedAt < scratchMs || notes.has(path)) return [];
      const half = cut.get(path);
      if (half !== undefined) return [cutOff(half)];
      return [
        {
          finding: findingOf("scratch", path, {
            attempt: null,
            why: "whoever made it is gone",
            repair: "it is removed",
            stays: null,
          }),
          async mend() {
            const user = userOf(path);
            if (user !== undefined) return { why: user };
            await deleteTrash(path);
            return done;
          },
        },
      ];
    }),
  );
}

/** A taking away that was cut off: no ref is known to hold what is in it. */
function cutOff(folder: Unproved): Flaw {
  const { path, to } = folder;
  return {
    finding: findingOf("scratch", path, {
      attempt: attemptIn(basename(path)) ?? null,
      why: "it was being taken away, and no ref is known to hold all of it",
      repair: to === null ? null : `it goes back to ${to}`,
      stays:
        to === null
          ? `it can't go back to where it was; to see what is in it, run ls -A ${shellWord(path)}`
          : null,
    }),
    mend:
      to === null
        ? null
        : async () => ((await bringBack(folder)) ? done : { why: "it can't be moved back" }),
  };
}

/** Without its folder a session can't be resumed; the next start makes a new one. */
function attemptsWithoutFolder(scene: Scene): Flaw[] {
  return [...scene.parts.state().attempts.values()].flatMap(({ id, run, task, starts }): Flaw[] => {
    const path = join(scene.home, "attempts", id);
    if (starts === 0 || existsSync(path)) return [];
    return [
      {
        finding: findingOf("attempt", path, {
          attempt: id,
          why: `the folder of ${run}/${task} is gone, and its transcript with it`,
          repair: null,
          stays: `its work is in its worktree; to start anew, run muster retry ${run}/${task}`,
        }),
        mend: null,
      },
    ];
  });
}

/** Landings that a crash cut off in a person's checkout, and that nobody will finish: their attempt is over. */
function journals(scene: Scene): Flaw[] {
  const root = join(scene.home, "follow");
  return names(root).flatMap((name): Flaw[] => {
    const att = name.replace(/\.json$/, "");
    const path = join(root, name);
    if (!name.endsWith(".json") || scene.standing(att) === "open") return [];
    const record = readRecord(path);
    const stays =
      record === null ? `it can't be read; to see it, run cat ${shellWord(path)}` : null;
    const isThere = record !== null && existsSync(record.worktree);
    return [
      {
        finding: {
          ...findingOf("journal", path, {
            attempt: isAttempt(att) ? att : null,
            why: isThere
              ? `a landing stopped half way in ${record.worktree}`
              : "the checkout of its landing is gone",
            repair: isThere
              ? "the checkout is brought to where its branch is"
              : record === null
                ? null
                : "it is removed",
            stays,
          }),
          project: record?.worktree ?? null,
        },
        mend: record === null ? null : () => finish(scene, path, record),
      },
    ];
  });
}

function readRecord(path: string): FollowRecord | null {
  try {
    return JSON.parse(readFileSync(path, "utf8")) as FollowRecord;
  } catch {
    return null;
  }
}

async function finish(scene: Scene, path: string, record: FollowRecord): Promise<Mended> {
  if (existsSync(record.worktree)) {
    const { PATH = "/usr/bin:/bin", HOME = scene.home } = process.env;
    const options = { scratch: join(scene.home, "tmp") };
    await recoverFollow(await openRepository(record.worktree, { PATH, HOME }, options), record);
  }
  rmSync(path, { force: true });
  return done;
}
