/** `muster config explain`: what is configured, and where it was said. */
import type { Command } from "commander";
import type { ConfigExplained, ConfigRow } from "../../api/service.ts";
import { examples } from "../help.ts";
import { askOffline } from "../offline.ts";
import { note, oneLine, say, sayJson, table, tint } from "../output.ts";

export function configCommand(root: Command): void {
  const config = root.command("config").description("show the configuration");
  const command = config
    .command("explain")
    .description("every value and where it was said")
    .option("--json", "print an object")
    .action(async (flags: { json?: boolean }) => {
      const explained = await askOffline<ConfigExplained>("config");
      if (flags.json === true) sayJson({ schema: 1, config: explained });
      else sayExplained(explained);
    });
  for (const each of [config, command])
    examples(each, [["muster config explain", "of this folder's project"]]);
}

function sayExplained({ user, project }: ConfigExplained): void {
  say("user: runs and sessions of yours");
  say(rowsText(user));
  if (project === null) {
    note("◎ this folder is in no repository");
    return;
  }
  const { root, target, commit, rows } = project;
  say(`\nproject: ${oneLine(root, 200)}, muster.yaml of ${target} at ${commit.slice(0, 12)}`);
  say(rowsText(rows));
}

function rowsText(rows: readonly ConfigRow[]): string {
  const cells = rows.map(({ key, value, from }) => [
    `  ${key}`,
    oneLine(valueText(value), 80),
    oneLine(from, 200),
  ]);
  return table(cells, (_row, column, cell) => (column === 2 ? tint("dim", cell) : cell));
}

function valueText(value: unknown): string {
  if (!Array.isArray(value)) return String(value);
  return value.length === 0 ? "none" : value.join(", ");
}
