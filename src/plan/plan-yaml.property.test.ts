import * as fc from "fast-check";
import { expect, test } from "vitest";
import { checkPlanYaml } from "./plan-yaml.ts";
import { problemLine } from "./problem.ts";

function problems(text: string): string[] {
  const result = checkPlanYaml(text, "plan.yaml", new Set(), () => undefined);
  return (result.problems ?? []).map(problemLine);
}

test("any values at any place give a plan or problems, never another error", () => {
  const leaf = fc.oneof(
    fc.constant(null),
    fc.integer(),
    fc.boolean(),
    fc.string(),
    fc.constantFrom("a", "b", "none", "../x", "required"),
  );
  const value = fc.oneof(
    leaf,
    fc.array(leaf, { maxLength: 3 }),
    fc.dictionary(fc.constantFrom("file", "task", "when", "turns", "allow", "wait", "x"), leaf, {
      maxKeys: 3,
    }),
  );
  const keys = [
    "id",
    "prompt",
    "needs",
    "runner",
    "profile",
    "gate",
    "limits",
    "cwd",
    "paths",
    "artifacts",
    "tools",
    "permissions",
    "approval",
    "land",
    "project",
    "target",
    "bogus",
  ];
  const taskOf = fc.dictionary(fc.constantFrom(...keys), value, { maxKeys: 8 });
  const document = fc.record(
    {
      version: fc.constantFrom(1, 2, "1"),
      name: value,
      defaults: fc.option(taskOf),
      tasks: fc.oneof(fc.array(taskOf, { maxLength: 4 }), value),
    },
    { requiredKeys: [] },
  );
  fc.assert(
    fc.property(document, (raw) => {
      for (const line of problems(JSON.stringify(raw))) {
        expect(line).toMatch(/^plan\.yaml:1: [^\n]+, [^\n]+$/);
        expect(line).not.toMatch(/Invalid|Too (?:small|big)|Unrecognized|undefined/);
      }
    }),
    { numRuns: 1_000 },
  );
});
