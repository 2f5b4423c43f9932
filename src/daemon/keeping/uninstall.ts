/** Uninstalling: everything below MUSTER_HOME goes, everything in the person's repositories stays. */
import { lstatSync, readdirSync } from "node:fs";
import { dirname, join } from "node:path";
import type { UninstallPlan } from "../../api/service.ts";
import { Fault } from "../../core/fault.ts";
import { dropGatePlaces } from "../../git/gate-place.ts";
import { countOwnRefs } from "../../git/own-refs.ts";
import { deleteTrash, readUnproved } from "../../git/trash.ts";
import { openProject, projectFolder, trashDir } from "../../host/context.ts";
import type { KeepingParts } from "./parts.ts";
import { cleanPlan, everything } from "./clean.ts";
import { readProjects } from "./old.ts";
import { shellWord } from "../../core/words.ts";

export async function uninstallPlan(parts: KeepingParts, socket: string): Promise<UninstallPlan> {
  const { home } = parts.host;
  const { items } = await cleanPlan(parts, everything);
  // What was restored to a place of the person's stays there.
  const kept = items.filter(({ worktree }) => worktree.startsWith(`${home}/`));
  const known = new Set(kept.map(({ worktree }) => worktree));
  return {
    home,
    remove: [
      ...names(home).map((name) => ({ path: join(home, name), bytes: weigh(join(home, name)) })),
      ...(dirname(socket) === home ? [] : [{ path: socket, bytes: 0 }]),
    ],
    stays: await staying(parts),
    openRuns: [...parts.state().runs.keys()],
    kept,
    unknown: [
      ...worktreesBelow(home).filter((path) => !known.has(path)),
      ...(await readUnproved(trashDir(parts.host))).map(({ path }) => path),
    ],
  };
}

/** Throws Fault `refused` where work would go with it. */
export async function uninstall(parts: KeepingParts, socket: string): Promise<UninstallPlan> {
  const plan = await uninstallPlan(parts, socket);
  requireNothingOpen(plan);
  const { host } = parts;
  for (const [run, spec] of (await readProjects(parts.ledger)).values()) {
    const repo = await openProject(host, run, spec).catch(() => undefined); // Moved or deleted since.
    if (repo === undefined) continue;
    await dropGatePlaces(repo, projectFolder(host, spec.project, spec.root), trashDir(host));
  }
  for (const name of ["attempts", "gates", "worktrees", "trash"])
    await deleteTrash(join(host.home, name));
  return plan;
}

function requireNothingOpen({ openRuns, kept, unknown }: UninstallPlan): void {
  const [run] = openRuns;
  if (run !== undefined)
    throw new Fault("refused", `${openRuns.length} runs are open, such as ${run}`, {
      remedy: `To cancel it, run muster stop ${run}`,
    });
  const [item] = kept;
  if (item !== undefined)
    throw new Fault("refused", `${kept.length} worktrees are kept, such as ${item.worktree}`, {
      remedy: "To see what would be removed, run muster clean --dry-run",
    });
  const [path] = unknown;
  if (path !== undefined)
    throw new Fault("refused", `${path} is a worktree that the ledger does not know`, {
      remedy: `To see what is in it, run git -C ${shellWord(path)} status`,
    });
}

async function staying({ host, ledger }: KeepingParts): Promise<UninstallPlan["stays"]> {
  const stays: UninstallPlan["stays"][number][] = [];
  for (const [run, spec] of (await readProjects(ledger)).values()) {
    const repo = await openProject(host, run, spec).catch(() => undefined);
    if (repo !== undefined) stays.push({ project: spec.root, ...(await countOwnRefs(repo)) });
  }
  return stays;
}

/** Worktrees of attempts below the home; gate places are not counted, they can be made again. */
function worktreesBelow(home: string): string[] {
  const root = join(home, "worktrees");
  return names(root).flatMap((project) =>
    names(join(root, project))
      .filter((name) => !name.startsWith("gate-"))
      .map((name) => join(root, project, name)),
  );
}

function names(folder: string): string[] {
  try {
    return readdirSync(folder);
  } catch {
    return [];
  }
}

/** Bytes of a file, or of all files below a folder; links are not followed. */
function weigh(path: string): number {
  const stat = lstatSync(path, { throwIfNoEntry: false });
  if (stat === undefined) return 0;
  if (!stat.isDirectory()) return stat.size;
  return names(path).reduce((sum, name) => sum + weigh(join(path, name)), 0);
}
