import { expect, test } from "vitest";
import { Fault } from "../core/fault.ts";
import { saysFull } from "./full.ts";

test.each([
  [new Error("ENOSPC: no space left on device, write"), true],
  [new Error("EDQUOT: disk quota exceeded, open 'x'"), true],
  [
    new Fault("git_failed", "git write-tree: error: unable to write a: No space left on device"),
    true,
  ],
  [new Fault("git_failed", "git update-ref: fatal: Unable to create 'x.lock': File exists"), false],
  [new Fault("git_failed", "git add: fatal: 'No space left on device/a' is ignored"), false],
  ["ENOSPC", false],
])("%s tells of a full disk: %s", (error, told) => {
  expect(saysFull(error)).toBe(told);
});
