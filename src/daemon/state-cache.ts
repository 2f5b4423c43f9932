/** The folded state as a cache in the ledger; deleted at will. */
import type { Event } from "../core/events.ts";
import { fold } from "../core/evolve/evolve.ts";
import type { Ledger } from "../core/ports.ts";
import { fromText, toText } from "../core/serial.ts";
import { type State, emptyState } from "../core/state.ts";

/** Another shape of the state has another number. */
const snapshotVersion = 10;

/** Keeps the folded state, so that a start reads less. */
export async function saveState(ledger: Ledger, state: State): Promise<void> {
  await ledger.saveSnapshot(state.seq, toText({ v: snapshotVersion, state }));
}

/** The state as the ledger has it: the kept one where it is of this shape, and every event behind it. */
export async function readState(ledger: Ledger): Promise<State> {
  const snapshot = await ledger.readSnapshot();
  const cached =
    snapshot === undefined ? undefined : (fromText(snapshot.state) as { v: number; state: State });
  let state = cached?.v === snapshotVersion ? cached.state : emptyState;
  const page: Event[] = [];
  for await (const event of ledger.read(state.seq)) {
    page.push(event);
    if (page.length < 1_000) continue;
    state = fold(state, page);
    page.length = 0;
  }
  return fold(state, page);
}
