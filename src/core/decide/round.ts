/** Rounds and their sessions: questions, ends, exits, stalls, and what to do when the world is busy. */
import { type Decision, endSession, queueMessage, windDown } from "./decision.ts";
import type { AttemptId } from "../ids.ts";
import type { Observed, RoundFailure } from "../inputs.ts";
import { specOf, unsent } from "../queries.ts";
import type { Answer, Ask, ParkReason, Process } from "../state.ts";
import { continueText, decideYourselfText, deniedBeforeText, deniedText } from "../texts.ts";

/** Resumes after crashes, stalls and agent errors since the last good round. */
const maxRecoveries = 3;
/** First back-off; doubled each time. */
const backoffMs = 2_000;
const maxBackoffMs = 15 * 60_000;

/** How the reason of an end for silence begins. */
const stalled = "stalled:";

type Saw<K extends Observed["saw"]> = Extract<Observed, { saw: K }>;

export function decideAsk(
  d: Decision,
  att: AttemptId,
  seen: Saw<"asked" | "ask_withdrawn" | "answer_taken">,
): void {
  const { asks } = d.attempt(att);
  const known = asks.find((ask) => ask.id === seen.ask);
  switch (seen.saw) {
    case "asked":
      if (known === undefined) openAsk(d, att, seen);
      return;
    case "ask_withdrawn":
      if (known !== undefined)
        d.of(att, { type: "ask.withdrawn", ask: seen.ask, why: "the session took it back" });
      return;
    case "answer_taken":
      if (known !== undefined) d.of(att, { type: "ask.closed", ask: seen.ask });
  }
}

/** A question is answered at once where the run remembers an answer, or where nobody is there; else it waits for a person. */
function openAsk(d: Decision, att: AttemptId, seen: Saw<"asked">): void {
  const attempt = d.attempt(att);
  const run = d.state.runs.get(attempt.run);
  const { waitMs: own } = specOf(d.state, attempt).permissions;
  const waitMs = own === undefined ? (run?.waitMs ?? null) : own;
  const answer = policyAnswer(
    seen,
    seen.rule === null ? undefined : run?.remembered.get(seen.rule),
    run?.attended === true && waitMs !== 0,
  );
  const deadlineAt = seen.kind === "permission" && waitMs !== null ? d.now + waitMs : null;
  const ask: Ask = {
    id: seen.ask,
    kind: seen.kind,
    text: seen.text,
    tool: seen.tool,
    input: seen.input,
    rule: seen.rule,
    commit: null,
    openedAt: d.now,
    deadlineAt,
    answer,
  };
  d.of(att, { type: "ask.opened", ask, offset: seen.offset });
  if (answer !== null) d.of(att, { type: "ask.answered", ask: ask.id, answer, by: "policy" });
}

function policyAnswer(
  seen: Saw<"asked">,
  remembered: boolean | undefined,
  attended: boolean,
): Answer | null {
  if (seen.kind === "permission" && remembered === true)
    return { is: "allow", text: null, answers: null };
  if (seen.kind === "permission" && remembered === false)
    return { is: "deny", because: deniedBeforeText(seen.tool) };
  if (attended) return null;
  return {
    is: "deny",
    because: seen.kind === "question" ? decideYourselfText : deniedText(seen.tool),
  };
}

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
  for (const ask of was.asks)
    d.of(att, { type: "ask.withdrawn", ask: ask.id, why: "its round is over" });
  if (d.attempt(att).phase.at !== "settling" || failure === null) return;
  if (failure === "void") {
    queueMessage(d, att, "continue", continueText("its last message was already known"));
    return;
  }
  onFailure(d, att, failure);
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
      queueMessage(d, att, "continue", continueText(failure.detail));
      parkFor(
        d,
        att,
        failure.reason,
        failure.detail,
        failure.retryAt === null ? null : failure.retryAt - d.now,
      );
      return;
    case "credentials":
      queueMessage(d, att, "continue", continueText("the credentials were refused"));
      d.of(att, {
        type: "attempt.parked",
        park: { reason: "credentials", detail: failure.detail, until: null },
      });
      endSession(d, att, "credentials", false);
      return;
    case "interrupted": {
      const silent = stalledSince(d.attempt(att).process);
      if (silent === null) queueMessage(d, att, "continue", continueText("it was interrupted"));
      else recover(d, att, "stalled", silent);
      return;
    }
    case "agent":
      recover(d, att, "agent_error", failure.detail);
  }
}

/** Resumes after a growing pause, at most `maxRecoveries` times; then the task fails, or asks where it only went silent. */
function recover(
  d: Decision,
  att: AttemptId,
  reason: "agent_error" | "crashed" | "stalled",
  detail: string,
): void {
  const attempt = d.attempt(att);
  if (attempt.recoveries < maxRecoveries) {
    if (!unsent(attempt)) queueMessage(d, att, "continue", continueText(detail));
    parkFor(d, att, "backoff", detail);
    return;
  }
  if (reason !== "stalled") {
    windDown(d, att, { is: "failed", reason, detail });
    return;
  }
  d.of(att, { type: "attempt.returned", why: detail });
  askPerson(d, att, "stalled", `${detail}; answer with what to do next, or stop the task`, null);
}

/** Opens a question that muster itself asks; it has no deadline. */
export function askPerson(
  d: Decision,
  att: AttemptId,
  kind: Ask["kind"],
  text: string,
  commit: string | null,
): void {
  const ask: Ask = {
    id: `${kind}-${d.attempt(att).seedUsed}-${d.attempt(att).snapshots}`,
    kind,
    text,
    tool: null,
    input: null,
    rule: null,
    commit,
    openedAt: d.now,
    deadlineAt: null,
    answer: null,
  };
  d.of(att, { type: "ask.opened", ask, offset: null });
}

/** Parks for `afterMs`, at least the back-off of the attempt's recoveries, plus up to a quarter of jitter. */
export function parkFor(
  d: Decision,
  att: AttemptId,
  reason: ParkReason,
  detail: string,
  afterMs: number | null = null,
): void {
  const attempt = d.attempt(att);
  const again = reason === "backoff" ? attempt.recoveries : attempt.outages;
  const grows = reason === "checkout" || reason === "disk" ? 0 : Math.min(again, 10);
  const backoff = Math.min(maxBackoffMs, backoffMs * 2 ** grows);
  const wait = Math.max(afterMs ?? 0, backoff);
  const jitter = Number.parseInt(d.fresh().slice(0, 4), 16) / 0xffff;
  d.of(att, {
    type: "attempt.parked",
    park: { reason, detail, until: d.now + Math.round(wait * (1 + jitter / 4)) },
  });
}

export function decideStall(d: Decision, att: AttemptId, seen: Saw<"stalled">): void {
  const { phase, slot } = d.attempt(att);
  if (phase.at === "working" && slot)
    endSession(
      d,
      att,
      `${stalled}silent for ${Math.round(seen.silentMs / 1000)} s during ${seen.during}`,
      true,
    );
}

/** What is known of the silence that a process is ended for; null where it is not ended for one. */
function stalledSince(process: Process): string | null {
  if (process.is !== "ending" || !process.why.startsWith(stalled)) return null;
  return process.why.slice(stalled.length);
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
  for (const ask of was.asks)
    if (ask.tool !== null)
      d.of(att, { type: "ask.withdrawn", ask: ask.id, why: "its session ended" });
  if (was.phase.at !== "working") return;
  if (seen.saw === "session_failed_to_start" && seen.credentials) {
    d.of(att, {
      type: "attempt.parked",
      park: { reason: "credentials", detail: seen.why, until: null },
    });
    return;
  }
  const silent = stalledSince(was.process);
  if (silent !== null) recover(d, att, "stalled", silent);
  else if (was.process.is !== "ending") recover(d, att, "crashed", seen.why);
  else if (!unsent(d.attempt(att))) queueMessage(d, att, "continue", continueText("it was paused"));
}
