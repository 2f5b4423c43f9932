import { mkdtempSync, readFileSync, readdirSync, rmSync, statSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, describe, expect, it } from "vitest";
import { openLog } from "./log.ts";

const home = mkdtempSync(join(tmpdir(), "muster-log-"));
afterAll(() => rmSync(home, { recursive: true }));

describe("the developer's log", () => {
  it("is one JSON object a line, private, and goes on where it was", () => {
    openLog(home)("info", "One", { run: "run_a" });
    openLog(home)("error", "Two\nlines");
    const path = join(home, "log", "muster.ndjson");
    const lines = readFileSync(path, "utf8")
      .trim()
      .split("\n")
      .map((line) => JSON.parse(line) as Record<string, unknown>);
    expect(lines).toMatchObject([
      { level: "info", msg: "One", run: "run_a" },
      { level: "error", msg: "Two\nlines" },
    ]);
    expect(statSync(path).mode & 0o777).toBe(0o600);
  });

  it("keeps five files of at most 10 MB, the newest without a number", () => {
    const log = openLog(home);
    const megabyte = "x".repeat(1024 * 1024);
    for (let i = 0; i < 65; i++) log("info", `${i} ${megabyte}`);
    const names = readdirSync(join(home, "log")).toSorted();
    expect(names).toEqual([
      "muster.ndjson",
      "muster.ndjson.1",
      "muster.ndjson.2",
      "muster.ndjson.3",
      "muster.ndjson.4",
    ]);
    for (const name of names)
      expect(statSync(join(home, "log", name)).size).toBeLessThanOrEqual(10 * 1024 * 1024);
    expect(readFileSync(join(home, "log", "muster.ndjson"), "utf8")).toContain('"msg":"64 x');
  });
});
