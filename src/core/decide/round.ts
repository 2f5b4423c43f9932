/** Rounds and their sessions: ends, exits, stalls, and what to do when the world is busy. */
import { askPerson, outliveProcess } from "./ask.ts";
import { closeBreakers, openBreaker } from "./breaker.ts";
import { type Decision, endSession, queueMessage, windDown } from "./decision.ts";
import type { AttemptId } from "../ids.ts";
import type { Observed, RoundFailure } from "../inputs.ts";
import {
  address,
  handoverAsked,
  isHeld,
  stalled,
  stalledSince,
  stallsWithin,
  unsent,
  waitsForAnswer,
} from "../queries.ts";
import type { ParkReason, Process } from "../attempt.ts";
import { continueText } from "../texts.ts";

/** Resumes after crashes and agent errors since the last good round. */
const maxRecoveries = 3;
/** Resumes after silences within `stallWindowMs`. */
const maxStalls = 3;
/** First back-off; doubled each time. */
const backoffMs = 2_000;
/** A full disk is looked at this often: each look is a few events. */
const diskMs = 10_000;
const maxBackoffMs = 15 * 60_000;
/** After a kill for want of memory: the kernel's own measure of pressure is a mean over so long. */
const memoryMs = 10_000;
/** A longer wait is not spread any wider. */
const maxJitteredMs = 2 * 60_000;

type Saw<K extends Observed["saw"]> = Extract<Observed, { saw: K }>;

export function decideRoundEnd(d: Decision, att: AttemptId, seen: Saw<"round_ended">): void {
  const was = d.attempt(att);
  const { failure } = seen;
  const outcome = failure === null ? "completed" : failure === "void" ? "void" : "error";
  const why = failure === null || failure === "void" ? null : describe(failure);
  d.of(att, {
    type: "round.ended",
    outcome,
    why,
    text: seen.text,
    turns: seen.turns,
    usd: seen.usd,
    offset: seen.offset,
  });
  if (failure === null) closeBreakers(d, att);
  if (failure === null && handoverAsked(was)?.taken === true) handOver(d, att, seen.text);
  closeAsks(d, att, was.process, failure);
  if (d.attempt(att).phase.at !== "settling" || failure === null) return;
  if (failure === "void") {
    queueContinue(d, att, null);
    return;
  }
  onFailure(d, att, failure);
}

/** Has the session go on, with all that it was not told of yet: how its process ended, and `why` it is spoken to. */
function queueContinue(d: Decision, att: AttemptId, why: string | null): void {
  const { cutOff } = d.attempt(att);
  const whole = [cutOff, why].filter((part) => part !== null).join(", then ");
  const told = whole === "" ? "its last message was already known" : whole;
  queueMessage(d, att, "continue", continueText(told));
}

/** What it wrote is where a new session begins; without a word it goes on itself, and Claude Code compacts it. */
function handOver(d: Decision, att: AttemptId, text: string): void {
  if (text.trim() === "" || d.attempt(att).phase.at !== "idle") return;
  d.of(att, { type: "session.handed_over", text });
  endSession(d, att, "handed over", false);
}

/** A question ends with its round, unless muster interrupted the round: then it stays for the person. */
function closeAsks(
  d: Decision,
  att: AttemptId,
  process: Process,
  failure: RoundFailure | "void" | null,
): void {
  const isCutOff = failure !== null && failure !== "void" && failure.is === "interrupted";
  if (isCutOff && process.is === "ending") outliveProcess(d, att);
  else
    for (const { id } of d.attempt(att).asks)
      d.of(att, { type: "ask.withdrawn", ask: id, why: "its round is over" });
}

function describe(failure: RoundFailure): string {
  return "detail" in failure ? failure.detail : failure.is;
}

function onFailure(d: Decision, att: AttemptId, failure: RoundFailure): void {
  switch (failure.is) {
    case "max_turns":
    case "max_budget":
      windDown(d, att, { is: "failed", reason: "budget_exhausted", detail: failure.is });
      return;
    case "unavailable":
      queueContinue(d, att, failure.detail);
      parkFor(
        d,
        att,
        failure.reason,
        failure.detail,
        failure.retryAt === null ? null : failure.retryAt - d.now,
      );
      openBreaker(d, att, {
        ...failure,
        until: d.attempt(att).park?.until ?? d.now,
        said: failure.retryAt,
      });
      return;
    case "credentials":
      queueContinue(d, att, "the credentials were refused");
      // Those of its start; the run has others by now, and it goes on with them.
      if (hasOldCredential(d, att)) {
        endSession(d, att, "credentials", false);
        return;
      }
      d.of(att, {
        type: "attempt.parked",
        park: { reason: "credentials", detail: failure.detail, until: null },
      });
      openBreaker(d, att, { ...failure, reason: "credentials", until: null, said: null });
      endSession(d, att, "credentials", false);
      return;
    case "interrupted": {
      const silent = stalledSince(d.attempt(att).process);
      if (silent !== null) wake(d, att, silent);
      else if (waitsForAnswer(d.attempt(att))) waitForAnswer(d, att);
      else queueContinue(d, att, "it was interrupted");
      return;
    }
    case "agent":
      recover(d, att, "agent_error", failure.detail);
  }
}

function hasOldCredential(d: Decision, att: AttemptId): boolean {
  const { run, credential } = d.attempt(att);
  return d.state.runs.get(run)?.credential !== credential;
}

/** What a round that was cut off in a question left is not looked at before the answer has been worked on. */
function waitForAnswer(d: Decision, att: AttemptId): void {
  if (d.attempt(att).phase.at === "settling")
    d.of(att, { type: "attempt.returned", why: "its question waits for a person" });
}

/** Resumes after a growing pause, at most `maxRecoveries` times; then the task fails. */
function recover(
  d: Decision,
  att: AttemptId,
  reason: "agent_error" | "crashed",
  detail: string,
  park: "backoff" | "memory" = "backoff",
): void {
  if (d.attempt(att).recoveries >= maxRecoveries) {
    windDown(d, att, { is: "failed", reason, detail });
    return;
  }
  goOn(d, att, detail);
  parkFor(d, att, park, detail);
}

/** Resumes after a growing pause, at most `maxStalls` times within an hour; then a person is asked, with what is known of it. */
function wake(d: Decision, att: AttemptId, silent: string): void {
  const { run, task, ...attempt } = d.attempt(att);
  const before = stallsWithin(attempt, d.now).length;
  if (before < maxStalls) {
    goOn(d, att, silent);
    const until = afterWait(d, { leastMs: backoffMs, again: before });
    d.of(att, {
      type: "attempt.parked",
      park: { reason: "backoff", detail: silent, until },
      stalled: true,
    });
    return;
  }
  d.of(att, { type: "attempt.returned", why: silent });
  const known = `${silent}; resumed ${before} times within an hour, see muster logs ${address(run, task)}`;
  askPerson(d, att, "stalled", `${known}; answer with what to do next, or stop the task`, null);
}

function goOn(d: Decision, att: AttemptId, why: string): void {
  const attempt = d.attempt(att);
  if (waitsForAnswer(attempt)) waitForAnswer(d, att);
  else if (!unsent(attempt)) queueContinue(d, att, why);
}

/**
 * Parks for `afterMs`, at least the back-off of the attempt's recoveries, or of its `looks` at a worktree that can't be looked at, plus
 * up to a quarter of jitter.
 */
export function parkFor(
  d: Decision,
  att: AttemptId,
  reason: ParkReason,
  detail: string,
  afterMs: number | null = null,
  look: { readonly unsaved: boolean } | null = null,
): void {
  const attempt = d.attempt(att);
  const isRecovery = reason === "backoff" || reason === "memory";
  const grows = reason !== "checkout" && reason !== "disk";
  const before = look !== null ? attempt.unread : isRecovery ? attempt.recoveries : attempt.outages;
  const until = afterWait(d, {
    leastMs: reason === "disk" ? diskMs : backoffMs,
    again: grows ? before : 0,
    afterMs: Math.max(afterMs ?? 0, reason === "memory" ? memoryMs : 0),
  });
  d.of(att, {
    type: "attempt.parked",
    park: { reason, detail, until, ...(look?.unsaved === true && { unsaved: true }) },
    ...(look !== null && reason !== "disk" && { unread: true }),
  });
}

interface Wait {
  readonly leastMs: number;
  /** How often it waited before: the wait is doubled each time. */
  readonly again: number;
  readonly afterMs?: number;
}

function afterWait(d: Decision, { leastMs, again, afterMs = 0 }: Wait): number {
  const backoff = Math.min(maxBackoffMs, leastMs * 2 ** Math.min(again, 10));
  const wait = Math.max(afterMs, backoff);
  const share = Number.parseInt(d.fresh().slice(0, 4), 16) / 0xffff;
  const jitter = (share / 4) * Math.min(wait, maxJitteredMs);
  return d.now + Math.round(wait + jitter);
}

export function decideStall(d: Decision, att: AttemptId, seen: Saw<"stalled">): void {
  const { phase, slot } = d.attempt(att);
  if (phase.at !== "working" || !slot) return;
  const within = seen.tool === undefined ? "" : `, in ${seen.tool}`;
  const silent = `silent for ${Math.round(seen.silentMs / 1000)} s during ${seen.during}${within}`;
  endSession(d, att, `${stalled}${silent}`, true);
}

function isOfMemory(seen: Saw<"session_exited" | "session_failed_to_start">): boolean {
  return seen.saw === "session_exited" && seen.memory === true;
}

export function decideExit(
  d: Decision,
  att: AttemptId,
  seen: Saw<"session_exited" | "session_failed_to_start">,
): void {
  const was = d.attempt(att);
  if (was.process.is === "none" || was.process.n !== seen.n) return;
  const exit =
    seen.saw === "session_exited"
      ? { code: seen.code, signal: seen.signal }
      : { code: null, signal: null };
  d.of(att, { type: "session.exited", n: seen.n, ...exit, why: seen.why });
  if (was.phase.at !== "working") {
    for (const ask of was.asks)
      if (ask.tool !== null && ask.detached !== true)
        d.of(att, { type: "ask.withdrawn", ask: ask.id, why: "its session ended" });
    return;
  }
  outliveProcess(d, att);
  if (seen.saw === "session_failed_to_start" && seen.credentials) {
    d.of(att, {
      type: "attempt.parked",
      park: { reason: "credentials", detail: seen.why, until: null },
    });
    return;
  }
  if (seen.disk === true) {
    parkFor(d, att, "disk", seen.why);
    return;
  }
  if (seen.saw === "session_failed_to_start" && seen.gone === true) {
    windDown(d, att, { is: "failed", reason: "worktree_gone", detail: seen.why });
    return;
  }
  // As before every other terminal: whoever leaves it resumes.
  if (seen.saw === "session_failed_to_start" && seen.held === true) {
    if (!isHeld(d.state, d.attempt(att))) d.ofTask(att, { type: "task.paused" });
    return;
  }
  const silent = stalledSince(was.process);
  if (silent !== null) wake(d, att, silent);
  else if (was.process.is !== "ending")
    recover(d, att, "crashed", seen.why, isOfMemory(seen) ? "memory" : "backoff");
}
