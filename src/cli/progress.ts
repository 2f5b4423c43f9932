/** Progress of a run on stderr: on a terminal one block that is rewritten, otherwise one line per change. */
import type { RunDetail } from "../api/service.ts";
import type { TaskView } from "../core/view.ts";
import { canRedraw, duration, note, oneLine, table, tint, usd, width } from "./output.ts";
import { isOver, mark, tone } from "./states.ts";
import { unrecordedText } from "./unrecorded.ts";

export interface Progress {
  show(detail: RunDetail): void;
  /** Leaves the last block as it is. */
  end(): void;
  /** Takes the last block away: the answer that follows says it all. */
  clear(): void;
}

export function progress(): Progress {
  return canRedraw() ? redrawn() : appended();
}

/** What one task says about itself in one line. */
export function taskLine(detail: RunDetail, view: TaskView, index: number): string[] {
  const more = detail.tasks[index];
  const said = view.asking?.text ?? more?.detail ?? view.reason ?? "";
  const time = view.durationMs === 0 ? "" : duration(view.durationMs);
  const cost = view.costUsd === 0 ? "" : usd(view.costUsd);
  return [`${mark(view.state)} ${more?.key ?? view.id}`, view.state, time, cost, oneLine(said, 70)];
}

function redrawn(): Progress {
  let height = 0;
  const clear = (): void => {
    if (height > 0) process.stderr.write(`\u001b[${height}A\u001b[0J`);
  };
  return {
    show(detail) {
      const { tasks } = detail.run;
      // A block taller than the window can't be rewritten: the settled ones make room first.
      const room = Math.max(3, (process.stderr.rows ?? 24) - 3);
      const rows = tasks.map((view, i) => ({ view, cells: taskLine(detail, view, i) }));
      const open = rows.filter(({ view }) => !isOver(view));
      const shown = rows.length <= room ? rows : open.slice(0, room - 1);
      const block = table(
        shown.map(({ cells }) => cells),
        (row, column, cell) =>
          column > 1 ? cell : tint(tone(shown[row]?.view.state ?? "waiting"), cell, process.stderr),
      );
      const hidden = rows.length - shown.length;
      const held = unrecordedText(detail.unrecorded);
      const lines = [...block.split("\n"), ...held, summaryLine(detail, hidden)].map((line) =>
        cut(line, width(process.stderr)),
      );
      clear();
      process.stderr.write(`${lines.join("\n")}\n`);
      height = lines.length;
    },
    end() {
      height = 0;
    },
    clear() {
      clear();
      height = 0;
    },
  };
}

function summaryLine({ run }: RunDetail, hidden: number): string {
  const over = run.tasks.filter(isOver).length;
  const more = hidden === 0 ? "" : `, ${hidden} not shown`;
  return tint(
    "dim",
    `${over}/${run.tasks.length} settled, ${duration(run.durationMs)}, ${usd(run.costUsd)}${more}`,
    process.stderr,
  );
}

const colors = new RegExp(String.raw`(\u001b\[[0-9;]*m)`);

/** Cuts a line with color codes to the window; what is cut is only ever plain text at its end. */
function cut(line: string, columns: number): string {
  let seen = 0;
  let out = "";
  for (const part of line.split(colors)) {
    if (part.startsWith("\u001b")) out += part;
    else {
      out += part.slice(0, Math.max(0, columns - 1 - seen));
      seen += part.length;
    }
  }
  return out;
}

function appended(): Progress {
  const last = new Map<string, string>();
  let held = "";
  return {
    show(detail) {
      const said = unrecordedText(detail.unrecorded).join("\n");
      if (said !== held && said !== "") note(said);
      held = said;
      for (const [i, view] of detail.run.tasks.entries()) {
        const [name = "", state = "", , , said = ""] = taskLine(detail, view, i);
        const line = `${name} ${state}${said === "" ? "" : `: ${said}`}`;
        const first =
          !last.has(name.slice(2)) && (view.state === "waiting" || view.state === "ready");
        if (last.get(name.slice(2)) !== line && !first) note(line);
        last.set(name.slice(2), line);
      }
    },
    end() {},
    clear() {},
  };
}
