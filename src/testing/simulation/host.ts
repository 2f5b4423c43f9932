/**
 * The simulated host: performs due effects against the truth. It remembers in memory which keys are due and starts a key once as
 * long as it is; what it reports may come late, twice and out of order, but one session's log comes in order, and its end comes last.
 */
import type { Effect } from "../../core/effects.ts";
import type { AttemptId, Uuid } from "../../core/ids.ts";
import type { Observation, Observed } from "../../core/inputs.ts";
import type { State } from "../../core/state.ts";
import { gate, land, merge, provision } from "./perform.ts";
import { type Session, startSession } from "./session.ts";
import type { Timeline } from "./timeline.ts";
import type { Truth } from "./truth.ts";

export interface Host {
  perform(effects: readonly Effect[]): void;
  /** The daemon dies: what it was doing and what it had not reported is gone. Sessions go on. */
  crash(): void;
  /** Live processes of an attempt. */
  live(att: AttemptId): number;
  readonly sessions: ReadonlyMap<AttemptId, readonly Session[]>;
  readonly performed: ReadonlyMap<string, number>;
}

interface Options {
  readonly truth: Truth;
  readonly time: Timeline;
  state(): State;
  deliver(observation: Observation): void;
}

const silenceMs = 300_000;
const noLogin: Observed = { saw: "needs_credentials", why: "the restart lost them" };

export function host({ truth, time, state, deliver }: Options): Host {
  const { r } = truth;
  const known = new Set<string>();
  const running = new Set<string>();
  const sessions = new Map<AttemptId, Session[]>();
  const transcripts = new Map<AttemptId, Set<Uuid>>();
  const gone = new Set<AttemptId>();
  const performed = new Map<string, number>();
  let pids = 100;

  const report = (effect: Effect, seen: Observed): void => {
    const { att, key } = effect;
    time.after(r.chance(0.1) ? r.int(600_000) : r.int(2_000), "daemon", () => {
      running.delete(key);
      again({ att, key, ...seen });
      deliver({ att, key, ...seen });
    });
  };
  /** Now and then the same news come once more, at once or hours later. */
  const again = (observation: Observation): void => {
    if (truth.fault(0.05))
      time.after(r.pick([0, 1_000, 7_200_000]), "daemon", () => deliver(observation));
  };
  const within = (effect: Effect, delayMs: number, act: () => Observed | null): void => {
    time.after(delayMs, "daemon", () => {
      const seen = truth.fault(0.005) ? noLogin : act();
      if (seen === null) running.delete(effect.key);
      else report(effect, seen);
    });
  };
  const follow = (effect: Effect & { do: "session" }, session: Session): void => {
    const { att, key } = effect;
    const attempt = state().attempts.get(att);
    let next = session.log.findIndex(
      ({ offset, seen }) => offset > (attempt?.offset ?? 0) || seen.saw === "session_exited",
    );
    if (next < 0) next = session.log.length;
    let freeAt = time.now;
    const tell = (seen: Observed): void => {
      freeAt = Math.max(freeAt, time.now + r.int(r.chance(0.1) ? 120_000 : 1_000));
      time.after(freeAt - time.now, "daemon", () => {
        if (seen.saw === "session_exited") running.delete(key);
        again({ att, key, ...seen });
        deliver({ att, key, ...seen });
      });
    };
    if (attempt?.process.is === "starting")
      tell({ saw: "session_started", n: session.n, pid: session.pid, version: "2.1.0" });
    const watch = (): void => {
      time.after(silenceMs, "daemon", () => {
        if (session.follow !== pump || !session.hung) return;
        tell({ saw: "stalled", silentMs: silenceMs, during: "model" });
        watch();
      });
    };
    let watched = false;
    const pump = (): void => {
      for (; next < session.log.length; next++) {
        const said = session.log[next];
        if (said !== undefined) tell(said.seen);
      }
      if (session.hung && !watched) {
        watched = true;
        watch();
      }
    };
    session.follow = pump;
    pump();
    if (truth.fault(0.01)) tell({ saw: "stalled", silentMs: silenceMs, during: "tool" });
  };
  const ofAttempt = (att: AttemptId): Session[] => {
    const list = sessions.get(att) ?? [];
    sessions.set(att, list);
    return list;
  };
  const live = (att: AttemptId): number => ofAttempt(att).filter(({ alive }) => alive).length;

  const session = (effect: Effect & { do: "session" }): void => {
    const { att, n, spec } = effect;
    const made = ofAttempt(att).find((one) => one.n === n);
    if (made !== undefined) {
      follow(effect, made);
      return;
    }
    time.after(r.int(5_000), "daemon", () => {
      if (truth.fault(0.06)) {
        report(effect, {
          saw: "session_failed_to_start",
          n,
          why: "no binary",
          credentials: r.chance(0.3),
        });
        return;
      }
      if (live(att) > 0) throw new Error(`${att} has a live process and start ${n} makes another`);
      if (truth.worktrees.get(att)?.isReady !== true)
        throw new Error(`${att} starts in a worktree that is not ready`);
      const messages = transcripts.get(att) ?? new Set<Uuid>();
      transcripts.set(att, messages);
      const { run } = effect.attempt;
      const born = { truth, time, run, att, spec, n, pid: ++pids, known: messages };
      const one = startSession(born);
      ofAttempt(att).push(one);
      follow(effect, one);
    });
  };

  const talk = (effect: Effect & { do: "send" | "answer" | "end_session" }): void => {
    const one = ofAttempt(effect.att).find(({ n }) => n === effect.n);
    time.after(r.int(2_000), "daemon", () => {
      if (effect.do === "send") one?.send(effect.message.uuid);
      if (effect.do === "end_session") one?.end(effect.interrupt);
      running.delete(effect.key);
      if (effect.do !== "answer") return;
      one?.answer(effect.ask);
      report(effect, { saw: "answer_taken", ask: effect.ask });
    });
  };

  const start = (effect: Effect): void => {
    const { att } = effect;
    const tree = (): ReturnType<typeof truth.worktrees.get> => truth.worktrees.get(att);
    switch (effect.do) {
      case "provision":
        within(effect, r.between(500, 120_000), () => {
          if (gone.has(att)) throw new Error(`${att} is retired while its worktree is being made`);
          return provision(truth, effect);
        });
        return;
      case "session":
        session(effect);
        return;
      case "send":
      case "answer":
      case "end_session":
        talk(effect);
        return;
      case "snapshot":
        within(effect, r.int(3_000), () => {
          const at = tree();
          if (at === undefined) return null;
          if (truth.fault(0.03)) return { saw: "snapshot_failed", why: "disk full" };
          at.saved = at.writes;
          return { saw: "snapshot", ref: effect.ref, commit: truth.commit([]).id, left: 0 };
        });
        return;
      case "inspect":
        within(effect, r.int(1_000), () => {
          const at = tree();
          if (at === undefined) return null;
          if (truth.fault(0.02)) return { saw: "inspect_failed", why: "not a repository" };
          const { id, tree: content, outside, missing, related, onTarget } = truth.of(at.head);
          const head = { commit: id, tree: content };
          return {
            saw: "inspected",
            head,
            dirty: at.dirty,
            related,
            onTarget,
            outside: effect.spec.paths === null ? [] : outside,
            missing,
          };
        });
        return;
      case "commit":
        within(effect, r.int(1_000), () => {
          const at = tree();
          if (at === undefined) return null;
          const was = truth.of(at.head);
          if (at.dirty)
            at.head = truth.commit([...was.changes, truth.change(att)], {
              outside: was.outside,
              missing: was.missing,
            }).id;
          at.dirty = false;
          return { saw: "committed", head: { commit: at.head, tree: truth.of(at.head).tree } };
        });
        return;
      case "gate":
        within(effect, r.between(1_000, 600_000), () => gate(truth, effect));
        return;
      case "merge":
        within(effect, r.int(2_000), () => merge(truth, effect));
        return;
      case "land":
        within(effect, r.int(5_000), () => land(truth, effect));
        return;
      case "retire":
        within(effect, r.int(5_000), () => {
          gone.add(att);
          const left = tree();
          if (left !== undefined && left.saved < left.writes)
            throw new Error(`${att} is retired with ${left.writes - left.saved} unsaved writes`);
          if (left !== undefined && truth.fault(0.1)) return { saw: "kept", why: "a large file" };
          if (effect.attempt.worktree !== null) truth.worktrees.delete(att);
          return { saw: "retired", ref: left === undefined ? null : "refs/muster/rescue/x" };
        });
    }
  };

  return {
    performed,
    sessions,
    live,
    perform(effects) {
      const due = new Set(effects.map(({ key }) => key));
      for (const key of known) if (!due.has(key) && !running.has(key)) known.delete(key);
      for (const effect of effects) {
        if (known.has(effect.key)) continue;
        known.add(effect.key);
        running.add(effect.key);
        performed.set(effect.do, (performed.get(effect.do) ?? 0) + 1);
        start(effect);
      }
    },
    crash() {
      known.clear();
      running.clear();
      time.forget();
      for (const list of sessions.values()) for (const one of list) one.follow = null;
    },
  };
}
