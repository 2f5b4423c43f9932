/** `muster plan`: what would run, and nothing happens. */
import type { Command } from "commander";
import type { Preview } from "../../api/service.ts";
import { connect } from "../connect.ts";
import { note, oneLine, say, sayJson, table, usd } from "../output.ts";
import { type RunFlags, runFlags } from "../flags.ts";

export function planCommand(root: Command): void {
  runFlags(root.command("plan"))
    .description("show what would run")
    .option("--json", "print an object")
    .action(async (what: string[], flags: RunFlags) => {
      const { readRequest } = await import("../request.ts");
      const daemon = await connect();
      const preview = await daemon.preview(readRequest(what, flags, false));
      if (flags.json === true) sayJson({ schema: 1, plan: preview });
      else {
        say(previewTable(preview));
        for (const line of previewNotes(preview)) note(line);
      }
    });
}

export function previewTable({ tasks }: Preview): string {
  const rows = tasks.map(({ key, needs, runner, model, gate, prompt }) => [
    `○ ${key}`,
    needs.length === 0 ? "" : `needs ${needs.join(", ")}`,
    `${runner} ${model}`,
    gate === null ? "no gate" : gate.length === 0 ? "gate: none" : gate.join(" && "),
    oneLine(prompt, 50),
  ]);
  return table(rows);
}

/** Sessions, model, limits, credential, estimate: what a person wants to know before the first start. */
export function previewNotes(preview: Preview): string[] {
  const { tasks, parallel, usd: budget, credential, claude } = preview;
  const models = [...new Set(tasks.map(({ model }) => model))].join(", ");
  const most = tasks.reduce((sum, { limits }) => sum + limits.usd, 0);
  const sizes = [
    `${tasks.length} ${tasks.length === 1 ? "session" : "sessions"}, ${parallel} at a time, model ${models}, claude ${claude.version}, credential: ${credential}`,
    `at most ${usd(Math.min(most, budget))} (run ${usd(budget)}, tasks together ${usd(most)}; estimates at list price)`,
  ];
  const lines = tasks.length === 0 ? [] : sizes;
  if (preview.continues !== null) {
    const { run, there, changed } = preview.continues;
    lines.unshift(`◎ continues ${run}: ${tasks.length} new beside ${there} that it has`);
    if (changed.length > 0)
      lines.push(
        `▲ changed in the plan, and as it was in the run: ${oneLine(changed.join(", "), 200)}`,
      );
  }
  for (const [project, count] of Object.entries(preview.uncommitted))
    lines.push(
      `▲ ${count} uncommitted ${count === 1 ? "file" : "files"} in ${project}: sessions start from commits and do not see them`,
    );
  for (const { project, commands, reason } of preview.newGates)
    lines.push(
      `▲ no gate is configured in ${project}; proposed: ${commands.join(" && ")} (${reason})`,
    );
  for (const project of new Set(
    tasks.filter(({ gateFrom }) => gateFrom === "missing").map((task) => task.project),
  ))
    lines.push(
      `▲ no gate is configured in ${project} and none could be proposed: each task will ask before it lands`,
    );
  return lines;
}
