/** The generated reference: what `--help` and the schemas say, as documents. `npm run docs` writes it, a test compares it. */
import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import type { Command } from "commander";
import { program } from "../src/cli/program.ts";
import { planJsonSchema } from "../src/plan/schema.ts";

interface Schema {
  readonly type?: string;
  readonly description?: string;
  readonly properties?: Readonly<Record<string, Schema>>;
  readonly items?: Schema;
  readonly anyOf?: readonly Schema[];
  readonly enum?: readonly unknown[];
  readonly const?: unknown;
  readonly required?: readonly string[];
}

/** Every document of the reference by its name. */
export async function reference(): Promise<ReadonlyMap<string, string>> {
  const schema = planJsonSchema() as Schema;
  return new Map([
    ["cli.md", await cli()],
    [
      "plan.md",
      `# plan.yaml\n\nGenerated from the schema (\`muster schema plan\`).\n\n${keys(schema, "").join("\n")}\n`,
    ],
    ["plan.schema.json", `${JSON.stringify(schema, null, 2)}\n`],
  ]);
}

async function cli(): Promise<string> {
  const root = await program();
  const blocks = [root, ...below(root)].map(
    (command) => `## ${path(command)}\n\n\`\`\`\n${help(command)}\n\`\`\`\n`,
  );
  return `# The command line\n\nGenerated from \`--help\`.\n\n${blocks.join("\n")}`;
}

function below(command: Command): Command[] {
  return command.commands.flatMap((each) =>
    each.name() === "complete" ? [] : [each, ...below(each)],
  );
}

function path(command: Command): string {
  return command.parent === null ? command.name() : `${path(command.parent)} ${command.name()}`;
}

/** The whole help, examples too, at a fixed width. */
function help(command: Command): string {
  let text = "";
  command.configureOutput({ writeOut: (part) => (text += part), getOutHelpWidth: () => 100 });
  command.outputHelp();
  return text.trimEnd();
}

function keys(schema: Schema, prefix: string): string[] {
  return Object.entries(schema.properties ?? {}).flatMap(([name, value]) => {
    const key = prefix === "" ? name : `${prefix}.${name}`;
    const variants = [
      value,
      ...(value.anyOf ?? []),
      ...(value.items === undefined ? [] : [value.items, ...(value.items.anyOf ?? [])]),
    ];
    const inner = variants.find(({ properties }) => properties !== undefined);
    const isList =
      value.type === "array" || (value.anyOf ?? []).some(({ type }) => type === "array");
    const line = `- \`${key}\`${value.description === undefined ? "" : `: ${value.description}`}`;
    return [line, ...(inner === undefined ? [] : keys(inner, isList ? `${key}[]` : key))];
  });
}

if (process.argv[1] === import.meta.filename) {
  const folder = join(import.meta.dirname, "..", "docs", "reference");
  mkdirSync(folder, { recursive: true });
  for (const [name, text] of await reference()) writeFileSync(join(folder, name), text);
}
