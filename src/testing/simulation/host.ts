/**
 * The simulated host: performs due effects against the truth. It remembers in memory which keys are due and starts a key once as
 * long as it is; what it reports may come late, twice and out of order, but one session's log comes in order, and its end comes
 * last.
 */
import type { Effect } from "../../core/effects.ts";
import type { AttemptId, Uuid } from "../../core/ids.ts";
import type { Observation, Observed } from "../../core/inputs.ts";
import type { State } from "../../core/state.ts";
import {
  commitLeftovers,
  failed,
  failedForSpace,
  gate,
  inspect,
  land,
  merge,
  noSpace,
  provision,
  retire,
  snapshot,
} from "./perform.ts";
import { type Session, answer, end, send, startSession } from "./session.ts";
import type { Timeline } from "./timeline.ts";
import type { Truth } from "./truth.ts";

export interface Host {
  readonly truth: Truth;
  readonly time: Timeline;
  state(): State;
  deliver(observation: Observation): void;
  /** The daemon ends here and now, and is started again. */
  die(): void;
  /** Keys that are due, and those of them that are under way. */
  readonly known: Set<string>;
  readonly running: Set<string>;
  readonly sessions: Map<AttemptId, Session[]>;
  /** What the transcript of a session id holds. */
  readonly transcripts: Map<Uuid, Set<Uuid>>;
  /** How often each effect was started. */
  readonly performed: Map<string, number>;
  /** Reports so far, and the newest that has arrived. */
  reports: number;
  arrived: number;
}

type Of<K extends Effect["do"]> = Extract<Effect, { do: K }>;

const silenceMs = 300_000;
const noLogin: Observed = { saw: "needs_credentials", why: "the restart lost them" };

export function host(given: Pick<Host, "truth" | "time" | "state" | "deliver" | "die">): Host {
  return {
    ...given,
    known: new Set(),
    running: new Set(),
    sessions: new Map(),
    transcripts: new Map(),
    performed: new Map(),
    reports: 0,
    arrived: 0,
  };
}

/** Forgets what is over and no longer due: where it is due again, it is performed again. */
export function forget(h: Host, effects: readonly Effect[]): void {
  const due = new Set(effects.map(({ key }) => key));
  for (const key of h.known) if (!due.has(key) && !h.running.has(key)) h.known.delete(key);
}

/** Starts what is due and not started. */
export function perform(h: Host, effects: readonly Effect[]): void {
  forget(h, effects);
  for (const effect of effects) {
    if (h.known.has(effect.key)) continue;
    h.known.add(effect.key);
    h.running.add(effect.key);
    h.performed.set(effect.do, (h.performed.get(effect.do) ?? 0) + 1);
    h.truth.r.as(`${effect.att} ${effect.do}`, () => start(h, effect));
  }
}

/** The daemon dies: what it was doing and what it had not reported is gone. Sessions go on. */
export function crash(h: Host): void {
  h.known.clear();
  h.running.clear();
  h.time.forget();
  for (const list of h.sessions.values()) for (const one of list) one.follow = null;
}

/** How many live processes an attempt has. */
export function live(h: Host, att: AttemptId): number {
  return (h.sessions.get(att) ?? []).filter(({ alive }) => alive).length;
}

/** Throws where a new round begins while the worktree holds what no snapshot does. */
export function checkSaved({ truth, sessions }: Host, att: AttemptId): void {
  const tree = truth.worktrees.get(att);
  const works = sessions.get(att)?.some(({ alive, busy }) => alive && busy) === true;
  if (tree !== undefined && !works && tree.saved < tree.writes)
    throw new Error(`${att} begins a round before its work is in a snapshot`);
}

function start(h: Host, effect: Effect): void {
  const { truth } = h;
  switch (effect.do) {
    case "session":
      session(h, effect);
      return;
    case "send":
    case "answer":
    case "end_session":
      talk(h, effect);
      return;
    case "provision":
      within(h, effect, 120_000, () => provision(truth, effect));
      return;
    case "snapshot":
      within(h, effect, 3_000, () => snapshot(truth, effect));
      return;
    case "inspect":
      within(h, effect, 1_000, () => inspect(truth, effect));
      return;
    case "commit":
      within(h, effect, 1_000, () => commitLeftovers(truth, effect));
      return;
    case "gate":
      within(h, effect, 600_000, () => gate(truth, effect));
      return;
    case "merge":
      within(h, effect, 2_000, () => merge(truth, effect));
      return;
    case "land":
      within(h, effect, 5_000, () => land(truth, effect));
      return;
    case "retire":
      within(h, effect, 5_000, () => retire(truth, effect));
  }
}

/** Does something to the world after a while; null says nothing to the core. */
function within(h: Host, effect: Effect, atMostMs: number, act: () => Observed | null): void {
  const { truth } = h;
  h.time.after(truth.r.int(atMostMs), "daemon", () => {
    const seen = truth.fault(0.005)
      ? noLogin
      : truth.isFull
        ? failedForSpace(truth, effect)
        : act();
    const lost = isLost(h);
    if (lost === "died") return;
    // A landing that fails after the fact asks the target what is true.
    const told = lost === "failed" && effect.do !== "land" ? failed(effect, "git failed") : seen;
    if (told === null) h.running.delete(effect.key);
    else report(h, effect, told);
  });
}

/** Whether what an effect saw is lost now: with the daemon, or in a failure after the fact. */
function isLost({ truth, die }: Host): "died" | "failed" | null {
  if (!truth.fault(0.008, "lost reply")) return null;
  if (truth.r.chance(0.5)) return "failed";
  die();
  return "died";
}

function report(h: Host, { att, key }: Effect, seen: Observed): void {
  const { r, count } = h.truth;
  const isLate = r.chance(0.1);
  if (isLate) count("delay");
  const ticket = ++h.reports;
  h.time.after(isLate ? r.int(600_000) : r.int(2_000), "daemon", () => {
    h.running.delete(key);
    if (ticket < h.arrived) count("reorder");
    h.arrived = Math.max(h.arrived, ticket);
    tell(h, { att, key, ...seen });
  });
}

/** Now and then the same news come once more, at once or hours later. */
function tell(h: Host, observation: Observation): void {
  if (h.truth.fault(0.05, "duplicate"))
    h.time.after(h.truth.r.pick([0, 1_000, 7_200_000]), "daemon", () => h.deliver(observation));
  h.deliver(observation);
}

function session(h: Host, effect: Of<"session">): void {
  const { att, n, spec, attempt } = effect;
  const { truth, time } = h;
  const all = h.sessions.get(att) ?? [];
  h.sessions.set(att, all);
  const made = all.find((one) => one.n === n);
  if (made !== undefined) {
    follow(h, effect, made);
    return;
  }
  time.after(truth.r.int(5_000), "daemon", () => {
    if (truth.isFull) {
      report(h, effect, {
        saw: "session_failed_to_start",
        n,
        why: noSpace,
        credentials: false,
        disk: true,
      });
      return;
    }
    if (truth.fault(0.06)) {
      const credentials = truth.r.chance(0.3);
      const held = !credentials && truth.r.chance(0.2) ? ({ held: true } as const) : {};
      const saw = "session_failed_to_start";
      report(h, effect, { saw, n, why: "no binary", credentials, ...held });
      return;
    }
    if (live(h, att) > 0) throw new Error(`${att} has a live process and start ${n} makes another`);
    if (truth.worktrees.get(att)?.isReady !== true)
      throw new Error(`${att} starts in a worktree that is not ready`);
    const known = h.transcripts.get(attempt.session) ?? new Set<Uuid>();
    h.transcripts.set(attempt.session, known);
    const pid = 100 + h.performed.size + all.length;
    const one = startSession({ truth, time, run: attempt.run, att, spec, n, pid, known });
    all.push(one);
    // It is up, and nobody was told: a daemon that starts finds it, and does not start another.
    if (isLost(h) !== "died") follow(h, effect, one);
  });
}

/** Reports a session's log in order from the attempt's offset on, and its silence again and again. */
function follow(h: Host, { att, key }: Of<"session">, one: Session): void {
  const { r } = h.truth;
  const attempt = h.state().attempts.get(att);
  const offset = attempt?.offset ?? 0;
  const news = one.log.findIndex(
    (said) => said.offset > offset || said.seen.saw === "session_exited",
  );
  let next = news < 0 ? one.log.length : news;
  let freeAt = h.time.now;
  const say = (seen: Observed): void => {
    freeAt = Math.max(freeAt, h.time.now + r.int(r.chance(0.1) ? 120_000 : 1_000));
    h.time.after(freeAt - h.time.now, "daemon", () => {
      if (seen.saw === "session_exited") h.running.delete(key);
      tell(h, { att, key, ...seen });
    });
  };
  const watch = (): void => {
    h.time.after(silenceMs, "daemon", () => {
      if (one.follow !== pump || !one.alive) return;
      say({ saw: "stalled", silentMs: silenceMs, during: "model" });
      watch();
    });
  };
  let watched = false;
  const pump = (): void => {
    for (const { seen } of one.log.slice(next)) say(seen);
    next = one.log.length;
    if (!one.hung || watched) return;
    watched = true;
    watch();
  };
  if (attempt?.process.is === "starting")
    say({ saw: "session_started", n: one.n, pid: one.pid, version: "2.1.0" });
  one.follow = pump;
  pump();
  if (h.truth.fault(0.01)) say({ saw: "stalled", silentMs: silenceMs, during: "tool" });
}

function talk(h: Host, effect: Of<"send" | "answer" | "end_session">): void {
  const one = h.sessions.get(effect.att)?.find(({ n }) => n === effect.n);
  h.time.after(h.truth.r.int(2_000), "daemon", () => {
    h.running.delete(effect.key);
    if (effect.do === "answer") report(h, effect, { saw: "answer_taken", ask: effect.ask });
    if (one === undefined) return;
    if (effect.do === "send") send(one, effect.message.uuid);
    else if (effect.do === "answer") answer(one, effect.ask);
    else end(one, effect.interrupt);
    isLost(h);
  });
}
