/** Refs and branches of attempts that no run knows: they hold work, so they are named and kept. Merges that will never land are let go of. */
import { listRefs } from "../../git/own-refs.ts";
import { deleteRef } from "../../git/refs.ts";
import { type Flaw, type Project, type Scene, attemptIn, done, isAttempt } from "./scene.ts";
import { shellWord } from "../../core/words.ts";

const snapshots = "refs/muster/attempts/";
const merges = "refs/muster/landing/";
const rescued = "refs/muster/rescue/";
/** Where a branch `muster` is in the way of a folder of that name, the second. */
const branches = ["refs/heads/muster/", "refs/heads/muster-run_*/**"];

/** Of all projects; snapshots of one attempt are one finding. */
export async function leftRefs(scene: Scene): Promise<Flaw[]> {
  const flaws: Flaw[] = [];
  for (const project of scene.projects) {
    flaws.push(...(await unknownSnapshots(scene, project)));
    flaws.push(...(await deadMerges(scene, project)));
    flaws.push(...(await unknownRescues(scene, project)));
    flaws.push(...(await unknownBranches(scene, project)));
  }
  return flaws;
}

async function unknownSnapshots(scene: Scene, { root, repo }: Project): Promise<Flaw[]> {
  const refs = await listRefs(repo, snapshots);
  scene.count.refs += refs.length;
  const attempts = new Set(refs.map(({ ref }) => ref.slice(snapshots.length).split("/")[0] ?? ""));
  return [...attempts]
    .filter((att) => isAttempt(att) && scene.standing(att) === "unknown")
    .map((att) => kept(root, `${snapshots}${att}/`, att));
}

/** What a repair, or a cleaning that was cut off, put aside; what was in a place of gates can be made again. */
async function unknownRescues(scene: Scene, { root, repo }: Project): Promise<Flaw[]> {
  const refs = await listRefs(repo, rescued);
  scene.count.refs += refs.length;
  return refs.flatMap(({ ref }): Flaw[] => {
    const att = attemptIn(ref.slice(rescued.length));
    return att !== undefined && scene.standing(att) === "unknown" ? [kept(root, ref, att)] : [];
  });
}

/** The branches of one run are one finding. */
async function unknownBranches(scene: Scene, { root, repo }: Project): Promise<Flaw[]> {
  const refs = (await Promise.all(branches.map((below) => listRefs(repo, below)))).flat();
  scene.count.refs += refs.length;
  const runs = refs.flatMap(({ ref }) => {
    const [below, of] = /^refs\/heads\/muster[/-]run_([0-9a-z]+)\//.exec(ref) ?? [];
    return below !== undefined && scene.standing(`att_${of}_1`) === "unknown" ? [below] : [];
  });
  return [...new Set(runs)].map((below) => kept(root, below, null));
}

function kept(root: string, what: string, att: string | null): Flaw {
  return {
    finding: {
      id: `ref:${root}:${what}`,
      kind: "ref",
      what,
      attempt: att,
      project: root,
      why: att === null ? "no run knows it" : "no run knows its attempt",
      repair: null,
      stays: `it holds work; to see what, run git -C ${shellWord(root)} for-each-ref ${what}`,
    },
    mend: null,
  };
}

async function deadMerges(scene: Scene, { root, repo }: Project): Promise<Flaw[]> {
  const refs = await listRefs(repo, merges);
  scene.count.refs += refs.length;
  return refs.flatMap(({ ref, sha }): Flaw[] => {
    const att = ref.slice(merges.length);
    if (!isAttempt(att) || scene.standing(att) === "open") return [];
    if (scene.standing(att) === "unknown") return [kept(root, ref, att)];
    return [
      {
        finding: {
          id: `ref:${root}:${ref}`,
          kind: "ref",
          what: ref,
          attempt: att,
          project: root,
          why: `${att} is over: its merge has landed, or never will`,
          repair: "it is deleted; what was merged is held by other refs",
          stays: null,
        },
        async mend() {
          if (scene.standing(att) === "open") return { why: `${att} is open by now` };
          return (await deleteRef(repo, ref, sha)) === "deleted" ? done : { why: "it has moved" };
        },
      },
    ];
  });
}
