/** `muster doctor --repair`: one look for the plan and for doing it. What is not muster's is not found, so it is not touched. */
import {
  type RepairPlan,
  type RepairQuery,
  type Repaired,
  findingKinds,
} from "../../api/repair.ts";
import type { RepairRequest } from "../../api/schema.ts";
import type { KeepingParts } from "../keeping/parts.ts";
import { leftFolders } from "./folders.ts";
import { deadClaims, leakedProcesses } from "./processes.ts";
import { leftRefs } from "./refs.ts";
import { type Flaw, type Scene, readScene } from "./scene.ts";
import { brokenWorktrees } from "./worktrees.ts";

/** What is found, in the order in which it would be mended. Changes nothing. */
export async function repairPlan(
  parts: KeepingParts,
  { retentionMs }: RepairQuery,
): Promise<RepairPlan> {
  const scene = await readScene(parts, retentionMs);
  const flaws = await look(scene);
  return { findings: flaws.map(({ finding }) => finding), looked: scene.count };
}

/** Mends these of what is found now; what is found no more, or may not be mended, is not among the answers. */
export async function performRepair(
  parts: KeepingParts,
  { findings, retentionMs }: RepairRequest,
): Promise<Repaired[]> {
  const wanted = new Set(findings);
  const repaired: Repaired[] = [];
  for (const { finding, mend } of await look(await readScene(parts, retentionMs)))
    if (mend !== null && wanted.has(finding.id)) repaired.push(await tried(finding.id, mend));
  return repaired;
}

async function look(scene: Scene): Promise<Flaw[]> {
  const flaws = [
    ...leakedProcesses(scene),
    ...deadClaims(scene),
    ...(await brokenWorktrees(scene)),
    ...(await leftFolders(scene)),
    ...(await leftRefs(scene)),
  ];
  const place = ({ finding }: Flaw): number => findingKinds.indexOf(finding.kind);
  return flaws.toSorted((a, b) => place(a) - place(b));
}

/** One that fails leaves the others their turn. */
async function tried(id: string, mend: NonNullable<Flaw["mend"]>): Promise<Repaired> {
  try {
    const mended = await mend();
    return "why" in mended
      ? { id, done: false, ref: null, why: mended.why }
      : { id, done: true, ref: mended.ref, why: null };
  } catch (error) {
    const why = error instanceof Error ? (error.message.split("\n")[0] ?? "") : String(error);
    return { id, done: false, ref: null, why };
  }
}
