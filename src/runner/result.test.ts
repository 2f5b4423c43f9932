import { expect, test } from "vitest";
import { classify } from "./result.ts";

const api = (status: number | null, result = "why\nand more") => ({
  is_error: true,
  subtype: "success",
  terminal_reason: "api_error",
  api_error_status: status,
  result,
});
const outage = { is: "unavailable", reason: "outage", retryAt: null, detail: "why" };
const refused = { is: "credentials", detail: "why" };

test.each([
  [{ is_error: false, subtype: "error_max_turns" }, null],
  [{}, null],
  [{ is_error: true, subtype: "error_max_turns" }, { is: "max_turns" }],
  [{ is_error: true, terminal_reason: "max_turns" }, { is: "max_turns" }],
  [{ is_error: true, subtype: "error_max_budget_usd" }, { is: "max_budget" }],
  [{ is_error: true, terminal_reason: "budget_exhausted" }, { is: "max_budget" }],
  [{ is_error: true, terminal_reason: "aborted_streaming" }, { is: "interrupted" }],
  [{ is_error: true, terminal_reason: "aborted_tools" }, { is: "interrupted" }],
  [api(401), refused],
  [api(402), refused],
  [api(403), refused],
  [
    api(null, "Not logged in · Please run /login"),
    { is: "credentials", detail: "Not logged in · Please run /login" },
  ],
  [
    api(400, "Your credit balance is too low"),
    { is: "credentials", detail: "Your credit balance is too low" },
  ],
  [
    api(429),
    { is: "unavailable", reason: "rate_limit", status: 429, retryAt: null, detail: "why" },
  ],
  [api(500), { ...outage, status: 500 }],
  [api(529), { ...outage, status: 529 }],
  [api(null), { ...outage, status: null }],
  [api(400), { is: "agent", detail: "why" }],
  [api(404), { is: "agent", detail: "why" }],
  [
    { is_error: true, terminal_reason: "prompt_too_long", result: "too long" },
    { is: "agent", detail: "too long" },
  ],
  [
    { is_error: true, subtype: "error_during_execution", errors: ["No conversation found", "b"] },
    { is: "agent", detail: "No conversation found" },
  ],
  [
    { is_error: true, terminal_reason: "model_error", errors: [1] },
    { is: "agent", detail: "model_error" },
  ],
  [
    { is_error: true, subtype: "error_during_execution" },
    { is: "agent", detail: "error_during_execution" },
  ],
  [{ is_error: true }, { is: "agent", detail: "an error without a text" }],
  [{ is_error: "true" }, null],
])("the result %j is the failure %j", (json, failure) => {
  expect(classify(json, null)).toEqual(failure);
});

test("a rate limit comes with its end where the API told one", () => {
  const limit = { resetsAt: 7, window: "five_hour" };
  expect(classify(api(429), limit)).toMatchObject({ retryAt: 7 });
  expect(classify(api(500), limit)).toMatchObject({ retryAt: null });
});

const cap =
  "You have reached your API usage limits: your organization has crossed its monthly API usage threshold.";

test.each([
  ["a spend cap by its code", api(429), { type: null, code: "enforced_spend_limit_reached" }],
  ["a bill", api(429), { type: "billing_error", code: null }],
  ["a spend cap by its words", api(429, cap), null],
  ["a gateway's limit by its words", api(429, "spend limit reached · resets Aug 8"), null],
  [
    "an own limit",
    api(400, "API Error: 400 You have reached your specified API usage limits."),
    null,
  ],
  [
    "an own limit of a workspace",
    api(400, "You have reached your specified workspace API usage limits."),
    null,
  ],
])("%s needs a person", (_, json, error) => {
  expect(classify(json, null, error)).toMatchObject({ is: "credentials" });
});

test("a rate limit under its own name does not", () => {
  const error = { type: "rate_limit_error", code: null };
  expect(classify(api(429), null, error)).toMatchObject({ is: "unavailable" });
});
