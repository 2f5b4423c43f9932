/**
 * Decide: the events that follow from an input. Pure: the same state, input and time give the same events. A command that makes
 * no sense throws a Fault and changes nothing; an observation whose effect is no longer due still records what it says of the
 * world, but moves no task on.
 */
import { admit } from "./admission.ts";
import { decideCommand } from "./command.ts";
import { decideObservation } from "./observation.ts";
import { passTime } from "./time.ts";
import { begin } from "./decision.ts";
import type { Event, EventBody } from "../events.ts";
import type { Input } from "../inputs.ts";
import type { State } from "../state.ts";

/** The events that `input` leads to at `now` (ms). Throws Fault for a command that is refused. */
export function decide(state: State, input: Input, now: number): readonly EventBody[] {
  const decision = begin(state, now, input.seed);
  switch (input.is) {
    case "command":
      decideCommand(decision, input.command);
      break;
    case "observation":
      decideObservation(decision, input.observation);
      break;
    case "tick":
      passTime(decision, input.sleptMs ?? 0);
      admit(decision, input.capacity);
      break;
  }
  return decision.events;
}

/** Numbers decided events for the ledger, which holds `after` events so far. */
export function stamp(events: readonly EventBody[], after: number, at: number): Event[] {
  return events.map((event, i) => ({ ...event, seq: after + i + 1, at, v: 1 }));
}
