import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { drive, startOf, taskSpec } from "../testing/core.ts";
import { walk } from "../testing/walk.ts";
import { fromText, toText } from "./serial.ts";

const back = (value: unknown): unknown => fromText(toText(value));

describe("the text of a state", () => {
  it("gives the state back, maps and all", () => {
    const d = drive();
    d.command(startOf([taskSpec("a"), taskSpec("b")]));
    walk(d).prove("a");
    expect(back(d.state)).toEqual(d.state);
  });

  it.each([
    [{ $map: 5 }],
    [{ $map: [["a", 1]] }],
    [{ $map: [["a"]], other: { $object: "x" } }],
    [{ $object: [["$map", 1]] }],
    [new Map<unknown, unknown>([["$map", { $map: new Map([[{ $object: 1 }, 2]]) }]])],
  ])("can't be broken by what an agent sends: %j", (input) => {
    expect(back({ input })).toEqual({ input });
  });

  it("gives any value of JSON back", () => {
    const key = fc.oneof(fc.constantFrom("$map", "$object", "__proto__"), fc.string());
    const { value } = fc.letrec((tie) => ({
      value: fc.oneof(
        { maxDepth: 4 },
        fc.jsonValue(),
        fc.array(tie("value")),
        fc.dictionary(key, tie("value"), { noNullPrototype: true }),
        fc.array(fc.tuple(key, tie("value"))).map((pairs) => new Map(pairs)),
      ),
    }));
    fc.assert(
      fc.property(value, (any) => {
        expect(toText(back(any))).toBe(toText(any));
      }),
    );
  });
});
