/**
 * Due: the effects that should be going on now, and when time will next make a difference. A pure function of the state and
 * the time, O(open attempts). It never chooses: an effect is due because an event says so, until an event ends it.
 */
import type { Basis, Due, Effect, Handover } from "./effects.ts";
import { phaseKey, sessionKey, snapshotRef } from "./keys.ts";
import { gateOf, handoverAsked, ownAsk, specOf, spent } from "./queries.ts";
import type { Attempt, Phase } from "./attempt.ts";
import type { State } from "./state.ts";

/** What should be happening at `now`. */
export function due(state: State, now: number): Due {
  const effects: Effect[] = [];
  const budgetLeft = budgets(state);
  let wakeAt = Number.POSITIVE_INFINITY;
  for (const { until } of state.breakers.values())
    if (until !== null && until > now) wakeAt = Math.min(wakeAt, until);
  for (const attempt of state.attempts.values()) {
    pushEffects(effects, state, attempt, budgetLeft);
    wakeAt = Math.min(wakeAt, wakesAt(state, attempt));
  }
  return { effects, wakeAt: Number.isFinite(wakeAt) ? Math.max(wakeAt, now) : null };
}

function pushEffects(
  effects: Effect[],
  state: State,
  attempt: Attempt,
  budgetLeft: (attempt: Attempt) => number,
): void {
  const base = { att: attempt.id, attempt, spec: specOf(state, attempt) };
  const { process } = attempt;
  if (process.is !== "none") {
    const resume = process.is === "starting" && process.resume;
    effects.push({
      ...base,
      do: "session",
      key: sessionKey(attempt.id, process.n),
      n: process.n,
      resume,
      usd: process.is === "starting" ? usdLeft(state, attempt, budgetLeft(attempt)) : 0,
    });
  }
  if (process.is === "ending") {
    const how = process.interrupt ? "interrupt" : "end";
    effects.push({
      ...base,
      do: "end_session",
      key: `end:${attempt.id}:${process.n}:${how}`,
      n: process.n,
      interrupt: process.interrupt,
    });
  }
  if (process.is === "live") pushTalk(effects, base, process.n);
  const effect = phaseEffect(state, base);
  if (effect !== undefined) effects.push(effect);
}

/** What is left of the attempt's budget and of its run's, whichever is less. */
function usdLeft(state: State, attempt: Attempt, ofRun: number): number {
  return Math.min(specOf(state, attempt).limits.usd - attempt.usage.usd, ofRun);
}

/** What is left of the budget of an attempt's run; added up once per run. */
function budgets(state: State): (attempt: Attempt) => number {
  const left = new Map<string, number>();
  return ({ run: id }) => {
    const known = left.get(id);
    if (known !== undefined) return known;
    const run = state.runs.get(id);
    const usd = run === undefined ? Number.POSITIVE_INFINITY : run.usd - spent(state, run);
    left.set(id, usd);
    return usd;
  };
}

type Base = Pick<Effect, "att" | "attempt" | "spec">;
type Keyed = Base & Pick<Effect, "key">;

/** What the live session is to hear: answers, and while its round holds a slot, messages. */
function pushTalk(effects: Effect[], base: Base, n: number): void {
  const { attempt } = base;
  if (attempt.phase.at !== "working" || !attempt.slot) return;
  for (const ask of attempt.asks)
    if (ask.answer !== null)
      effects.push({
        ...base,
        do: "answer",
        key: `answer:${attempt.id}:${n}:${ask.id}`,
        n,
        ask: ask.id,
        answer: ask.answer,
      });
  if (attempt.phase.unsaved === true) return;
  const first = handoverAsked(attempt);
  for (const message of first === undefined ? attempt.mail : [first])
    if (!message.taken)
      effects.push({
        ...base,
        do: "send",
        key: `send:${attempt.id}:${n}:${message.uuid}`,
        n,
        message,
      });
}

function phaseEffect(state: State, of: Base): Effect | undefined {
  const { attempt } = of;
  const { phase } = attempt;
  const base = { ...of, key: phaseKey(attempt) ?? "" };
  switch (phase.at) {
    case "provisioning":
      if (attempt.park !== null || ownAsk(attempt) !== undefined) return undefined;
      return {
        ...base,
        do: "provision",
        ...standsOn(state, base),
        trusted: state.projects.get(base.spec.project)?.trusted ?? [],
      };
    case "idle":
      return savesNow(attempt, phase)
        ? { ...base, do: "snapshot", ref: snapshotRef(attempt) }
        : undefined;
    case "settling":
      return attempt.park === null ? settlingEffect(base, phase.step) : undefined;
    case "verifying": {
      if (!phase.admitted || attempt.park !== null) return undefined;
      const commands = gateOf(state, base.spec) ?? [];
      return { ...base, do: "gate", head: phase.head, on: "head", commands };
    }
    case "queued":
      return attempt.park === null ? queueEffect(state, base, phase) : undefined;
    case "ending":
      if (attempt.process.is !== "none" || phase.saved || attempt.park !== null) return undefined;
      return { ...base, do: "snapshot", ref: snapshotRef(attempt) };
    case "ended":
      if (attempt.process.is !== "none") return undefined;
      return { ...base, do: "retire", outcome: phase.outcome };
    case "working":
      return phase.unsaved === true
        ? { ...base, do: "snapshot", ref: snapshotRef(attempt) }
        : undefined;
    case "verified":
      return undefined;
  }
}

/**
 * What a broken-off round left is kept at once, also under a pause or a park, and what a person changed meanwhile is before the
 * next message (design §7): as soon as no process of ours is on its way up or down.
 */
function savesNow({ park, process }: Attempt, { saved }: Phase & { at: "idle" }): boolean {
  const rests = process.is === "none" || process.is === "live";
  const mayTry =
    park?.reason !== "disk" && park?.reason !== "credentials" && park?.unsaved !== true;
  return !saved && rests && mayTry;
}

function settlingEffect(base: Keyed, step: (Phase & { at: "settling" })["step"]): Effect {
  switch (step) {
    case "snapshot":
      return { ...base, do: "snapshot", ref: snapshotRef(base.attempt) };
    case "inspect":
      return { ...base, do: "inspect" };
    case "commit":
      return { ...base, do: "commit" };
  }
}

/** A landing that is under way goes on under a pause, as a round does; a park holds it up. */
function queueEffect(
  state: State,
  base: Keyed,
  { head, step }: Phase & { at: "queued" },
): Effect | undefined {
  switch (step.is) {
    case "waiting":
      return undefined;
    case "merging":
      return { ...base, do: "merge", head, unsigned: base.attempt.unsigned };
    case "gating": {
      if (!step.admitted) return undefined;
      const { commit, tree } = step.merge;
      const commands = gateOf(state, base.spec) ?? [];
      return { ...base, do: "gate", head: { commit, tree }, on: "merge", commands };
    }
    case "landing":
      return { ...base, do: "land", head, merge: step.merge };
  }
}

/** What a new worktree stands on: needed commits of the same project to merge in, artifacts of others to copy. */
function standsOn(
  state: State,
  { attempt, spec }: Base,
): { basis: Basis[]; handovers: Handover[] } {
  const basis: Basis[] = [];
  const handovers: Handover[] = [];
  const run = state.runs.get(attempt.run);
  for (const need of spec.needs) {
    const needed = run?.tasks.get(need.key);
    const head = attempt.basis[need.key];
    if (needed === undefined || head === undefined) continue;
    if (need.merge) basis.push({ key: need.key, head });
    else if (needed.spec.artifacts.length > 0)
      handovers.push({
        key: need.key,
        root: needed.spec.root,
        commit: head,
        artifacts: needed.spec.artifacts,
      });
  }
  return { basis, handovers };
}

/** When the passing of time alone changes something for this attempt. */
function wakesAt(state: State, attempt: Attempt): number {
  const times = [attempt.park?.until ?? Number.POSITIVE_INFINITY];
  for (const ask of attempt.asks)
    if (ask.answer === null && ask.deadlineAt !== null) times.push(ask.deadlineAt);
  if (attempt.phase.at === "working" && attempt.slot) times.push(timesOutAt(state, attempt));
  return Math.min(...times);
}

/** When a round in flight uses up the attempt's minutes. */
export function timesOutAt(state: State, attempt: Attempt): number {
  if (attempt.phase.at !== "working") return Number.POSITIVE_INFINITY;
  const limitMs = specOf(state, attempt).limits.minutes * 60_000;
  return attempt.phase.since + limitMs - attempt.workedMs;
}
