import { expect, test } from "vitest";
import { explain } from "./explain.ts";
import { parseProjectConfig } from "./project.ts";

test("each key has the value of the last source that says it, and its place", () => {
  const { places, ...values } = parseProjectConfig(
    "limits:\n  usd: 5\ngate: none\n",
    "muster.yaml",
  );
  const rows = explain([
    { from: "default", values: { limits: { usd: 2, turns: 60 }, gate: null, target: "main" } },
    {
      from: "muster.yaml",
      values: { limits: values.limits, gate: values.gate, target: values.target },
      places,
    },
    { from: "command line", values: { limits: { turns: 9 } } },
  ]);
  expect(rows).toEqual([
    { key: "gate", value: [], from: "muster.yaml:3" },
    { key: "limits.turns", value: 9, from: "command line" },
    { key: "limits.usd", value: 5, from: "muster.yaml:2" },
    { key: "target", value: "main", from: "default" },
  ]);
});
