/** What a session has used, over all starts, and what it costs at list price. */
import type { ApiMessage } from "../model/message.ts";
import type { Wire } from "./wire.ts";

export interface Totals {
  readonly inputTokens: number;
  readonly outputTokens: number;
  readonly cacheReadInputTokens: number;
  readonly cacheCreationInputTokens: number;
  readonly costUSD: number;
}

export const nothing: Totals = {
  inputTokens: 0,
  outputTokens: 0,
  cacheReadInputTokens: 0,
  cacheCreationInputTokens: 0,
  costUSD: 0,
};

/** US dollars per token, as 2.1.329 computes them for its default model: 4 and 20 per million; writing a cache 5, reading 0.2. */
const defaultPrices = { input: 4e-6, output: 20e-6, cacheCreation: 5e-6, cacheRead: 0.2e-6 };
/** Another one that it knows: 5 and 25 per million; writing a cache 6.25, reading 0.5. */
const otherPrices: Readonly<Record<string, typeof defaultPrices>> = {
  "claude-opus-4-8": { input: 5e-6, output: 25e-6, cacheCreation: 6.25e-6, cacheRead: 0.5e-6 },
};

/** What one response used. */
export function totalsOf({ model, usage }: ApiMessage): Totals {
  const prices = otherPrices[model] ?? defaultPrices;
  const inputTokens = usage["input_tokens"] ?? 0;
  const outputTokens = usage["output_tokens"] ?? 0;
  const cacheReadInputTokens = usage["cache_read_input_tokens"] ?? 0;
  const cacheCreationInputTokens = usage["cache_creation_input_tokens"] ?? 0;
  const costUSD =
    inputTokens * prices.input +
    outputTokens * prices.output +
    cacheReadInputTokens * prices.cacheRead +
    cacheCreationInputTokens * prices.cacheCreation;
  return { inputTokens, outputTokens, cacheReadInputTokens, cacheCreationInputTokens, costUSD };
}

/** The sum of two. */
export function plus(one: Totals, other: Totals): Totals {
  return {
    inputTokens: one.inputTokens + other.inputTokens,
    outputTokens: one.outputTokens + other.outputTokens,
    cacheReadInputTokens: one.cacheReadInputTokens + other.cacheReadInputTokens,
    cacheCreationInputTokens: one.cacheCreationInputTokens + other.cacheCreationInputTokens,
    costUSD: one.costUSD + other.costUSD,
  };
}

/** The fields of a result: `turn` since the last result, `session` since the first start. */
export function usageFields(turn: Totals, session: Totals, model: string): Wire {
  return {
    total_cost_usd: session.costUSD,
    usage: {
      input_tokens: turn.inputTokens,
      output_tokens: turn.outputTokens,
      cache_read_input_tokens: turn.cacheReadInputTokens,
      cache_creation_input_tokens: turn.cacheCreationInputTokens,
    },
    modelUsage: byModel(session, model),
    model_usage_since_last_result: byModel(turn, model),
  };
}

function byModel(totals: Totals, model: string): Wire {
  if (totals.outputTokens === 0 && totals.inputTokens === 0) return {};
  return {
    [model]: {
      ...totals,
      webSearchRequests: 0,
      contextWindow: 1_000_000,
      maxOutputTokens: 128_000,
    },
  };
}
