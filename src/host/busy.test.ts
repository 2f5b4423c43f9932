import { expect, test } from "vitest";
import type { RoundFailure } from "../core/inputs.ts";
import type { AgentEvent } from "../core/runner.ts";
import { datedEnds } from "./busy.ts";

const at = { offset: 0 };
const turn: AgentEvent = { ...at, is: "turn", context: null };
const retrying = (delayMs: number, status = 429): AgentEvent => ({
  ...{ ...at, is: "retrying", status, delayMs, attempt: 1 },
});
const busy = (status: number | null, retryAt: number | null = null): RoundFailure => ({
  ...{ is: "unavailable", reason: "rate_limit", status, retryAt, detail: "busy" },
});
const over = (failure: RoundFailure | "void" | null): AgentEvent => ({
  ...{ ...at, is: "round_ended", failure, text: "", usd: 0 },
});

/** When to come back, by the last of these events, which comes at 1,000. */
function retryAt(events: readonly AgentEvent[]): number | null {
  const pass = datedEnds(() => 1_000);
  const last = events.map(pass).at(-1);
  if (last?.is !== "round_ended" || last.failure === null || last.failure === "void") return null;
  return last.failure.is === "unavailable" ? last.failure.retryAt : null;
}

test.each<[string, readonly AgentEvent[], number | null]>([
  [
    "the longest back-off that was announced, of which what is left is told again",
    [retrying(67_000), retrying(37_000), retrying(7_000), over(busy(429))],
    68_000,
  ],
  ["that of an overload", [retrying(5_000, 529), over(busy(529))], 6_000],
  ["a minute where the binary did not even try again", [over(busy(429))], 61_000],
  ["a minute also at an overload", [over(busy(529))], 61_000],
  [
    "a minute where all it waited for was before an answer",
    [retrying(5_000), turn, over(busy(429))],
    61_000,
  ],
  [
    "a minute where all it waited for was in another round",
    [retrying(5_000), over(null), over(busy(429))],
    61_000,
  ],
  ["what the API said itself", [retrying(5_000), over(busy(429, 9))], 9],
  ["nothing for a network that is down", [retrying(5_000), over(busy(null))], null],
  ["nothing for an error of the API", [retrying(5_000), over(busy(500))], null],
])("a round that ended on a busy API comes back after %s (F18, F19, F20)", (_, events, when) => {
  expect(retryAt(events)).toBe(when);
});

test("what is no end on a busy API is passed on as it is", () => {
  const pass = datedEnds(() => 1_000);
  const events = [turn, retrying(5_000), over("void"), over({ is: "interrupted" }), over(null)];
  expect(events.map(pass)).toEqual(events);
});
