/** Performs effects: starts a key once while it is due, and reports one observation with that key. */
import type { Effect } from "../core/effects.ts";
import { Fault } from "../core/fault.ts";
import type { Observed } from "../core/inputs.ts";
import type { Boundary } from "./boundary.ts";
import type { Host } from "./context.ts";
import { isFull, saysFull } from "../process/full.ts";
import { gate } from "./gate.ts";
import { landMerge, merge } from "./landing.ts";
import { provision } from "./provision.ts";
import { retire } from "./retire.ts";
import { type Sessions, sessions } from "./session.ts";
import { WorktreeGone } from "./worktree.ts";
import { commitLeftovers, inspect, takeSnapshot } from "./settle.ts";

export interface Performer {
  /** What is due now: new keys are started, keys that are no longer due are forgotten. */
  perform(effects: readonly Effect[]): void;
  /** Forgets keys that are over and no longer due: due again, they are started again. Starts nothing. */
  forget(effects: readonly Effect[]): void;
  /** Keys under way. */
  readonly keys: ReadonlySet<string>;
  readonly sessions: Sessions;
  /** Resolves once nothing but sessions is under way. */
  idle(): Promise<void>;
}

export function performer(host: Host, boundary: Boundary): Performer {
  const known = new Set<string>();
  const running = new Map<string, Promise<void>>();
  const talk = sessions(host);

  const start = async (effect: Effect): Promise<void> => {
    const { key, att } = effect;
    const startedAt = performance.now();
    boundary({ is: "before_effect", effect });
    try {
      const observed = await act(host, talk, effect);
      host.log("info", `Effect ${effect.do} finished`, {
        key,
        ms: Math.round(performance.now() - startedAt),
        saw: observed?.saw,
      });
      boundary({ is: "after_effect", effect, observed });
      if (observed !== undefined) host.report(att, key, observed);
    } catch (error) {
      host.log("error", `Effect ${effect.do} failed`, {
        key,
        error: String(error),
        stack: error instanceof Error ? error.stack : undefined,
      });
      const observed = failure(host, effect, error);
      boundary({ is: "after_effect", effect, observed });
      if (observed !== undefined) host.report(att, key, observed);
    } finally {
      running.delete(key);
    }
  };

  const forget = (effects: readonly Effect[]): void => {
    const due = new Set(effects.map(({ key }) => key));
    for (const key of known) if (!due.has(key) && !running.has(key)) known.delete(key);
  };

  return {
    keys: known,
    sessions: talk,
    forget,
    perform(effects) {
      forget(effects);
      for (const effect of effects) {
        if (known.has(effect.key)) continue;
        known.add(effect.key);
        running.set(effect.key, start(effect));
      }
    },
    async idle() {
      const others = [...running]
        .filter(([key]) => !key.startsWith("session:"))
        .map(([, promise]) => promise);
      await Promise.all(others);
    },
  };
}

/** Performs one effect; undefined where its outcome is told by the session itself. */
async function act(host: Host, talk: Sessions, effect: Effect): Promise<Observed | undefined> {
  switch (effect.do) {
    case "session":
      await talk.perform(effect);
      return undefined;
    case "send":
      await talk.send(effect);
      return undefined;
    case "answer":
      await talk.answer(effect);
      return undefined;
    case "end_session":
      await talk.end(effect);
      return undefined;
    case "provision":
      return provision(host, effect);
    case "snapshot":
      return takeSnapshot(host, effect);
    case "inspect":
      return inspect(host, effect);
    case "commit":
      return commitLeftovers(host, effect);
    case "gate":
      return gate(host, effect);
    case "merge":
      return merge(host, effect);
    case "land":
      return landMerge(host, effect);
    case "retire":
      return retire(host, effect);
  }
}

const lostCodes: ReadonlySet<string> = new Set(["refused", "not_found", "not_a_repository"]);

/** What the core hears of an effect that threw: the fact that it failed, in one line. */
function failure(host: Host, effect: Effect, error: unknown): Observed | undefined {
  const why = error instanceof Error ? (error.message.split("\n")[0] ?? "") : String(error);
  const isFault = error instanceof Fault;
  const gone = error instanceof WorktreeGone ? { gone: true as const } : {};
  const { spec, attempt } = effect;
  const folders = [host.home, spec.root, ...(attempt.worktree ? [attempt.worktree.path] : [])];
  const disk = isFull(...folders) || saysFull(error) ? { disk: true as const } : {};
  // A lock is somebody's who is at work, so it is waited for.
  const locked = isFault && error.code === "locked" ? { locked: true as const } : {};
  if (isFault && error.code === "no_login" && effect.do !== "session")
    return { saw: "needs_credentials", why };
  switch (effect.do) {
    case "provision":
      return {
        saw: "provision_failed",
        why,
        retry: !isFault || error.code === "git_failed" || error.code === "locked",
        ...disk,
      };
    case "snapshot":
      // A worktree that can't be opened will not be by waiting.
      if (isFault && lostCodes.has(error.code) && effect.attempt.phase.at !== "ending")
        return { saw: "inspect_failed", why, ...gone, ...disk };
      return { saw: "snapshot_failed", why, ...disk, ...locked };
    case "inspect":
    case "commit":
      return { saw: "inspect_failed", why, ...gone, ...disk, ...locked };
    case "gate":
      return { saw: "gate_broken", commit: effect.head.commit, why, ...disk };
    case "merge":
      return { saw: "target_missing", why, ...disk };
    case "land":
      return { saw: "checkout_in_the_way", detail: why };
    case "retire":
      return { saw: "kept", why };
    case "session":
    case "send":
    case "answer":
    case "end_session":
      return undefined; // Their outcome is the session's own exit.
  }
}
