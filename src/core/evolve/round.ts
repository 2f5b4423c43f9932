/** Rounds in evolve: messages, questions, the session's process, and how the attempt's clock runs. */
import type { AttemptEvent } from "../events.ts";
import type { Ask, Attempt, Message, MessageKind, Phase, Process } from "../attempt.ts";
import { handoverAsked, stalledSince } from "../queries.ts";
import { evolveQueue } from "./queue.ts";

export type RoundOrLater = Extract<
  AttemptEvent,
  {
    type:
      | `message.${string}`
      | `round.${string}`
      | `session.${string}`
      | `ask.${string}`
      | `gate.${string}`
      | `queue.${string}`
      | `landing.${string}`
      | `merge.${string}`
      | `target.${string}`;
  }
>;

/** The attempt after an event of its round or session, or of what follows one. */
export function evolveRound(a: Attempt, event: RoundOrLater, at: number): Attempt {
  switch (event.type) {
    case "message.queued":
      return queued(a, event);
    case "message.taken":
      return {
        ...a,
        offset: event.offset,
        mail: a.mail.map((m) => (m.uuid === event.uuid ? { ...m, taken: true } : m)),
      };
    case "round.admitted":
      return {
        ...a,
        slot: true,
        phase: a.phase.at === "working" ? { ...a.phase, since: at } : { at: "working", since: at },
      };
    case "round.ended": {
      const completed = event.outcome === "completed";
      const mail = leftOf(a, completed);
      return {
        ...a,
        slot: false,
        rounds: a.rounds + 1,
        usage: add(a, event),
        offset: event.offset,
        workedMs: worked(a, at),
        recoveries: completed ? 0 : a.recoveries,
        outages: completed ? 0 : a.outages,
        // Asked once: what is left of its room is known after the next round.
        context: handoverAsked(a)?.taken === true ? 0 : a.context,
        mail,
        cutOff: completed ? null : a.cutOff,
        phase: roundEnded(a, completed && mail.length > 0),
      };
    }
    case "session.handed_over":
      return { ...a, handover: { from: a.session, text: event.text } };
    case "session.planned":
      return {
        ...replaced(a, event.session),
        starts: event.n,
        credential: event.credential ?? a.credential,
        offset: 0,
        process: { is: "starting", n: event.n, resume: event.resume },
      };
    case "session.started":
      return { ...a, process: { is: "live", n: event.n, pid: event.pid } };
    case "session.end_requested":
      return { ...a, process: ending(a.process, event) };
    case "session.exited":
      return exited(a, event.why, at);
    default:
      return evolveAsk(a, event, at);
  }
}

function queued(
  a: Attempt,
  { uuid, kind, text }: RoundOrLater & { type: "message.queued" },
): Attempt {
  const stays = steers(a.phase, kind);
  return {
    ...a,
    mail: [...a.mail, { uuid, kind, text, taken: false }],
    // To go on is to be told.
    cutOff: kind === "continue" ? null : a.cutOff,
    seedUsed: a.seedUsed + 1,
    slot: a.slot && stays,
    phase: stays ? joined(a.phase) : idle(a.phase),
    fixes: a.fixes + (kind === "fix" ? 1 : 0),
    reminders: a.reminders + (kind === "commit" ? 1 : 0),
  };
}

type AskOrLater = Exclude<
  RoundOrLater,
  { type: `message.${string}` | `round.${string}` | `session.${string}` }
>;

function evolveAsk(a: Attempt, event: AskOrLater, at: number): Attempt {
  switch (event.type) {
    case "ask.opened":
      return opened(a, event.ask, event.offset, at);
    case "ask.answered":
      return {
        ...a,
        asks: a.asks.map((ask): Ask =>
          ask.id === event.ask ? { ...ask, answer: event.answer } : ask,
        ),
      };
    case "ask.detached":
      return {
        ...a,
        asks: a.asks.map((ask): Ask => (ask.id === event.ask ? { ...ask, detached: true } : ask)),
      };
    case "ask.closed":
    case "ask.withdrawn":
      return { ...a, asks: a.asks.filter((ask) => ask.id !== event.ask) };
    default:
      return evolveQueue(a, event, at);
  }
}

/**
 * What a round left is looked at, also where it ended while its predecessor's result was: a message that was sent as a round
 * ended makes another one.
 */
function roundEnded(a: Attempt, goesOn: boolean): Phase {
  const { phase, mail } = a;
  // What waited behind a hand-over is what the work goes on with.
  const handsOver = goesOn && handoverAsked(a)?.taken === true;
  if (handsOver && phase.at === "working") return { at: "idle", saved: false };
  const another = phase.at === "idle" && mail.length > 0 && mail.every(({ taken }) => taken);
  if (phase.at === "working" || phase.at === "settling" || another)
    return { at: "settling", step: "snapshot", committed: false };
  return unsaved(phase);
}

/** What is still to be said: of what shared its round with a hand-over, which asks to change nothing, nobody knows what was done. */
function leftOf(a: Attempt, completed: boolean): readonly Message[] {
  if (!completed || handoverAsked(a)?.taken !== true) return a.mail.filter((m) => !m.taken);
  return a.mail.filter(({ kind }) => kind !== "handover").map((m) => ({ ...m, taken: false }));
}

/** True where a message joins what is going on; else it starts another round and whatever was being proved is dropped. */
function steers(phase: Phase, kind: MessageKind): boolean {
  if (phase.at === "working" || phase.at === "provisioning") return true;
  return phase.at === "settling" && kind === "tell";
}

/** What is there when a person speaks into a round is kept before they are heard. */
function joined(phase: Phase): Phase {
  return phase.at === "working" ? { ...phase, unsaved: true } : phase;
}

/** A round in flight whose messages may go. */
export function heard({ at, since }: Phase & { at: "working" }): Phase {
  return { at, since };
}

/** An open question gives its slot back, and its wait does not count as work. */
function opened(a: Attempt, ask: Ask, offset: number | null, at: number): Attempt {
  const waits = ask.answer === null;
  return {
    ...a,
    asks: [...a.asks, ask],
    // Whoever answers decides anew.
    stalls: ask.kind === "stalled" ? [] : a.stalls,
    questions: a.questions + (ask.tool === null ? 1 : 0),
    offset: offset ?? a.offset,
    workedMs: waits ? worked(a, at) : a.workedMs,
    slot: a.slot && !waits,
    // Provisioning that ends in a question is tried anew.
    phase: a.phase.at === "provisioning" ? { ...a.phase, try: a.phase.try + 1 } : a.phase,
  };
}

function replaced(a: Attempt, session: string | undefined): Attempt {
  if (session === undefined) return a;
  return { ...a, session, formerSessions: [...a.formerSessions, a.session], context: 0 };
}

function ending(process: Process, event: { n: number; interrupt: boolean; why: string }): Process {
  if (process.is !== "live" && process.is !== "ending") return process;
  return { is: "ending", n: event.n, pid: process.pid, interrupt: event.interrupt, why: event.why };
}

/** Undelivered messages go back to the queue: the next start sends them again under their uuids. */
function exited(a: Attempt, why: string, at: number): Attempt {
  const isCutOff = a.phase.at === "working" && a.mail.some(({ taken }) => taken);
  return {
    ...a,
    process: { is: "none" },
    slot: a.phase.at === "working" ? false : a.slot,
    workedMs: worked(a, at),
    mail: a.mail.map((m) => ({ ...m, taken: false })),
    // An end before anything was heard is no news beside the one before it.
    cutOff: isCutOff ? (stalledSince(a.process) ?? why) : a.cutOff,
    phase: a.phase.at === "working" ? idle(a.phase) : a.phase,
  };
}

/** After a wait a person may have changed what is there. */
export function unsaved(phase: Phase): Phase {
  return phase.at === "idle" ? { at: "idle", saved: false } : phase;
}

/** Waiting to go on: what a round or a person may have changed since the last snapshot is not in one yet. */
export function idle(from: Phase): Phase {
  const saved =
    from.at === "idle" ? from.saved : from.at === "settling" && from.step !== "snapshot";
  return { at: "idle", saved };
}

export function worked(a: Attempt, at: number): number {
  return a.phase.at === "working" && a.slot
    ? a.workedMs + Math.max(0, at - a.phase.since)
    : a.workedMs;
}

export function add(a: Attempt, by: { turns: number; usd: number }): Attempt["usage"] {
  return { turns: a.usage.turns + by.turns, usd: a.usage.usd + by.usd };
}
