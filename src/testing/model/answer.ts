/** What a request is answered with: forced rules first, then the caller's function, then the script in the conversation. */
import { carriedMarker, choose } from "./choose.ts";
import type { ModelRequest, RequestKind } from "./request.ts";
import type { FailureStep, MessageStep, Rule, RuleInput, Step } from "./script.ts";
import { isFailure, rule as flatRule } from "./script.ts";

/** Something to force on requests whatever their script says. */
export interface ForceRule {
  readonly status?: number;
  /** Added to the response, whatever it is. */
  readonly headers?: Readonly<Record<string, string>>;
  /** How many requests it holds for. Default 1. */
  readonly times?: number;
  /** No response headers at all. */
  readonly hang?: boolean;
  /** The socket is destroyed in the middle of the stream. */
  readonly drop?: boolean;
  readonly delayMs?: number;
  /** Only requests for this model. */
  readonly model?: string;
  /** Only requests of this kind. */
  readonly kind?: RequestKind;
}

export interface Answer {
  /** Names script and step; empty where no script was selected. */
  readonly key: string;
  /** The index of the step, null where no script was selected. */
  readonly step: number | null;
  readonly failure: FailureStep | null;
  readonly message: MessageStep;
  readonly headers: Readonly<Record<string, string>>;
  readonly delayMs: number;
}

export interface Answerer {
  answer(request: ModelRequest): Answer;
  force(rule: ForceRule): void;
  /** Forgets forced rules and counters. */
  reset(): void;
}

export interface AnswerOptions {
  /** Asked first; undefined leaves the answer to the rules and markers. */
  readonly script?: (request: ModelRequest) => Step | undefined;
  /** Hold for every conversation until a marker brings rules of its own: scripts for prompts that people read. */
  readonly rules?: readonly RuleInput[];
}

/** Answers requests. The only state is what `times` counts and what was forced. */
export function createAnswerer(options: AnswerOptions = {}): Answerer {
  const tries = new Map<string, number>();
  const rules = (options.rules ?? []).map(flatRule);
  let forced: { readonly rule: ForceRule; left: number }[] = [];
  const takeForced = (request: ModelRequest): ForceRule => {
    const found = forced.find(({ rule, left }) => left > 0 && holds(rule, request));
    if (found === undefined) return {};
    found.left--;
    forced = forced.filter((entry) => entry.left > 0);
    return found.rule;
  };
  return {
    answer(request) {
      const rule = takeForced(request);
      const scripted = scriptedAnswer(request, options.script, rules, tries, forcedFailure(rule));
      return {
        ...scripted,
        headers: rule.headers ?? {},
        delayMs: (rule.delayMs ?? 0) + (scripted.message.delayMs ?? 0),
      };
    },
    force(rule) {
      forced.push({ rule, left: rule.times ?? 1 });
    },
    reset() {
      tries.clear();
      forced = [];
    },
  };
}

function holds(rule: ForceRule, request: ModelRequest): boolean {
  if (rule.model !== undefined && rule.model !== request.model) return false;
  return rule.kind === undefined || rule.kind === request.kind;
}

function forcedFailure(rule: ForceRule): FailureStep | null {
  if (rule.hang === true) return { hang: "headers" };
  if (rule.drop === true) return { drop: "mid-stream" };
  return rule.status === undefined ? null : { status: rule.status };
}

/** A forced failure comes before the script's own and does not use up their `times`. */
function scriptedAnswer(
  request: ModelRequest,
  script: AnswerOptions["script"],
  rules: readonly Rule[],
  tries: Map<string, number>,
  forced: FailureStep | null,
): Pick<Answer, "key" | "step" | "failure" | "message"> {
  if (request.kind === "count") return { key: "", step: null, failure: forced, message: {} };
  if (request.kind === "compact")
    return {
      key: "",
      step: null,
      failure: forced,
      message: summaryOf(request, rules),
    };
  const own = script?.(request);
  if (own !== undefined && !isFailure(own))
    return { key: "function", step: null, failure: forced, message: own };
  const choice = choose(request.messages, rules);
  const { index, message } = choice;
  const key = own === undefined ? choice.key : `function ${JSON.stringify(own)}`;
  const failures = own === undefined ? choice.failures : [own];
  return { key, step: index, failure: forced ?? takeFailure(key, failures, tries), message };
}

function takeFailure(
  key: string,
  failures: readonly FailureStep[],
  tries: Map<string, number>,
): FailureStep | null {
  for (const [position, failure] of failures.entries()) {
    if (failure.times === undefined) return failure;
    const counter = `${key}!${position}`;
    const used = tries.get(counter) ?? 0;
    if (used >= failure.times) continue;
    tries.set(counter, used + 1);
    return failure;
  }
  return null;
}

/** The summary carries the rest of the script, so that a compacted conversation goes on with it. */
function summaryOf(request: ModelRequest, rules: readonly Rule[]): MessageStep {
  const said = `The conversation so far had ${request.messages.length} messages.`;
  const marker = carriedMarker(request.messages, rules);
  return { say: `<analysis>${said}</analysis>\n<summary>\n${said} ${marker}\n</summary>` };
}
