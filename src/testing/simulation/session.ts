/**
 * A simulated session: a process that takes messages, works in rounds, asks, spends, stalls and dies. What it says is a log with
 * offsets that outlives the daemon; whoever follows reads on from an offset.
 */
import type { AttemptId, RunId, Uuid } from "../../core/ids.ts";
import type { Observed, RoundFailure } from "../../core/inputs.ts";
import type { TaskSpec } from "../../core/plan.ts";
import { noSpace } from "./perform.ts";
import type { Timeline } from "./timeline.ts";
import type { Truth } from "./truth.ts";

export interface Said {
  readonly offset: number;
  readonly seen: Observed;
}

export interface Birth {
  readonly truth: Truth;
  readonly time: Timeline;
  readonly run: RunId;
  readonly att: AttemptId;
  readonly spec: TaskSpec;
  readonly n: number;
  readonly pid: number;
  /** Messages that the transcript of this session id holds already. */
  readonly known: Set<Uuid>;
}

export interface Session extends Birth {
  readonly log: Said[];
  readonly inbox: Set<Uuid>;
  readonly asks: Set<string>;
  alive: boolean;
  /** A round is in flight. */
  busy: boolean;
  /** Silent in the middle of a round. */
  hung: boolean;
  asked: number;
  /** Called on every new entry of the log; one follower at a time. */
  follow: (() => void) | null;
}

const minute = 60_000;

export function startSession(birth: Birth): Session {
  return {
    ...birth,
    log: [],
    inbox: new Set(),
    asks: new Set(),
    alive: true,
    busy: false,
    hung: false,
    asked: 0,
    follow: null,
  };
}

/** Hands a message over; one that was handed over before is not taken twice. */
export function send(s: Session, uuid: Uuid): void {
  if (!s.alive || s.inbox.has(uuid)) return;
  s.inbox.add(uuid);
  say(s, (offset) => ({ saw: "message_taken", uuid, offset }));
  const isOld = s.known.has(uuid);
  s.known.add(uuid);
  if (s.busy) return;
  s.busy = true;
  if (isOld && s.truth.r.chance(0.5))
    s.time.after(1_000, "world", () => {
      if (s.alive && s.busy) endRound(s, "void");
    });
  else soon(s);
}

export function answer(s: Session, ask: string): void {
  if (s.alive && s.asks.delete(ask) && s.asks.size === 0) soon(s);
}

/** Ends the process, whatever it does; an interrupt may end its round politely first. */
export function end(s: Session, interrupt: boolean): void {
  if (!s.alive) return;
  const { r } = s.truth;
  if (s.busy && interrupt && !s.hung && r.chance(0.6)) endRound(s, { is: "interrupted" });
  s.time.after(r.between(50, 10_000), "world", () => exit(s, 143, "asked to end"));
}

function say(s: Session, make: (offset: number) => Observed): void {
  const offset = (s.log.length + 1) * 100;
  s.log.push({ offset, seen: make(offset) });
  s.follow?.();
}

/** Every model call costs, and may write. */
function charge({ truth, run, att }: Session): { turns: number; usd: number } {
  const usd = truth.r.int(8) / 64;
  truth.charged.set(run, (truth.charged.get(run) ?? 0) + usd);
  const tree = truth.worktrees.get(att);
  if (tree !== undefined) tree.writes++;
  return { turns: truth.r.int(3), usd };
}

function exit(s: Session, code: number | null, why: string, memory = false): void {
  if (!s.alive) return;
  s.alive = false;
  s.busy = false;
  const disk = s.truth.isFull ? ({ disk: true } as const) : {};
  const cause = memory ? ({ memory } as const) : {};
  say(s, () => ({ saw: "session_exited", n: s.n, code, signal: null, why, ...disk, ...cause }));
}

function endRound(s: Session, failure: RoundFailure | "void" | null): void {
  s.busy = false;
  s.asks.clear();
  const cost = failure === "void" ? { turns: 0, usd: 0 } : charge(s);
  say(s, (offset) => ({ saw: "round_ended", failure, text: "said", offset, ...cost }));
}

function soon(s: Session): void {
  s.time.after(s.truth.r.between(1_000, 3 * minute), "world", () => act(s));
}

/** The next thing that happens in a round. */
function act(s: Session): void {
  const { truth } = s;
  if (!s.alive || !s.busy || s.hung || s.asks.size > 0) return;
  if (truth.isFull && truth.r.chance(0.5)) exit(s, 1, noSpace);
  else if (truth.fault(0.04)) {
    if (truth.r.chance(0.5)) exit(s, 137, "killed", truth.r.chance(0.3));
    else hang(s);
  } else if (truth.r.chance(0.12)) askSomething(s);
  else if (truth.r.chance(0.4)) {
    // Some grow so long that they have to hand over.
    const context = truth.r.chance(0.1) ? 150_000 : 20_000;
    say(s, (offset) => ({ saw: "used", offset, context, ...charge(s) }));
    soon(s);
  } else {
    const failure = truth.fault(0.15) ? someFailure(s) : null;
    if (failure === null) work(s);
    endRound(s, failure);
    if (truth.fault(0.02)) exit(s, null, "gone while idle");
  }
}

function hang(s: Session): void {
  s.hung = true;
  s.follow?.();
}

function askSomething(s: Session): void {
  const { r } = s.truth;
  const ask = `ask-${s.n}-${++s.asked}`;
  const isQuestion = r.chance(0.3);
  s.asks.add(ask);
  say(s, (offset) => ({
    saw: "asked",
    ask,
    kind: isQuestion ? "question" : "permission",
    tool: isQuestion ? "AskUserQuestion" : "Bash",
    text: "may I?",
    input: r.pick<unknown>([null, { questions: [{ question: "which?" }] }, { questions: "all" }]),
    rule: isQuestion || r.chance(0.5) ? null : r.pick(["Bash(make)", "Bash(rm)"]),
    offset,
  }));
  if (r.chance(0.2)) s.time.after(r.between(1, 20 * minute), "world", () => withdraw(s, ask));
  if (r.chance(0.1)) askSomething(s);
}

function withdraw(s: Session, ask: string): void {
  if (!s.alive || !s.asks.delete(ask)) return;
  say(s, (offset) => ({ saw: "ask_withdrawn", ask, offset }));
  if (s.asks.size === 0) soon(s);
}

function someFailure({ truth: { r, wall } }: Session): RoundFailure | "void" {
  return r.pick<RoundFailure | "void">([
    "void",
    { is: "interrupted" },
    { is: "max_turns" },
    { is: "max_budget" },
    { is: "unavailable", reason: "outage", status: 529, retryAt: null, detail: "overloaded" },
    {
      is: "unavailable",
      reason: "rate_limit",
      status: 429,
      retryAt: wall() + r.int(120) * minute,
      detail: "limited",
    },
    { is: "credentials", detail: "401" },
    { is: "agent", detail: "it gave up" },
  ]);
}

/** What a good round leaves in the worktree: mostly a clean commit; while faults are left, something less. */
function work({ truth, att, spec }: Session): void {
  const tree = truth.worktrees.get(att);
  if (tree === undefined || truth.isFull || truth.fault(0.08)) return;
  const { r } = truth;
  const held = new Set(truth.of(tree.head).changes);
  held.add(truth.change(att));
  if (r.chance(0.5)) for (const change of truth.of(truth.lane(spec).head).changes) held.add(change);
  tree.head = truth.commit(held, {
    outside: spec.paths !== null && truth.fault(0.2) ? ["elsewhere/a.ts"] : [],
    missing: spec.artifacts.length > 0 && truth.fault(0.2) ? [...spec.artifacts] : [],
    related: !truth.fault(0.02),
    onTarget: truth.fault(0.02),
  }).id;
  tree.dirty = truth.fault(0.1);
}
