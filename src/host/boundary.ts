/**
 * The seam for crash points: told of every moment at which the ledger and the world may be one step apart. The product tells
 * nobody; the chaos tests end the process there.
 */
import type { Effect } from "../core/effects.ts";
import type { EventBody } from "../core/events.ts";
import type { Input, Observed } from "../core/inputs.ts";

export type Moment =
  | {
      readonly is: "before_append" | "after_append";
      readonly input: Input;
      readonly events: readonly EventBody[];
    }
  | { readonly is: "before_effect"; readonly effect: Effect }
  /** Performed, and not reported yet; `observed` is undefined where the session itself tells the outcome. */
  | {
      readonly is: "after_effect";
      readonly effect: Effect;
      readonly observed: Observed | undefined;
    };

export type Boundary = (moment: Moment) => void;

export const noBoundary: Boundary = () => {};
