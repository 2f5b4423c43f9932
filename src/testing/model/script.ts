/**
 * The script language of the scripted model: steps in data, carried inside the prompt. A marker holds the whole script, so an
 * answer is a pure function of the request and survives resumes, forks and restarts of the model.
 */

export interface ToolCall {
  readonly name: string;
  readonly input: Readonly<Record<string, unknown>>;
}

interface Usage {
  readonly input_tokens?: number;
  readonly output_tokens?: number;
  readonly cache_creation_input_tokens?: number;
  readonly cache_read_input_tokens?: number;
}

/** One assistant message: thinking, then text, then tool calls, each of them optional. */
export interface MessageStep {
  readonly think?: string;
  readonly say?: string;
  readonly tools?: readonly ToolCall[];
  /** Wait before the response headers. */
  readonly delayMs?: number;
  /** Pieces that each text, thinking or tool input is streamed in. Default 1. */
  readonly deltas?: number;
  /** Wait before each piece. Default 0. */
  readonly deltaDelayMs?: number;
  /** Replaces the estimated numbers, for example to reach the compaction threshold. */
  readonly usage?: Usage;
  readonly stop?: "max_tokens" | "refusal";
}

/**
 * Something that goes wrong in front of the next message step; it takes no step of its own, since the request comes again.
 * `times` counts tries per script and step over all sessions; without it every try fails.
 */
export type FailureStep =
  | {
      readonly status: number;
      readonly headers?: Readonly<Record<string, string>>;
      readonly message?: string;
      /** The error type of the body. Default: the one that belongs to the status. */
      readonly errorType?: string;
      /** `details.error_code` of the body. Default: no details. */
      readonly errorCode?: string;
      readonly times?: number;
    }
  /** Silence: no response headers at all, or none after the start of the stream. */
  | { readonly hang: "headers" | "stream"; readonly times?: number }
  /** The socket is destroyed in the middle of the message step that follows. */
  | { readonly drop: "mid-stream"; readonly times?: number }
  /** An SSE `error` event in the middle of the stream; a request without streaming gets status 500. */
  | { readonly sseError: string; readonly errorType?: string; readonly times?: number };

export type Step = MessageStep | FailureStep;

/** What to answer to a later user text that has no marker of its own. */
export interface Rule {
  /** A substring or a regular expression of the user text. */
  readonly match: string | RegExp;
  /** Only for the n-th user text that matches, counted from 1. Default: for each. */
  readonly nth?: number;
  readonly steps: readonly Step[];
  /** Replace all rules from here on, as those of a marker would. */
  readonly later?: readonly Rule[];
}

export interface Script {
  readonly steps: readonly Step[];
  /** Answers to later user texts that have no marker of their own. */
  readonly later: readonly Rule[];
}

/** Steps as the builders give them: some builders give several. */
export type Steps = readonly (Step | readonly Step[])[];

export interface RuleInput {
  readonly match: string | RegExp;
  readonly nth?: number;
  readonly steps: Steps;
  readonly later?: readonly RuleInput[];
}

/** Flattens what the builders give. */
export function flat(steps: Steps): readonly Step[] {
  return steps.flat();
}

/** A rule with its steps flattened and a pattern that keeps no position between two texts. */
export function rule({ match, later, steps, ...rest }: RuleInput): Rule {
  return {
    ...rest,
    match: typeof match === "string" ? match : pattern(match.source, match.flags),
    steps: flat(steps),
    ...(later === undefined ? {} : { later: later.map(rule) }),
  };
}

/** A regular expression without the flags `g` and `y`, with which an answer would depend on the one before. */
export function pattern(source: string, flags: string): RegExp {
  return new RegExp(source, flags.replace(/[gy]/g, ""));
}

/** True for a step that answers with something else than a message. */
export function isFailure(step: Step): step is FailureStep {
  return "status" in step || "hang" in step || "drop" in step || "sseError" in step;
}
