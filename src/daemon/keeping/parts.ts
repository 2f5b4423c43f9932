/** What everything that keeps house works with. */
import type { Ledger } from "../../core/ports.ts";
import type { State } from "../../core/state.ts";
import type { Host } from "../../host/context.ts";

export interface KeepingParts {
  readonly host: Host;
  readonly ledger: Ledger;
  state(): State;
}
