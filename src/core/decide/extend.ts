/** New tasks for a run that is there: what an edited plan has more than the run was started with. What is there stays as it is. */
import { trustCredential, changeCredential } from "./breaker.ts";
import type { Decision } from "./decision.ts";
import { acceptGates, checkTasks, reopenRun } from "./start.ts";
import { requireRun } from "./target.ts";
import { Fault } from "../fault.ts";
import type { Command } from "../inputs.ts";

/**
 * Adds the tasks of the command to its run, which is opened again where it was settled. Throws `bad_plan` where their needs don't fit
 * together with the run's own tasks, `refused` where there are none or one is there already.
 */
export function extendRun(d: Decision, command: Extract<Command, { type: "run.extend" }>): void {
  const { run, tasks, settled, usd, credential } = command;
  const reopens = settled !== null && !d.state.runs.has(run);
  const { tasks: there } = reopens ? settled : requireRun(d, run);
  const twice = tasks.find(({ key }) => there.has(key));
  if (tasks.length === 0 || twice !== undefined)
    throw new Fault(
      "refused",
      twice === undefined
        ? `${run} has every task of the plan already`
        : `${run} has a task ${twice.key} already`,
      { remedy: `muster show ${run}` },
    );
  checkTasks([...[...there.values()].map(({ spec }) => spec), ...tasks]);
  if (reopens) reopenRun(d, settled);
  changeCredential(d, run, credential);
  trustCredential(d, run);
  if (!requireRun(d, run).attended && command.attended) d.emit({ type: "run.attended", run });
  if (usd !== null) d.emit({ type: "run.budget_raised", run, usd });
  for (const spec of tasks) d.emit({ type: "task.added", run, task: spec.key, spec });
  if (command.acceptGates) acceptGates(d, tasks);
}
