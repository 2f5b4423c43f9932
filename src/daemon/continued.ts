/** `run --continue`: the run that an edited plan belongs to, and what the plan has more than that run. */
import { isDeepStrictEqual } from "node:util";
import { Fault } from "../core/fault.ts";
import type { ProjectId, RunId } from "../core/ids.ts";
import type { Plan, TaskSpec } from "../core/plan.ts";
import type { Ledger } from "../core/ports.ts";
import type { Run, State } from "../core/state.ts";
import { type Found, readSettled } from "./projection.ts";

export interface Continued {
  readonly found: Found;
  readonly added: readonly TaskSpec[];
  /** Keys of tasks that the plan says otherwise by now; the run keeps what it was started with. */
  readonly changed: readonly string[];
}

/** Settled runs that are folded to find the one; an older one is no run that anybody still has in mind. */
const maxLookedAt = 200;

/** The newest run of all of these plans in one of these projects. Throws Fault `not_found`. */
export async function findContinued(
  open: State,
  ledger: Ledger,
  plans: readonly Plan[],
  projects: ReadonlySet<ProjectId>,
): Promise<Found> {
  const ids: RunId[] = [];
  for await (const event of ledger.read(0, { types: ["run.started"] }))
    if (event.type === "run.started" && plans.every(({ id }) => isOf(event, id)))
      ids.push(event.run);
  for (const id of ids.toReversed().slice(0, maxLookedAt)) {
    const run = open.runs.get(id);
    const found =
      run === undefined ? await readSettled(ledger, id) : { state: open, run, settled: false };
    if (isIn(found.run, projects)) return found;
  }
  const names = plans.map(({ id }) => id).join(" and ");
  throw new Fault("not_found", `no run of ${names} in this project to continue`, {
    remedy: "To start one, leave out --continue; to see what there is, run muster ls --all",
  });
}

function isOf(
  started: { readonly plans: readonly { readonly id: string }[] },
  id: string,
): boolean {
  return started.plans.some((plan) => plan.id === id);
}

function isIn(run: Run, projects: ReadonlySet<ProjectId>): boolean {
  return [...run.tasks.values()].some(({ spec }) => projects.has(spec.project));
}

/** What `tasks`, all of the plans as they are now, are to the run. */
export function continued(found: Found, tasks: readonly TaskSpec[]): Continued {
  const { run } = found;
  const changed = tasks.filter((task) => {
    const was = run.tasks.get(task.key)?.spec;
    return was !== undefined && !isDeepStrictEqual(said(was), said(task));
  });
  return {
    found,
    added: tasks.filter(({ key }) => !run.tasks.has(key)),
    changed: changed.map(({ key }) => key),
  };
}

/** What a person would have edited. */
function said({ prompt, needs, gate, paths, artifacts, approval, land, cwd }: TaskSpec): unknown {
  return { prompt, needs, gate, paths, artifacts, approval, land, cwd };
}
