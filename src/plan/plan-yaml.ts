/** Reads `plan.yaml`: text in, plan out, every error at its line. */
import { assert } from "../core/fault.ts";
import type { Plan } from "../core/plan.ts";
import { yamlDocument } from "./document.ts";
import { foldPlan } from "./fold.ts";
import type { ReadText } from "./fold.ts";
import { refuse } from "./problem.ts";
import type { Problem } from "./problem.ts";
import { keysAt, planSchema } from "./schema.ts";
import { shapeProblems } from "./shape.ts";

export type CheckedPlan =
  | { readonly plan: Plan; readonly problems?: undefined }
  | { readonly plan?: undefined; readonly problems: readonly Problem[] };

/** The plan of `text`, or everything that is wrong with it in the order of its lines. Throws only what `read` throws. */
export function checkPlanYaml(
  text: string,
  file: string,
  takenPlanIds: ReadonlySet<string>,
  read: ReadText,
): CheckedPlan {
  const document = yamlDocument(text, file);
  if (document.problems.length > 0) return { problems: document.problems };
  if (document.value === null) {
    return {
      problems: [{ file, line: 1, text: "the plan is empty, expected version, name and tasks" }],
    };
  }
  const shape = planSchema.safeParse(document.value, { reportInput: false });
  if (!shape.success)
    return { problems: shapeProblems(document, file, shape.error.issues, keysAt) };
  const { plan, problems } = foldPlan(shape.data, document, file, takenPlanIds, read);
  return problems.length > 0 ? { problems } : { plan };
}

/**
 * The plan of `text`. `read` gives the text of `prompt: { file }` by its path as written. Throws Fault `bad_plan` with the first
 * problem's line and the number of the others.
 */
export function parsePlanYaml(
  text: string,
  file: string,
  takenPlanIds: ReadonlySet<string>,
  read: ReadText,
): Plan {
  const result = checkPlanYaml(text, file, takenPlanIds, read);
  refuse(result.problems ?? []);
  assert(result.plan !== undefined, "a plan is read or refused");
  return result.plan;
}
