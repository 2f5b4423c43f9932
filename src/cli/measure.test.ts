import { expect, test } from "vitest";
import { ageText, sizeText } from "./measure.ts";

test("sizes go from bytes to gigabytes", () => {
  expect([812, 34 * 1024, 1.25 * 1024 ** 2, 3.4 * 1024 ** 3].map(sizeText)).toEqual([
    "812 B",
    "34 KB",
    "1.3 MB",
    "3.4 GB",
  ]);
});

test("ages are whole, and days only from two days on", () => {
  const minute = 60_000;
  const ages = [-5, 900, 5 * minute, 47 * 60 * minute, 41 * 24 * 60 * minute];
  expect(ages.map(ageText)).toEqual(["0s", "1s", "5m", "47h", "41d"]);
});
