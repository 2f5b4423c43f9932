/** What a `result` line says: why its round ended and what it cost. */
import type { RoundFailure } from "../core/inputs.ts";
import { type Json, isJson, number, object, text } from "./messages.ts";

/** A limit that the API has said to be reached. */
export interface Limit {
  /** Wall-clock ms. */
  readonly resetsAt: number | null;
  readonly window: string | null;
}

/** The API's own words for an error, which the binary leaves out of the result's text. */
export interface ApiError {
  readonly type: string | null;
  readonly code: string | null;
}

/** What an `assistant` line of the main thread says of an error of the API; null where it is of something else. */
export function apiErrorOf(json: Json): ApiError | null {
  if (json["is_api_error_message"] !== true || text(json, "parent_tool_use_id") !== null)
    return null;
  return { type: text(json, "api_error_type"), code: text(json, "api_error_code") };
}

/** What a result adds to the bill; undefined where the binary does not say. Cumulative fields are never summed. */
export function sinceLast(json: Json): number | undefined {
  const usage = object(json, "model_usage_since_last_result");
  if (usage === undefined) return undefined;
  return Object.values(usage).reduce<number>(
    (sum, model) => sum + (isJson(model) ? (number(model, "costUSD") ?? 0) : 0),
    0,
  );
}

/**
 * Why a result is an error; null where it is none. `limit` is the one that is reached, if any, `error` what the API called it. Told from `is_error`,
 * `terminal_reason` and the API's status (claude-code.md §3), and from the text only where there is no status of its own.
 */
export function classify(
  json: Json,
  limit: Limit | null,
  error: ApiError | null = null,
): RoundFailure | null {
  if (json["is_error"] !== true) return null;
  const subtype = text(json, "subtype");
  const reason = text(json, "terminal_reason");
  if (subtype === "error_max_turns" || reason === "max_turns") return { is: "max_turns" };
  if (subtype === "error_max_budget_usd" || reason === "budget_exhausted")
    return { is: "max_budget" };
  if (reason === "aborted_streaming" || reason === "aborted_tools") return { is: "interrupted" };
  const said = text(json, "result") ?? firstError(json) ?? reason ?? subtype;
  const detail = (said ?? "an error without a text").split("\n")[0] ?? "";
  if (reason !== "api_error") return { is: "agent", detail };
  if (isOfMoney(error)) return { is: "credentials", detail };
  return apiFailure(number(json, "api_error_status"), detail, limit);
}

/** A spend cap is a 429 like any rate limit by its status, and no wait ends it. */
function isOfMoney(error: ApiError | null): boolean {
  return error?.type === "billing_error" || error?.code === "enforced_spend_limit_reached";
}

/**
 * Without a login there was no request, so there is no status; an empty account and a spend limit of the person's own are a 400
 * like any bad request. The words for a spend cap are for a binary that does not pass its code on.
 */
const needsPerson =
  /^Not logged in|credit balance is too low|spend limit reached|reached your (?:specified )?(?:workspace )?API usage limits/i;

function apiFailure(status: number | null, detail: string, limit: Limit | null): RoundFailure {
  if (status === 401 || status === 402 || status === 403 || needsPerson.test(detail))
    return { is: "credentials", detail };
  if (status === 429) {
    const retryAt = limit?.resetsAt ?? null;
    return { is: "unavailable", reason: "rate_limit", status, retryAt, detail };
  }
  if (status === null || status >= 500)
    return { is: "unavailable", reason: "outage", status, retryAt: null, detail };
  return { is: "agent", detail };
}

function firstError(json: Json): string | null {
  const errors = json["errors"];
  return Array.isArray(errors) && typeof errors[0] === "string" ? errors[0] : null;
}
