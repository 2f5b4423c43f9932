/** The page of faults names the tests that there are, and the machinery that writes it can tell results apart. */
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { faults } from "./faults.ts";
import { merge, namesOf, pagePath, readKnown, readNamed, renderPage } from "./page.ts";
import { type Ran, isRunOf, proofsIn, readProofs, resultOf, root } from "./proofs.ts";

describe("the page of faults", () => {
  it("names exactly the tests that carry an id (npm run evidence writes it)", () => {
    const proofs = readProofs();
    console.log(`${proofs.length} tests with ids looked at`);
    expect(proofs.length).toBeGreaterThan(30);
    expect(readNamed(readFileSync(join(root, pagePath), "utf8"))).toEqual(namesOf(proofs));
  });

  it("has every fault that a test names", () => {
    const known = new Set(faults.map(({ id }) => id));
    const unknown = readProofs().filter(({ ids }) => ids.some((id) => !known.has(id)));
    expect(unknown).toEqual([]);
    expect(known.size).toBe(faults.length);
  });
});

describe("the runs of chaos", () => {
  it("are proofs of their own, found by the names of what they try (F1 and F2)", () => {
    const chaos = readProofs().filter(({ file }) => file.startsWith("test/chaos/"));
    expect([...new Set(chaos.flatMap(({ ids }) => ids))].toSorted()).toEqual(["F1", "F2"]);
    const [points] = chaos.filter(({ name }) => name.includes("dies at"));
    if (points === undefined) throw new Error("the crash points are a proof");
    const name = "where the daemon dies at after_effect land, in one task (F1)";
    expect(isRunOf(points, { name, file: points.file, result: "passed" })).toBe(true);
  });
});

describe("a proof", () => {
  const source = `
    test("one thing (F1)", () => {});
    it.each(cases)("%s comes to its end (F2, F3)", run);
    test("no (F4) at the end is not one", () => {});
    const text = "also none (F5)";
  `;
  const [one, each] = proofsIn("a.test.ts", source);

  it("is a test whose name ends in ids", () => {
    expect(proofsIn("a.test.ts", source)).toEqual([
      { ids: ["F1"], name: "one thing", file: "a.test.ts" },
      { ids: ["F2", "F3"], name: "%s comes to its end", file: "a.test.ts" },
    ]);
  });

  it("is known again when it has run, in its own file only unless it is a suite's", () => {
    if (one === undefined || each === undefined) throw new Error("both were found");
    const ran: Ran = {
      name: "all of it comes to its end (F2, F3)",
      file: "a.test.ts",
      result: "passed",
    };
    expect(isRunOf(each, ran)).toBe(true);
    expect(isRunOf(one, ran)).toBe(false);
    expect(isRunOf(each, { ...ran, file: "b.test.ts" })).toBe(false);
    expect(isRunOf({ ...each, file: "a.chaos.ts" }, ran)).toBe(false);
    expect(isRunOf({ ...each, file: "a.suite.ts" }, { ...ran, file: "b.test.ts" })).toBe(true);
  });

  it("has failed where one of its runs has, and keeps its result over a skip", () => {
    if (one === undefined || each === undefined) throw new Error("both were found");
    const ran = (result: Ran["result"]): Ran => ({
      name: "x comes to its end (F2, F3)",
      file: "a.test.ts",
      result,
    });
    expect(resultOf(each, [ran("passed"), ran("failed")])).toBe("failed");
    expect(resultOf(each, [ran("skipped"), ran("passed")])).toBe("passed");
    expect(resultOf(one, [ran("passed")])).toBeUndefined();
    const first = merge(new Map(), [one, each], [ran("failed")]);
    const page = renderPage([one, each], merge(first, [one, each], [ran("skipped")]));
    expect(readKnown(page)).toEqual(first);
    expect(page).toContain("- not run: one thing");
    expect(page).toMatch(/^\| F2 \| .* \| failed \| .*\|$/m);
    expect(page).toMatch(/^\| F1 \| .* \| not run \| .*\|$/m);
    expect(page).toMatch(/^\| F9 \| .* \| not tested \| .*\|$/m);
  });
});
