/** Names of crash points: made of kinds and never of ids, so that a point has the same name in every run. */
import type { Effect } from "../../src/core/effects.ts";
import type { Input } from "../../src/core/inputs.ts";
import type { Moment } from "../../src/host/boundary.ts";

/** What a moment is called. A tick decides for several tasks at once, so it passes one point for each kind of event. */
export function pointsOf(moment: Moment): readonly string[] {
  switch (moment.is) {
    case "before_effect":
      return [`${moment.is} ${effectKind(moment.effect)}`];
    case "after_effect":
      return [`${moment.is} ${effectKind(moment.effect)}: ${moment.observed?.saw ?? "done"}`];
    case "before_append":
    case "after_append": {
      const { is, input, events } = moment;
      const types = [...new Set(events.map(({ type }) => type))];
      if (input.is === "tick") return types.map((type) => `${is} tick: ${type}`);
      return [`${is} ${inputKind(input)}: ${types.join(", ")}`];
    }
  }
}

function inputKind(input: Exclude<Input, { is: "tick" }>): string {
  return input.is === "command" ? input.command.type : input.observation.saw;
}

function effectKind(effect: Effect): string {
  switch (effect.do) {
    case "gate":
      return `gate on ${effect.on}`;
    case "session":
      return effect.resume ? "session resumed" : "session";
    case "send":
      return `send ${effect.message.kind}`;
    case "retire":
      return `retire ${effect.outcome.is}`;
    default:
      return effect.do;
  }
}
