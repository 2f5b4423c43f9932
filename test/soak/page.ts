/** The page of what the soak measured. Each part is written by the test that measured it; the others stay as they are. */
import { existsSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { availableParallelism } from "node:os";
import { dirname, join } from "node:path";
import { type Held, countDescriptors } from "./measure.ts";

const path = join(import.meta.dirname, "../../docs/evidence/soak.md");

const head = [
  "# What stays after a long time",
  "",
  "Written by `npm run soak`, each part by its own test. Memory is read six seconds after the daemon's last child has gone: resident as",
  "the system counts it; of that the pages that nobody else maps; and what its objects need once garbage is collected by force.",
  "",
];

/** After so many attempts. */
export interface Row {
  readonly attempts: number;
  /** What the attempts since the row before took. */
  readonly seconds: number;
  readonly held: Held;
}

/** A table of measurements. */
export function tableOf(rows: readonly Row[]): string {
  const lines = rows.map(({ attempts, seconds, held }) => {
    const kinds = Object.entries(held.descriptors).toSorted(([a], [b]) => a.localeCompare(b));
    const descriptors = kinds.map(([kind, n]) => `${n} ${kind}`).join(", ");
    const cells = [
      attempts,
      seconds.toFixed(0),
      mib(held.resident),
      mib(held.own),
      mib(held.heap),
      `${countDescriptors(held)} (${descriptors})`,
      held.children,
      held.zombies,
    ];
    return `| ${cells.join(" | ")} |`;
  });
  return [
    "| attempts | s | resident, MiB | own, MiB | heap, MiB | descriptors | children | zombies |",
    "|---|---|---|---|---|---|---|---|",
    ...lines,
  ].join("\n");
}

/** Replaces one part of the page. */
export function writePart(title: string, lines: readonly string[]): void {
  const page = existsSync(path) ? readFileSync(path, "utf8") : head.join("\n");
  const parts = page.split(/^(?=## )/m);
  const cores = `Measured on ${availableParallelism()} cores, shared with other work.`;
  const part = [`## ${title}`, "", ...lines, "", cores, ""].join("\n");
  const others = parts.slice(1).filter((each) => !each.startsWith(`## ${title}\n`));
  const all = [...others.map((each) => each.trimEnd()), part.trimEnd()].toSorted();
  mkdirSync(dirname(path), { recursive: true });
  writeFileSync(path, `${[(parts[0] ?? "").trimEnd(), ...all].join("\n\n")}\n`);
}

function mib(bytes: number): string {
  return (bytes / 1024 / 1024).toFixed(1);
}
