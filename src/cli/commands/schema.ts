/** `muster schema`: the formats as JSON Schema, for editors and scripts; needs no daemon. */
import type { Command } from "commander";
import { Fault } from "../../core/fault.ts";
import { examples } from "../help.ts";
import { sayJson } from "../output.ts";

const schemas: Readonly<Record<string, () => Promise<object>>> = {
  plan: async () => (await import("../../plan/schema.ts")).planJsonSchema(),
  run: async () => (await import("../../api/run-object.ts")).runJsonSchema(),
};

export function schemaCommand(root: Command): void {
  const command = root
    .command("schema")
    .description("print a JSON schema")
    .argument("<plan|run>", "plan.yaml, or the run object of --json")
    .action(async (name: string) => {
      const schema = schemas[name];
      if (schema === undefined)
        throw new Fault("usage", `no schema ${name}, expected plan or run`, {
          remedy: "muster schema plan",
        });
      sayJson(await schema());
    });
  examples(command, [
    ["muster schema plan > plan.schema.json", "for an editor"],
    ["muster schema run", "what run --json prints"],
  ]);
}
