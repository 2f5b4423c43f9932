/** The reporter that writes the page of faults at the end of a run, where the run was whole: all of its proofs had their turn. */
import { existsSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import type { Reporter, TestCase, TestModule } from "vitest/node";
import { merge, pagePath, readKnown, renderPage } from "./page.ts";
import { type Proof, type Ran, type Result, readProofs, resultOf, root } from "./proofs.ts";

export function evidence(): Reporter {
  let isFiltered = false;
  let planned: readonly Proof[] = [];
  return {
    onInit: ({ config }) => {
      isFiltered = config.testNamePattern !== undefined;
    },
    onTestRunStart: () => {
      planned = readProofs();
    },
    onTestRunEnd: (modules, _errors, reason) => {
      if (reason === "interrupted") return;
      record(
        planned,
        modules.flatMap((module) => ranIn(module, isFiltered)),
      );
    },
  };
}

function ranIn(module: TestModule, isFiltered: boolean): readonly Ran[] {
  return [...module.children.allTests()].flatMap((test) => {
    const result = resultIn(test, isFiltered);
    return result === undefined ? [] : [{ name: test.name, file: module.relativeModuleId, result }];
  });
}

/** Undefined where a filter left the test out. */
function resultIn(test: TestCase, isFiltered: boolean): Result | undefined {
  const { state } = test.result();
  const { mode, fails } = test.options;
  if (state === "pending" || (state === "skipped" && mode !== "run" && isFiltered))
    return undefined;
  if (state === "skipped") return state;
  return state === "passed" && fails !== true ? "passed" : "failed";
}

/** Chaos has a run of its own. Each run speaks for its own proofs, and only where it had all of them. */
function record(planned: readonly Proof[], ran: readonly Ran[]): void {
  const isChaos = ({ file }: Proof): boolean => file.startsWith("test/chaos/");
  const whole = [planned.filter(isChaos), planned.filter((proof) => !isChaos(proof))].filter(
    (part) => part.length > 0 && part.every((proof) => resultOf(proof, ran) !== undefined),
  );
  if (whole.length === 0) return;
  const path = join(root, pagePath);
  const before = existsSync(path) ? readFileSync(path, "utf8") : "";
  const after = renderPage(readProofs(), merge(readKnown(before), whole.flat(), ran));
  if (after === before) return;
  mkdirSync(dirname(path), { recursive: true });
  writeFileSync(path, after);
  console.log(`${pagePath} was written`);
}
