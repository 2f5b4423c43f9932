import { describe, expect, it } from "vitest";
import { drive, startOf, taskSpec } from "../testing/core.ts";
import { walk } from "../testing/walk.ts";
import { phaseKey, startOf as startOfKey } from "./keys.ts";

describe("the key of a phase", () => {
  it("is there where the phase has something to do, held up or not", () => {
    const d = drive();
    const w = walk(d);
    const keys: (string | null)[] = [];
    const note = () => keys.push(phaseKey(d.attempt("a")));
    d.command(startOf([taskSpec("a", { approval: true })]));
    note();
    w.work("a");
    note();
    w.commit("a");
    note();
    w.gate("a");
    note();
    d.command({ type: "tell", run: "run_a", task: "a", text: "mind the docs" });
    note();
    d.see("a", { saw: "session_exited", n: 1, code: 0, signal: null, why: "ended" });
    note();
    d.command({ type: "pause", run: "run_a", task: "a", interrupt: false });
    w.snapshot("a");
    note();
    d.command({ type: "stop", run: "run_a", task: "a" });
    note();
    expect(keys).toEqual([
      "provision:att_a_1:1",
      null,
      "gate:att_a_1:commit-a:1",
      null,
      "snapshot:att_a_1:2:1:1:ending",
      "snapshot:att_a_1:2:1:1:none",
      null,
      "snapshot:att_a_1:3:last",
    ]);
  });
});

describe("the start of a key", () => {
  it.each([
    ["session:att_a_1:3", 3],
    ["send:att_a_1:2:1234-uuid", 2],
    ["answer:att_a_1:1:ask", 1],
    ["end:att_a_1:4:interrupt", 4],
  ])("%s is %i", (key, n) => {
    expect(startOfKey(key)).toBe(n);
  });

  it.each(["gate:att_a_1:5:1", "provision:att_a_1:1", "", "session"])("of %j is none", (key) => {
    expect(startOfKey(key)).toBeNaN();
  });
});
