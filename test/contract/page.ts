/** What the runs against every version came to, as a page and as a table for a terminal. */
import { type Subject, type Suite, suites } from "./versions.ts";

export const pagePath = "docs/evidence/contract.md";

export interface Counts {
  readonly passed: number;
  readonly failed: number;
  readonly skipped: number;
  readonly failures: readonly string[];
}

/** What came of a version: its suites, or why it could not be run. */
export type Outcome =
  | { readonly is: "ran"; readonly counts: ReadonlyMap<Suite, Counts> }
  | { readonly is: "not_run"; readonly reason: string };

export type Row = Subject & { readonly outcome: Outcome };

/** A report of vitest, as `--reporter=json` writes it: what is needed of it. */
export interface Report {
  readonly testResults: readonly {
    readonly name: string;
    readonly message?: string;
    readonly assertionResults: readonly { readonly status: string; readonly fullName: string }[];
  }[];
}

/** Counts a report by suite. A file of which nothing ran counts as one failure. */
export function countReport(report: Report): ReadonlyMap<Suite, Counts> {
  const counts = new Map<Suite, Counts>();
  for (const { name, assertionResults } of report.testResults) {
    const suite = suites.find((each) => name.endsWith(`/${each}.test.ts`));
    if (suite === undefined) continue;
    const count = (is: (status: string) => boolean): number =>
      assertionResults.filter(({ status }) => is(status)).length;
    const failures = assertionResults
      .filter(({ status }) => status === "failed")
      .map(({ fullName }) => fullName);
    const isEmpty = assertionResults.length === 0;
    counts.set(suite, {
      passed: count((status) => status === "passed"),
      failed: failures.length + (isEmpty ? 1 : 0),
      skipped: count((status) => status !== "passed" && status !== "failed"),
      failures: isEmpty ? [`${suite}: no test ran`] : failures,
    });
  }
  return counts;
}

/** True where every suite of the version ran, and nothing in it failed. */
export function isPassed({ suites: wanted, outcome }: Row): boolean {
  if (outcome.is === "not_run") return false;
  return wanted.every((suite) => {
    const counts = outcome.counts.get(suite);
    return counts !== undefined && counts.failed === 0 && counts.passed > 0;
  });
}

/** A cell of the table: `32 passed, 1 skipped`, `30 passed, 2 failed`, `not run`, or `-` where the suite is not the version's. */
export function cellOf(row: Row, suite: Suite): string {
  if (!row.suites.includes(suite)) return "-";
  if (row.outcome.is === "not_run") return "not run";
  const counts = row.outcome.counts.get(suite);
  if (counts === undefined) return "not run";
  const words = (["passed", "failed", "skipped"] as const)
    .filter((each) => each === "passed" || counts[each] > 0)
    .map((each) => `${counts[each]} ${each}`);
  return words.join(", ");
}

const head = ["claude", "SDK", "why", ...suites];

function cells(row: Row): readonly string[] {
  return [
    row.claude,
    row.sdk ?? "-",
    row.why.join(", "),
    ...suites.map((suite) => cellOf(row, suite)),
  ];
}

/** Lines in columns. */
export function renderTable(rows: readonly Row[]): string {
  const all = [head, ...rows.map(cells)];
  const widths = head.map((_, i) => Math.max(...all.map((each) => (each[i] ?? "").length)));
  return all
    .map((each) =>
      each
        .map((cell, i) => cell.padEnd(widths[i] ?? 0))
        .join("  ")
        .trimEnd(),
    )
    .join("\n");
}

/** What did not pass, a line each. */
export function problemsOf(rows: readonly Row[]): readonly string[] {
  return rows.flatMap((row) => {
    if (row.outcome.is === "not_run") return [`${row.claude} was not run: ${row.outcome.reason}`];
    return [...row.outcome.counts.values()].flatMap(({ failures }) =>
      failures.map((name) => `${row.claude} failed: ${name}`),
    );
  });
}

export function renderPage(rows: readonly Row[]): string {
  const problems = problemsOf(rows);
  return [
    "# The runner suite, version by version",
    "",
    "Written by `npm run contract`: what every runner must do (`src/testing/runner.suite.ts`), on the pinned `claude`, and on the newest and",
    "the oldest supported one that the registry has. An SDK is run with the binary that it brings. What could not be run has not passed.",
    "",
    `${rows.length} versions: ${rows.filter(isPassed).length} passed.`,
    "",
    `| ${head.join(" | ")} |`,
    `|${"---|".repeat(head.length)}`,
    ...rows.map((row) => `| ${cells(row).join(" | ")} |`),
    "",
    "## What did not pass",
    "",
    ...(problems.length === 0 ? ["Nothing."] : problems.map((each) => `- ${each}`)),
    "",
  ].join("\n");
}
