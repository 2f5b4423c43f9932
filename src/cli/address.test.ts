/** What a word on the command line names: a run, a task of the latest run, or neither. */
import { describe, expect, test } from "vitest";
import { Fault } from "../core/fault.ts";
import { type Named, chooseKey, chooseWord } from "./address.ts";

const named = (id: string, ...keys: readonly string[]): Named => ({
  id,
  tasks: keys.map((key) => ({ key, id: key.split(".").at(-1) ?? key })),
});
const one = named("run_1e94aaaa", "api");
const many = named("run_apz00000", "api", "docs");
const plans = named("run_77777777", "left.api", "right.api", "right.docs");

function faultOf(act: () => unknown): Pick<Fault, "code" | "message" | "remedy"> {
  try {
    act();
  } catch (error) {
    if (error instanceof Fault) return error;
    throw error;
  }
  throw new Error("nothing was refused");
}

describe("a word without a slash", () => {
  test("is a run where only a run has that name", () => {
    expect(chooseWord("1e94", one, many, "either")).toEqual({ run: one.id, task: null });
  });

  test("is a task of the latest run where only a task has that name", () => {
    expect(chooseWord("docs", null, many, "either")).toEqual({ run: many.id, task: "docs" });
    expect(chooseWord("docs", null, plans, "task")).toEqual({ run: plans.id, task: "right.docs" });
  });

  test("is refused where it could be either, and only by verbs that could mean both", () => {
    const fault = faultOf(() => chooseWord("apz0", many, named("run_2", "apz0"), "either"));
    expect(fault).toMatchObject({
      code: "usage",
      message: "apz0 may be run_apz00000 or run_2/apz0",
    });
    expect(fault.remedy).toMatch(/run_2\/apz0$/);
    expect(chooseWord("apz0", many, named("run_2", "apz0"), "task")).toEqual({
      run: "run_2",
      task: "apz0",
    });
  });

  test("of less than four letters is a task that is called so, whatever run begins with it", () => {
    const latest = named("run_2", "a");
    expect(chooseWord("a", many, latest, "either")).toEqual({ run: "run_2", task: "a" });
    expect(chooseWord("ap", many, latest, "either")).toEqual({ run: many.id, task: null });
  });

  test("is the run where it is the whole id", () => {
    const latest = named("run_2", "1e94aaaa");
    for (const word of ["run_1e94aaaa", "1e94aaaa"])
      expect(chooseWord(word, one, latest, "either")).toEqual({ run: one.id, task: null });
  });

  test("stands for the only task of a run where a task is wanted", () => {
    expect(chooseWord("1e94", one, null, "task")).toEqual({ run: one.id, task: "api" });
    expect(faultOf(() => chooseWord("apz", many, null, "task"))).toMatchObject({
      code: "usage",
      message: "run_apz00000 has 2 tasks, expected one of them",
      remedy: "To see them, run muster show run_apz00000",
    });
  });

  test("that names nothing is not found", () => {
    for (const latest of [null, many])
      expect(faultOf(() => chooseWord("zzz", null, latest, "either"))).toMatchObject({
        code: "not_found",
        remedy: "muster ls --all",
      });
  });
});

describe("a task's name in a run", () => {
  test("is its key, or its id where only one plan has it", () => {
    expect(chooseKey("left.api", plans)).toBe("left.api");
    expect(chooseKey("docs", plans)).toBe("right.docs");
  });

  test("is refused where two plans have it, with both", () => {
    expect(faultOf(() => chooseKey("api", plans)).message).toBe(
      "api is in 2 plans of run_77777777: left.api, right.api",
    );
  });

  test("that is mistyped gets the one it may have been meant for", () => {
    expect(faultOf(() => chooseKey("dosc", many)).message).toBe(
      "no task dosc in run_apz00000 (did you mean docs?)",
    );
    expect(faultOf(() => chooseKey("something-else", many)).message).toBe(
      "no task something-else in run_apz00000",
    );
  });
});
