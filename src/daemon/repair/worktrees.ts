/**
 * Worktrees below the home whose attempt is over or not known, registrations whose folder is gone, and gate places
 * that nobody waits for. Ours is what lies two folders below `worktrees/`, has a name of muster's and was locked by muster.
 */
import { existsSync } from "node:fs";
import { basename, dirname, join } from "node:path";
import { dropGatePlace } from "../../git/gate-place.ts";
import { letGoOf } from "../../git/gone.ts";
import { type ListedWorktree, listWorktrees } from "../../git/list.ts";
import { openPlace } from "../../git/registration.ts";
import { readUnproved } from "../../git/trash.ts";
import { trashDir } from "../../host/context.ts";
import { whyItStays } from "../../host/stays.ts";
import { takeAway } from "../../host/take-away.ts";
import { readBrought } from "../../host/brought.ts";
import { userOf, usersIn } from "../../process/folder.ts";
import { repositoryLocks, worktreeLocks } from "./locks.ts";
import { isLeaked } from "./processes.ts";
import type { Finding } from "../../api/repair.ts";
import {
  type Flaw,
  type Mended,
  type Project,
  type Scene,
  done,
  isAttempt,
  names,
} from "./scene.ts";
import { shellWord } from "../../core/words.ts";

const attemptReason = /^muster run_\S+$/;
const gateReason = "muster gate";
const gateName = /^gate-[1-9]\d*$/;

type Listed = ListedWorktree & { readonly gitDir: string };

/** Everything of all projects. */
export async function brokenWorktrees(scene: Scene): Promise<Flaw[]> {
  const flaws: Flaw[] = [];
  const known = new Set<string>();
  const away = new Set((await readUnproved(trashDir(scene.parts.host))).map(({ from }) => from));
  for (const project of scene.projects) {
    flaws.push(...(await repositoryLocks(project)));
    for (const each of await listWorktrees(project.repo)) {
      const { gitDir, path } = each;
      if (gitDir === null || gitDir === project.repo.common || !isOurs(scene, each)) continue;
      scene.count.worktrees += 1;
      known.add(path);
      // Its folder is in the trash and goes back: then it is as it was.
      if (away.has(path) && !existsSync(path)) continue;
      const one = { ...each, gitDir };
      flaws.push(...(await worktreeLocks(project, one)), ...flawsOf(scene, project, one));
    }
  }
  return [...flaws, ...unregistered(scene, known)];
}

/** By its place and its name; elsewhere by muster's lock and an attempt of this ledger: the home was moved. */
function isOurs(scene: Scene, { path, locked }: ListedWorktree): boolean {
  const name = basename(path);
  if (scene.restored.has(path)) return false;
  if (dirname(dirname(path)) === join(scene.home, "worktrees"))
    return isAttempt(name) || gateName.test(name);
  return (
    !existsSync(path) &&
    attemptReason.test(locked ?? "") &&
    isAttempt(name) &&
    scene.standing(name) !== "unknown"
  );
}

function attemptOf(path: string): string | null {
  const name = basename(path);
  return isAttempt(name) ? name : null;
}

function flawsOf(scene: Scene, project: Project, one: Listed): Flaw[] {
  const att = attemptOf(one.path);
  if (att === null) return gatePlace(scene, project, one);
  const standing = scene.standing(att);
  if (standing === "open") return [];
  if (!existsSync(one.path)) return [registration(scene, project, one, att)];
  return standing === "kept" ? [] : [orphan(scene, project, one, att)];
}

/** Somebody else's lock says that it is not to be touched. */
function foreignLock({ locked, path }: Listed, { root }: Project, isOwn: boolean): string | null {
  if (isOwn) return null;
  const why = locked === null ? "it is not locked, so not by muster" : `it is locked (${locked})`;
  return `${why}; to take it away yourself, run git -C ${shellWord(root)} worktree remove ${shellWord(path)}`;
}

function orphan(scene: Scene, project: Project, one: Listed, att: string): Flaw {
  const { parts, home } = scene;
  const stays =
    foreignLock(one, project, attemptReason.test(one.locked ?? "")) ?? holderOf(scene, one.path);
  const ref = `refs/muster/rescue/orphan-${att}`;
  const isOver = scene.standing(att) === "over";
  const finding = findingOf("worktree", project, one.path, {
    why: isOver ? `${att} was given back, and it is there again` : `no run knows ${att}`,
    repair: `it is taken away, and its content stays in ${ref}`,
    stays,
  });
  const mend = async (): Promise<Mended> => {
    const why = await whyItStays(project.repo, { path: one.path, ours: one.locked });
    if (why !== null) return { why };
    if (!["over", "unknown"].includes(scene.standing(att))) return { why: `${att} is open by now` };
    const place = await openPlace(project.repo, { gitDir: one.gitDir, path: one.path });
    const message = `Content of a worktree that no attempt had\n\nMuster-Attempt: ${att}`;
    const brought =
      isAttempt(att) && existsSync(join(home, "attempts", att)) ? readBrought(parts.host, att) : [];
    return takeAway(parts.host, project.repo, place, { ref, message, brought }, one.locked);
  };
  return { finding, mend: stays === null ? mend : null };
}

/** Who keeps a worktree where it is; a leaked process does not, as it is ended before. */
function holderOf(scene: Scene, path: string): string | null {
  const holder = [...usersIn(path)].find((pid) => !isLeaked(scene, pid));
  return holder === undefined ? null : `process ${holder} uses it; leave it first`;
}

function findingOf(
  kind: Finding["kind"],
  project: Project | null,
  path: string,
  { why, repair, stays }: Pick<Finding, "why" | "repair" | "stays">,
): Finding {
  return {
    id: `${kind}:${path}`,
    kind,
    what: path,
    attempt: attemptOf(path),
    project: project?.root ?? null,
    why,
    repair: stays === null ? repair : null,
    stays,
  };
}

function registration(scene: Scene, project: Project, one: Listed, att: string): Flaw {
  const { path, gitDir, locked, branch } = one;
  const stays = foreignLock(one, project, locked === null || attemptReason.test(locked));
  const finding = findingOf("registration", project, path, {
    why: `git has it in ${gitDir}, and its folder is gone`,
    repair: `git forgets it${branch === null ? "" : `, ${branch} stays`}`,
    stays,
  });
  const mend = async (): Promise<Mended> => {
    if (scene.standing(att) === "open") return { why: `${att} is open by now` };
    return letGoOf(
      project.repo,
      { gitDir, common: project.repo.common, worktree: path },
      {
        ref: `refs/muster/rescue/gone-${att}`,
        message: `What only the registration of a worktree named\n\nMuster-Attempt: ${att}`,
        trashDir: trashDir(scene.parts.host),
      },
    );
  };
  return { finding, mend: stays === null ? mend : null };
}

/** What is in a gate place can be made again; it is kept warm only while a run is open. */
function gatePlace(scene: Scene, project: Project, one: Listed): Flaw[] {
  if (scene.isBusy(project.id)) return [];
  const { path, gitDir, locked } = one;
  const isGone = !existsSync(path);
  const stays =
    foreignLock(one, project, locked === gateReason) ?? (isGone ? null : holderOf(scene, path));
  const finding = findingOf("gate place", project, path, {
    why: "no run is open in its project",
    repair: "it is taken away; what is in it can be made again",
    stays,
  });
  const mend = async (): Promise<Mended> => {
    if (scene.isBusy(project.id)) return { why: "a run is open by now" };
    const user = userOf(path);
    if (user !== undefined) return { why: user };
    const trash = trashDir(scene.parts.host);
    const message = "What only the registration of a gate's place named";
    const place = { gitDir, common: project.repo.common, worktree: path };
    if (isGone)
      return letGoOf(project.repo, place, {
        ref: `refs/muster/rescue/gone-${basename(dirname(path)).toLowerCase()}-${basename(path)}`,
        message,
        trashDir: trash,
      });
    return (await dropGatePlace(project.repo, { gitDir, path }, trash))
      ? done
      : { why: "its registration is not what git wrote, or it can't be moved" };
  };
  return [{ finding, mend: stays === null ? mend : null }];
}

/** Folders that git does not know: nothing proves that a ref holds what is in them, so a person looks. */
function unregistered(scene: Scene, known: ReadonlySet<string>): Flaw[] {
  const root = join(scene.home, "worktrees");
  return names(root)
    .flatMap((folder) => names(join(root, folder)).map((name) => join(root, folder, name)))
    .filter((path) => {
      const att = attemptOf(path);
      if (att === null || known.has(path) || scene.restored.has(path)) return false;
      return scene.standing(att) !== "open";
    })
    .map((path) => ({
      finding: findingOf("worktree", null, path, {
        why: "no repository that muster knows has it",
        repair: null,
        stays: `nothing else may have what is in it; to see that, run ls -A ${shellWord(path)}`,
      }),
      mend: null,
    }));
}
