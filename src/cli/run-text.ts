/** A run as text for people: one line a task, then what needs a person and what to do next. */
import { shellWord } from "../core/words.ts";
import type { HostInfo, RefusedCredential, RunDetail } from "../api/service.ts";
import { duration, oneLine, sayJson, table, tint, usd } from "./output.ts";
import { taskLine } from "./progress.ts";
import { mark, tone } from "./states.ts";
import { unrecordedText } from "./unrecorded.ts";

export function runText(detail: RunDetail): string {
  const { run } = detail;
  const rows = run.tasks.map((view, i) => taskLine(detail, view, i));
  const block = table(rows, (row, column, cell) =>
    column > 1 ? cell : tint(tone(run.tasks[row]?.state ?? "waiting"), cell),
  );
  const head = `${mark(run.state)} ${run.id} ${run.state.replace("_", " ")}: ${oneLine(detail.name, 80)}, ${duration(run.durationMs)}, ${usd(run.costUsd)}`;
  return [tint(tone(run.state), head), block, ...nextSteps(detail)].join("\n");
}

/** The run object (design §8), the same for every verb that has `--json` and is about a run. */
export function sayRunObject(
  { run }: Pick<RunDetail, "run">,
  options: { readonly lines?: boolean } = {},
): void {
  sayJson({ schema: 1, run }, options);
}

/** What landed on a branch of muster's own is the person's to take over. */
function takeOver({ tasks }: RunDetail["run"]): string[] {
  const landed = tasks.filter(
    ({ state, target }) => state === "landed" && /^muster[/-]integration\//.test(target),
  );
  const merges = landed.map(
    ({ project, target }) => `git -C ${shellWord(project)} merge ${shellWord(target)}`,
  );
  return [...new Set(merges)].map((merge) => `↳ To take over what landed, run ${merge}`);
}

/** Why this host runs less than it could. */
export function heldBackText({ parallel, of, why }: NonNullable<HostInfo["heldBack"]>): string {
  return `▲ at most ${parallel} of ${of} at once: ${why}`;
}

/** What needs a person once, however many tasks wait for it. */
export function refusedText({ why, tasks, runs }: RefusedCredential): string[] {
  const of = runs.length > 1 ? ` of ${runs.length} runs` : "";
  return [
    `▲ credentials: ${oneLine(why, 90)}; ${tasks} ${tasks === 1 ? "task waits" : "tasks wait"}${of}`,
    `  ↳ muster resume ${runs[0]}`,
  ];
}

/** The commands that go on from here, most urgent first. */
export function nextSteps(detail: RunDetail): string[] {
  const { run, tasks, usd: budget, paused, pausedFor, unrecorded } = detail;
  const lines = unrecordedText(unrecorded);
  for (const [i, view] of run.tasks.entries()) {
    const key = tasks[i]?.key ?? view.id;
    const address = `${run.id}/${key}`;
    const ask = view.asking;
    if (ask !== null) {
      const help =
        ask.kind === "approval"
          ? `muster approve ${address}`
          : ask.kind === "permission"
            ? `muster answer ${address} --allow`
            : `muster answer ${address} "TEXT"`;
      lines.push(`▲ ${key} asks: ${oneLine(ask.text, 100)}`, `↳ ${help}`);
    }
    if (view.state === "failed")
      lines.push(
        `↳ To see why ${key} failed, run muster logs ${address}; to try again, muster retry ${address}`,
      );
    if (view.state === "parked" && view.reason === "checkout")
      lines.push(
        `↳ To let ${key} land, commit or undo what is in the way, see git -C ${shellWord(view.project)} status`,
      );
    if (view.state === "parked" && view.reason === "memory")
      lines.push(
        `◌ ${key} waits because the kernel killed for want of memory; it goes on by itself, see muster host status`,
      );
    if (view.state === "paused" && !paused) lines.push(`↳ To go on, run muster resume ${address}`);
  }
  if (run.tasks.some(({ reason }) => reason === "credentials"))
    lines.push(`↳ To go on once that is mended, run muster resume ${run.id}`);
  if (pausedFor !== null) lines.push(`▲ paused: ${oneLine(pausedFor, 200)}`);
  if (paused) lines.push(`↳ To go on, run muster resume ${run.id}`);
  lines.push(...takeOver(run));
  if (run.state === "needs_attention" && run.costUsd >= budget)
    lines.push(
      `▲ the budget of ${usd(budget)} is used up`,
      `↳ To go on with a larger one, run muster resume ${run.id} --usd ${Math.ceil(budget * 2)}`,
    );
  return lines;
}
