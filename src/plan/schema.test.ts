import { expect, test } from "vitest";
import { planJsonSchema } from "./schema.ts";

interface Schema {
  readonly description?: string;
  readonly properties?: Readonly<Record<string, Schema>>;
  readonly additionalProperties?: unknown;
  readonly items?: Schema;
  readonly anyOf?: readonly Schema[];
}

test("every key of the schema is described and every mapping is closed", () => {
  const missing: string[] = [];
  let keys = 0;
  const walk = (schema: Schema, path: string): void => {
    if (schema.properties !== undefined && schema.additionalProperties !== false)
      missing.push(`${path} is open`);
    for (const [key, inner] of Object.entries(schema.properties ?? {})) {
      keys++;
      if (!inner.description?.endsWith(".")) missing.push(`${path}.${key}`);
      walk(inner, `${path}.${key}`);
    }
    if (schema.items !== undefined) walk(schema.items, `${path}[]`);
    for (const inner of schema.anyOf ?? []) walk(inner, path);
  };
  walk(planJsonSchema(), "");
  expect(missing).toEqual([]);
  expect(keys).toBeGreaterThan(50);
});

test("the schema is a plain JSON Schema document with what a task must have", () => {
  const schema: unknown = JSON.parse(JSON.stringify(planJsonSchema()));
  expect(schema).toMatchObject({
    $schema: "https://json-schema.org/draft/2020-12/schema",
    required: ["version", "tasks"],
    properties: { tasks: { items: { required: ["id", "prompt"] } } },
  });
});
