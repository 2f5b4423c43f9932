/** `muster show`: one run whole: branch, head, worktree, session of every task, and the commands to go on. */
import type { Command } from "commander";
import type { RunDetail } from "../../api/service.ts";
import type { TaskView } from "../../core/view.ts";
import { findRun, findTarget } from "../address.ts";
import { type Connection, connect } from "../connect.ts";
import { examples } from "../help.ts";
import { oneLine, say } from "../output.ts";
import { runText, sayRunObject } from "../run-text.ts";
import { snapshotsText } from "../snapshots-text.ts";

export function showCommand(root: Command): void {
  const command = root
    .command("show")
    .description("show a run, the latest by default")
    .argument("[run[/task]]", "a run or a task")
    .option("--json", "print the run object")
    .action(async (wanted: string | undefined, flags: { json?: boolean }) => {
      const daemon = await connect();
      const { detail, task } =
        wanted === undefined
          ? { detail: await findRun(daemon, undefined), task: null }
          : await findTarget(daemon, wanted);
      if (flags.json === true) sayRunObject(detail);
      else {
        const snapshots = task === null ? [] : await snapshotLines(daemon, detail.run.id, task);
        say([runText(detail), ...taskBlocks(detail, task), ...snapshots].join("\n"));
      }
    });
  examples(command, [
    ["muster show", "the latest run of this project"],
    ["muster show 1e94", "a run, by a prefix of its id"],
    ["muster show run_1e9443u1/api --json", "the run object"],
  ]);
}

/** The snapshots of the one task that is asked about; none where its repository can't be read. */
async function snapshotLines(daemon: Connection, run: string, task: string): Promise<string[]> {
  const snapshots = await daemon.snapshots(run, task).catch(() => []);
  if (snapshots.length === 0) return [];
  return [
    "",
    `snapshots, to bring one back: muster restore ${run}/${task} --at N`,
    snapshotsText(snapshots, Date.now()),
  ];
}

function taskBlocks(detail: RunDetail, wanted: string | null): string[] {
  return detail.run.tasks.flatMap((view, i) => {
    const key = detail.tasks[i]?.key ?? view.id;
    return wanted === null || wanted === key ? ["", ...taskBlock(detail, view, i, key)] : [];
  });
}

function taskBlock(detail: RunDetail, view: TaskView, index: number, key: string): string[] {
  const more = detail.tasks[index];
  const [attempt] = (more?.attempts ?? []).slice(-1);
  const former = attempt?.formerSessions ?? [];
  const facts: [string, string | null | undefined][] = [
    ["project", `${view.project} → ${view.target}`],
    ["branch", view.branch],
    ["head", view.head],
    ["landed", view.landed],
    ["worktree", view.worktree],
    ["session", view.session === null ? null : `${view.session} (${view.runner})`],
    [
      "before",
      former.length === 0
        ? null
        : `${former.join(", ")}; to ask it, run muster attach ${detail.run.id}/${key} --former`,
    ],
    [
      "snapshots",
      attempt === undefined || attempt.snapshots === 0
        ? null
        : `muster restore ${detail.run.id}/${key} --list`,
    ],
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
      .map(([name, value]) => `  ${name.padEnd(9)} ${oneLine(value ?? "", 2_000)}`),
  ];
}
