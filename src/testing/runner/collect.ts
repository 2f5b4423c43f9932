/** A session's events as they come, and waiting for one of them. */
import type { AgentEvent } from "../../core/runner.ts";

type Of<K extends AgentEvent["is"]> = Extract<AgentEvent, { is: K }>;

export interface Collected {
  readonly events: readonly AgentEvent[];
  onEvent(event: AgentEvent): void;
  /** The next event that fits, behind the one of the last wait. Throws once it has not come for `timeoutMs`. */
  until(fits: (event: AgentEvent) => boolean, timeoutMs?: number): Promise<AgentEvent>;
  /** The next event of a kind. */
  next<K extends AgentEvent["is"]>(is: K, timeoutMs?: number): Promise<Of<K>>;
  /** All events of a kind so far. */
  all<K extends AgentEvent["is"]>(is: K): readonly Of<K>[];
}

/** Long enough for a real session on a busy machine. */
const defaultTimeoutMs = 20_000;

export function collect(): Collected {
  const events: AgentEvent[] = [];
  let from = 0;
  let look = (): void => {};
  const until = (
    fits: (event: AgentEvent) => boolean,
    timeoutMs = defaultTimeoutMs,
  ): Promise<AgentEvent> =>
    new Promise((resolve, reject) => {
      const timer = setTimeout(() => {
        look = () => {};
        const seen = events.map((event) => JSON.stringify(event).slice(0, 200)).join("\n");
        reject(new Error(`no such event in ${timeoutMs} ms behind event ${from}; seen:\n${seen}`));
      }, timeoutMs);
      look = () => {
        const at = events.findIndex((event, index) => index >= from && fits(event));
        const found = events[at];
        if (found === undefined) return;
        clearTimeout(timer);
        look = () => {};
        from = at + 1;
        resolve(found);
      };
      look();
    });
  return {
    events,
    onEvent(event) {
      events.push(event);
      look();
    },
    until,
    next: async <K extends AgentEvent["is"]>(is: K, timeoutMs?: number) =>
      (await until((event) => event.is === is, timeoutMs)) as Of<K>,
    all: <K extends AgentEvent["is"]>(is: K) =>
      events.filter((event): event is Of<K> => event.is === is),
  };
}
