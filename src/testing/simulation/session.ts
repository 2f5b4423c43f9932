/**
 * A simulated session: a process that takes messages, works in rounds, asks, spends, stalls and dies. What it says is a log with
 * offsets that outlives the daemon; whoever follows reads on from an offset.
 */
import type { AttemptId, RunId, Uuid } from "../../core/ids.ts";
import type { Observed, RoundFailure } from "../../core/inputs.ts";
import type { TaskSpec } from "../../core/plan.ts";
import type { Timeline } from "./timeline.ts";
import type { Truth } from "./truth.ts";

export interface Said {
  readonly offset: number;
  readonly seen: Observed;
}

export interface Session {
  readonly n: number;
  readonly pid: number;
  readonly alive: boolean;
  /** Silent in the middle of a round. */
  readonly hung: boolean;
  readonly log: readonly Said[];
  /** Called on every new entry of the log; one follower at a time. */
  follow: (() => void) | null;
  send(uuid: Uuid): void;
  answer(ask: string): void;
  end(interrupt: boolean): void;
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

const minute = 60_000;

export function startSession(birth: Birth): Session {
  const { truth, time, att, n, known } = birth;
  const { r } = truth;
  const log: Said[] = [];
  const inbox = new Set<Uuid>();
  const asks = new Set<string>();
  let alive = true;
  let hung = false;
  let busy = false;
  let asked = 0;

  const say = (make: (offset: number) => Observed): void => {
    const offset = (log.length + 1) * 100;
    log.push({ offset, seen: make(offset) });
    self.follow?.();
  };
  const charge = (): { turns: number; usd: number } => {
    const usd = r.int(8) / 64;
    truth.charged.set(birth.run, (truth.charged.get(birth.run) ?? 0) + usd);
    const tree = truth.worktrees.get(att);
    if (tree !== undefined) tree.writes++;
    return { turns: r.int(3), usd };
  };
  const exit = (code: number | null, why: string): void => {
    if (!alive) return;
    alive = false;
    busy = false;
    say(() => ({ saw: "session_exited", n, code, signal: null, why }));
  };
  const endRound = (failure: RoundFailure | "void" | null): void => {
    busy = false;
    asks.clear();
    const cost = failure === "void" ? { turns: 0, usd: 0 } : charge();
    say((offset) => ({ saw: "round_ended", failure, text: "said", offset, ...cost }));
  };
  const soon = (): void => time.after(r.between(1_000, 3 * minute), "world", act);

  function act(): void {
    if (!alive || !busy || hung || asks.size > 0) return;
    if (truth.fault(0.02)) exit(137, "killed");
    else if (truth.fault(0.02)) hung = true;
    else if (r.chance(0.12)) askSomething();
    else if (r.chance(0.4)) {
      say((offset) => ({ saw: "used", offset, ...charge() }));
      soon();
    } else {
      const failure = truth.fault(0.15) ? someFailure(birth) : null;
      if (failure === null) work(birth);
      endRound(failure);
      if (truth.fault(0.02)) exit(null, "gone while idle");
    }
    if (hung) self.follow?.();
  }
  function askSomething(): void {
    const ask = `ask-${n}-${++asked}`;
    const isQuestion = r.chance(0.3);
    asks.add(ask);
    say((offset) => ({
      saw: "asked",
      ask,
      kind: isQuestion ? "question" : "permission",
      tool: isQuestion ? "AskUserQuestion" : "Bash",
      text: "may I?",
      input: r.pick<unknown>([null, { questions: [{ question: "which?" }] }, { questions: "all" }]),
      rule: isQuestion || r.chance(0.5) ? null : r.pick(["Bash(make)", "Bash(rm)"]),
      offset,
    }));
    if (r.chance(0.2)) time.after(r.between(1, 20 * minute), "world", () => withdraw(ask));
    if (r.chance(0.1)) askSomething();
  }
  function withdraw(ask: string): void {
    if (!alive || !asks.delete(ask)) return;
    say((offset) => ({ saw: "ask_withdrawn", ask, offset }));
    if (asks.size === 0) soon();
  }

  const self: Session = {
    n,
    pid: birth.pid,
    get alive() {
      return alive;
    },
    get hung() {
      return alive && hung;
    },
    log,
    follow: null,
    send(uuid) {
      if (!alive || inbox.has(uuid)) return;
      inbox.add(uuid);
      say((offset) => ({ saw: "message_taken", uuid, offset }));
      const isOld = known.has(uuid);
      known.add(uuid);
      if (busy) return;
      busy = true;
      if (isOld && r.chance(0.5))
        time.after(1_000, "world", () => alive && busy && endRound("void"));
      else soon();
    },
    answer(ask) {
      if (alive && asks.delete(ask) && asks.size === 0) soon();
    },
    end(interrupt) {
      if (!alive) return;
      if (busy && interrupt && !hung && r.chance(0.6)) endRound({ is: "interrupted" });
      time.after(r.between(50, 10_000), "world", () => exit(143, "asked to end"));
    },
  };
  return self;
}

function someFailure({ truth: { r }, time }: Birth): RoundFailure | "void" {
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
      retryAt: time.now + r.int(120) * minute,
      detail: "limited",
    },
    { is: "credentials", detail: "401" },
    { is: "agent", detail: "it gave up" },
  ]);
}

/** What a good round leaves in the worktree: mostly a clean commit; while faults are left, something less. */
function work({ truth, att, spec }: Birth): void {
  const tree = truth.worktrees.get(att);
  if (tree === undefined) return;
  const { r } = truth;
  if (truth.fault(0.08)) return;
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
