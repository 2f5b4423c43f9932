import { expect, it } from "vitest";
import { Fault, assert, exitCodes, never } from "./fault.ts";

it("a fault names the thing and ends in a remedy", () => {
  const cause = new Error("ENOENT");
  const fault = new Fault("not_found", "no run run_x", { remedy: "muster ls", cause });
  expect(fault.toJSON()).toEqual({
    code: "not_found",
    message: "no run run_x",
    remedy: "muster ls",
    more: [],
  });
  expect(Fault.of(fault.toJSON()).toJSON()).toEqual(fault.toJSON());
  expect(fault.cause).toBe(cause);
  expect(fault.name).toBe("Fault");
  expect(exitCodes[fault.code]).toBe(1);
});

it("a fault without a remedy says null", () => {
  expect(new Fault("internal", "broken").toJSON().remedy).toBeNull();
  expect("cause" in new Fault("internal", "broken")).toBe(false);
});

it("a broken assumption is an error of ours", () => {
  expect(() => assert(1, "one")).not.toThrow();
  expect(() => assert(0, "zero is one")).toThrow("assertion failed: zero is one");
  expect(() => never({ type: "new" } as never)).toThrow('unreachable: {"type":"new"}');
});
