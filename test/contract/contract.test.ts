/** Which versions the contract is run against, and how what came of it is told. The runs themselves are `npm run contract`. */
import { describe, expect, it } from "vitest";
import { type Report, type Row, countReport, isPassed, problemsOf, renderPage } from "./page.ts";
import { type Subject, chooseSubjects } from "./versions.ts";

const offer = {
  sdks: ["0.3.9", "0.3.331", "0.3.295", "0.3.294", "0.3.329", "0.3.400-beta.1", "0.4.0"],
  claudes: ["2.1.331", "2.1.332", "2.1.196", "2.1.250", "2.1.295"],
  pinned: "0.3.329",
  peers: ">=0.3.295 <0.4",
  oldest: "2.1.197",
};

describe("the versions of the contract", () => {
  it("are the pinned one, and both ends of what is supported, each once", () => {
    const chosen = chooseSubjects(offer);
    expect(chosen.map(({ claude, sdk, why }) => [claude, sdk, why.join(", ")])).toEqual([
      ["2.1.250", null, "oldest claude"],
      ["2.1.295", "0.3.295", "oldest SDK"],
      ["2.1.329", "0.3.329", "pinned"],
      ["2.1.331", "0.3.331", "newest SDK"],
      ["2.1.332", null, "newest claude"],
    ]);
    expect(chosen[0]?.suites).toEqual(["claude-cli", "login"]);
    const both = chooseSubjects({ ...offer, oldest: "2.1.295", claudes: ["2.1.295", "2.1.329"] });
    expect(both.map(({ why }) => why.join(", "))).toEqual([
      "oldest SDK, oldest claude",
      "pinned, newest claude",
      "newest SDK",
    ]);
  });

  it("are none where a range has no version, or is of another shape", () => {
    expect(() => chooseSubjects({ ...offer, peers: "^0.3.295" })).toThrow(/peer range/);
    expect(() => chooseSubjects({ ...offer, oldest: "2.2.0" })).toThrow("no supported claude");
  });
});

describe("what came of a version", () => {
  const subject: Subject = {
    claude: "2.1.329",
    sdk: null,
    why: ["pinned"],
    suites: ["claude-cli", "login"],
  };
  const file = (name: string, ...statuses: readonly string[]) => ({
    name: `/x/test/integration/runner/${name}.test.ts`,
    assertionResults: statuses.map((status, i) => ({ status, fullName: `${name} ${i}` })),
  });
  const rowOf = (...testResults: Report["testResults"]): Row => ({
    ...subject,
    outcome: { is: "ran", counts: countReport({ testResults }) },
  });

  it("is a pass only where every suite of it ran and nothing failed", () => {
    const cli = file("claude-cli", "passed", "pending");
    expect(isPassed(rowOf(cli, file("login", "passed")))).toBe(true);
    expect(isPassed(rowOf(cli))).toBe(false);
    expect(isPassed(rowOf(cli, file("login", "pending")))).toBe(false);
    expect(isPassed(rowOf(cli, file("login", "passed", "failed")))).toBe(false);
    expect(isPassed({ ...subject, outcome: { is: "not_run", reason: "E404" } })).toBe(false);
  });

  it("is told with what failed, and with why it was not run", () => {
    const rows = [
      rowOf(file("claude-cli", "passed", "failed", "pending"), file("login")),
      { ...subject, claude: "2.1.1", outcome: { is: "not_run", reason: "E404" } as const },
    ];
    expect(problemsOf(rows)).toEqual([
      "2.1.329 failed: claude-cli 1",
      "2.1.329 failed: login: no test ran",
      "2.1.1 was not run: E404",
    ]);
    const page = renderPage(rows);
    expect(page).toContain("2 versions: 0 passed.");
    expect(page).toContain(
      "| 2.1.329 | - | pinned | 1 passed, 1 failed, 1 skipped | - | 0 passed, 1 failed |",
    );
    expect(page).toContain("| 2.1.1 | - | pinned | not run | - | not run |");
  });
});
