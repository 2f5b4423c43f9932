/** What would run, as a person looks at it before the first start. */
import type { Preview } from "../api/service.ts";
import type { KnownCaller } from "./callers/caller.ts";
import type { Prepared } from "./prepare.ts";

export function previewOf(prepared: Prepared, caller: KnownCaller): Preview {
  return {
    tasks: prepared.tasks.map((task) => ({
      key: task.key,
      plan: task.plan,
      project: task.root,
      target: task.target,
      runner: task.runner,
      model: task.model,
      needs: task.needs.map((need) => need.key),
      gate: task.gate,
      gateFrom: task.gateFrom,
      prompt: task.prompt,
      limits: task.limits,
      approval: task.approval,
      land: task.land,
    })),
    parallel: prepared.parallel,
    usd: prepared.usd,
    continues:
      prepared.into === null
        ? null
        : {
            run: prepared.into.found.run.id,
            there: prepared.into.found.run.tasks.size,
            changed: prepared.into.changed,
          },
    credential: caller.credential,
    claude: { path: caller.binary.path, version: caller.binary.version },
    uncommitted: Object.fromEntries(
      prepared.projects
        .filter(({ uncommitted }) => uncommitted > 0)
        .map(({ root, uncommitted }) => [root, uncommitted]),
    ),
    newGates: prepared.projects
      .filter(
        ({ gateFrom, reason, gate }) => gateFrom === "proposed" && gate !== null && reason !== "",
      )
      .map(({ root, gate, reason }) => ({ project: root, commands: gate ?? [], reason })),
  };
}
