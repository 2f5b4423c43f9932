/** The page of faults: made from the list, the tests in the sources, and the last result of each, which the page itself keeps. */
import { faults } from "./faults.ts";
import type { Proof, Ran, Result } from "./proofs.ts";
import { resultOf } from "./proofs.ts";

export const pagePath = "docs/evidence/faults.md";

/** A proof's last result by its line on the page, without the result. */
export type Known = ReadonlyMap<string, Result>;

const linePattern = /^- (passed|failed|skipped|not run): (.+)$/gm;

function lineOf({ name, file }: Proof): string {
  return `${name.replaceAll("<", "&lt;")} · [${file}](../../${file})`;
}

/** The results that a page holds. */
export function readKnown(page: string): Known {
  const lines = [...page.matchAll(linePattern)].map(([, result = "", line = ""]) => [line, result]);
  return new Map(lines.filter(([, result]) => result !== "not run") as [string, Result][]);
}

/** The tests that a page names, under their faults. */
export function readNamed(page: string): readonly string[] {
  return page.split(/^### /m).flatMap((part) => {
    const id = /^F\d+/.exec(part)?.[0] ?? "";
    return [...part.matchAll(linePattern)].map(([, , line = ""]) => `${id} ${line}`);
  });
}

/** The tests that a page has to name. */
export function namesOf(proofs: readonly Proof[]): readonly string[] {
  return faults.flatMap(({ id }) =>
    proofs.filter(({ ids }) => ids.includes(id)).map((proof) => `${id} ${lineOf(proof)}`),
  );
}

/** What is known after a run: a result replaces the one before, a skip only where there is none. */
export function merge(known: Known, proofs: readonly Proof[], ran: readonly Ran[]): Known {
  const next = new Map(known);
  for (const proof of proofs) {
    const result = resultOf(proof, ran);
    const line = lineOf(proof);
    if (result !== undefined && (result !== "skipped" || !next.has(line))) next.set(line, result);
  }
  return next;
}

/** The whole page. */
export function renderPage(proofs: readonly Proof[], known: Known): string {
  const all = faults.map((each) => ({
    ...each,
    proofs: proofs.filter(({ ids }) => ids.includes(each.id)),
  }));
  const summaries = all.map((each) => summaryOf(each.proofs, known));
  const count = (summary: string): number => summaries.filter((each) => each === summary).length;
  const rows = all.map(
    ({ id, fault, expected, open = "" }, i) =>
      `| ${id} | ${fault} | ${expected} | ${summaries[i] ?? ""} | ${open} |`,
  );
  return [
    "# Faults, and what comes of them",
    "",
    "Written by the test run (`npm test`, `npm run chaos`, or `npm run evidence` for these tests alone): what can go wrong on one",
    "machine, what has to come of it, and how the tests of it ended last. A test that the machine can't run (no root, no `/proc`) keeps",
    "its last result. A test that is known to fail counts as failed.",
    "",
    `${faults.length} faults: ${["passed", "failed", "skipped", "not run", "not tested"].map((each) => `${count(each)} ${each}`).join(", ")}.`,
    "",
    "| | what goes wrong | what has to come of it | last result | not shown by the tests |",
    "|---|---|---|---|---|",
    ...rows,
    "",
    "## Tests",
    ...all.flatMap((each) => ["", `### ${each.id}`, "", ...sectionOf(each.proofs, known)]),
    "",
  ].join("\n");
}

function sectionOf(proofs: readonly Proof[], known: Known): readonly string[] {
  if (proofs.length === 0) return ["- not tested"];
  return proofs.map((proof) => {
    const line = lineOf(proof);
    return `- ${known.get(line) ?? "not run"}: ${line}`;
  });
}

/** One failure fails the fault; what has not run or was skipped counts only where nothing else is known. */
function summaryOf(proofs: readonly Proof[], known: Known): Result | "not run" | "not tested" {
  if (proofs.length === 0) return "not tested";
  const results = new Set(proofs.map((proof) => known.get(lineOf(proof)) ?? "not run"));
  return (
    (["failed", "passed", "skipped"] as const).find((result) => results.has(result)) ?? "not run"
  );
}
