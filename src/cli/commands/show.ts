/** `muster show`: one run whole: branch, head, worktree, session of every task, and the commands to go on. */
import type { Command } from "commander";
import type { RunDetail } from "../../api/service.ts";
import { Fault } from "../../core/fault.ts";
import type { TaskView } from "../../core/view.ts";
import { type Connection, connect } from "../connect.ts";
import { say, sayJson } from "../output.ts";
import { runText } from "../run-text.ts";

export function showCommand(root: Command): void {
  root
    .command("show")
    .description("show a run, the latest by default")
    .argument("[run]", "a run, or run/task")
    .option("--json", "print the run object")
    .action(async (wanted: string | undefined, flags: { json?: boolean }) => {
      const daemon = await connect();
      const [run, task] = wanted === undefined ? [await latestRun(daemon)] : wanted.split("/", 2);
      const detail = await daemon.run(run ?? "");
      if (flags.json === true) sayJson({ schema: 1, run: detail.run });
      else say([runText(detail), ...taskBlocks(detail, task)].join("\n"));
    });
}

/** The latest run, of this folder's project where there is one. Throws Fault `not_found` where there is none. */
export async function latestRun(daemon: Connection): Promise<string> {
  const runs = await daemon.runs(50);
  const here = process.cwd();
  const own = runs.find(({ projects }) =>
    projects.some((project) => here === project || here.startsWith(`${project}/`)),
  );
  const run = own ?? runs[0];
  if (run === undefined)
    throw new Fault("not_found", "no runs yet", { remedy: 'muster run "what to do"' });
  return run.id;
}

function taskBlocks(detail: RunDetail, wanted: string | undefined): string[] {
  return detail.run.tasks.flatMap((view, i) => {
    const key = detail.tasks[i]?.key ?? view.id;
    return wanted === undefined || wanted === key ? ["", ...taskBlock(detail, view, i, key)] : [];
  });
}

function taskBlock(detail: RunDetail, view: TaskView, index: number, key: string): string[] {
  const more = detail.tasks[index];
  const [attempt] = (more?.attempts ?? []).slice(-1);
  const facts: [string, string | null | undefined][] = [
    ["project", `${view.project} → ${view.target}`],
    ["branch", view.branch],
    ["head", view.head],
    ["landed", view.landed],
    ["worktree", view.worktree],
    ["session", view.session === null ? null : `${view.session} (${view.runner})`],
    ["kept", attempt?.kept],
    [
      "asks",
      more === undefined || more.asks.length === 0
        ? null
        : more.asks.map(({ id, kind, text }) => `${kind} ${id}: ${text}`).join("; "),
    ],
    [
      "gates",
      view.gates.length === 0
        ? null
        : view.gates
            .map(
              ({ command, exit, commit, on }) =>
                `${command} → ${exit ?? "timed out"} on ${on} ${commit.slice(0, 12)}`,
            )
            .join("; "),
    ],
    ["logs", attempt === undefined ? null : `muster logs ${detail.run.id}/${key}`],
  ];
  return [
    `${key}: ${view.state}`,
    ...facts
      .filter(([, value]) => value !== null && value !== undefined)
      .map(([name, value]) => `  ${name.padEnd(8)} ${value}`),
  ];
}
