/**
 * The marker that carries a script inside a prompt: `[[script:<base64url of JSON>]]`. Reading treats it as hostile: whatever
 * does not have the shape of a script is refused with a reason, never half-read.
 */
import { Fault } from "../../core/fault.ts";
import type { Rule, RuleInput, Script, Step, Steps } from "./script.ts";
import { flat, pattern, rule } from "./script.ts";

const markerPattern = /\[\[script:([A-Za-z0-9_-]*)\]\]/g;

/** The marker text to put into a prompt; `later` answers later user texts that have no marker of their own. */
export function script(
  steps: Steps,
  options: { readonly later?: readonly RuleInput[] } = {},
): string {
  const wire = {
    steps: flat(steps),
    ...(options.later === undefined
      ? {}
      : { later: options.later.map((input) => wireRule(rule(input))) }),
  };
  return `[[script:${Buffer.from(JSON.stringify(wire)).toString("base64url")}]]`;
}

function wireRule({ match, later, ...rest }: Rule): unknown {
  const matched = match instanceof RegExp ? { pattern: match.source, flags: match.flags } : match;
  return {
    ...rest,
    match: matched,
    ...(later === undefined ? {} : { later: later.map(wireRule) }),
  };
}

/** The newest marker of a text, or undefined. */
export function findMarker(text: string): string | undefined {
  return [...text.matchAll(markerPattern)].at(-1)?.[1];
}

/** The text without its markers, as a person would read it. */
export function withoutMarkers(text: string): string {
  return text.replace(markerPattern, "").trim();
}

/** The script of a marker. Throws Fault `usage` where it is not one. */
export function readMarker(payload: string): Script {
  let wire: unknown;
  try {
    wire = JSON.parse(Buffer.from(payload, "base64url").toString("utf8"));
  } catch (cause) {
    throw unreadable("is not JSON", cause);
  }
  if (!isRecord(wire)) throw unreadable("is not an object");
  return { steps: readSteps(wire["steps"]), later: readLater(wire["later"] ?? []) };
}

function readLater(later: unknown): readonly Rule[] {
  if (!Array.isArray(later)) throw unreadable("has a `later` that is not a list");
  return later.map(readRule);
}

function readRule(wire: unknown): Rule {
  if (!isRecord(wire)) throw unreadable("has a rule that is not an object");
  const nth = wire["nth"];
  if (nth !== undefined && typeof nth !== "number")
    throw unreadable("has a rule whose `nth` is not a number");
  const later = wire["later"];
  const rest = {
    ...(nth === undefined ? {} : { nth }),
    steps: readSteps(wire["steps"]),
    ...(later === undefined ? {} : { later: readLater(later) }),
  };
  const match = wire["match"];
  if (typeof match === "string") return { match, ...rest };
  if (isRecord(match) && typeof match["pattern"] === "string") {
    return { match: readPattern(match["pattern"], match["flags"]), ...rest };
  }
  throw unreadable("has a rule without `match`");
}

function readPattern(source: string, flags: unknown): RegExp {
  try {
    return pattern(source, typeof flags === "string" ? flags : "");
  } catch (cause) {
    throw unreadable(`has the unreadable pattern ${source}`, cause);
  }
}

function readSteps(wire: unknown): readonly Step[] {
  if (!Array.isArray(wire)) throw unreadable("has no list of steps");
  for (const [index, step] of wire.entries()) {
    const wrong = whyNotStep(step);
    if (wrong !== null) throw unreadable(`has step ${index + 1} ${wrong}`);
  }
  return wire as readonly Step[];
}

const textKeys = ["think", "say", "message", "errorType", "errorCode", "sseError"] as const;
const numberKeys = ["delayMs", "deltas", "deltaDelayMs", "status", "times"] as const;
const kindKeys = ["think", "say", "tools", "stop", "status", "hang", "drop", "sseError"] as const;

function whyNotStep(step: unknown): string | null {
  if (!isRecord(step)) return "that is not an object";
  if (!kindKeys.some((key) => step[key] !== undefined)) return "that says and does nothing";
  for (const key of textKeys) {
    if (!["undefined", "string"].includes(typeof step[key])) return `whose \`${key}\` is not text`;
  }
  for (const key of numberKeys) {
    const value = step[key];
    if (value !== undefined && !(typeof value === "number" && value >= 0)) {
      return `whose \`${key}\` is not a number from 0`;
    }
  }
  const status = step["status"];
  // Node throws at a status line outside of three digits, and a 2xx or 3xx is no failure.
  if (typeof status === "number" && !(Number.isInteger(status) && status >= 400 && status <= 599)) {
    return "whose `status` is not between 400 and 599";
  }
  return whyNotTools(step["tools"]);
}

function whyNotTools(tools: unknown): string | null {
  if (tools === undefined) return null;
  if (!Array.isArray(tools)) return "whose `tools` is not a list";
  const ok = tools.every(
    (call) => isRecord(call) && typeof call["name"] === "string" && isRecord(call["input"]),
  );
  return ok ? null : "with a tool call without name or input";
}

function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

function unreadable(why: string, cause?: unknown): Fault {
  return new Fault("usage", `the script marker ${why}`, {
    cause,
    remedy: "build markers with script() of src/testing/model/marker.ts",
  });
}
