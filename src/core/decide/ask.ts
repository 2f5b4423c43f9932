/**
 * Questions: what a session asks, what muster asks itself, and what becomes of one whose process is gone: it stays for the
 * person, and its answer goes to the resumed session as a message (design §6).
 */
import { type Decision, queueMessage } from "./decision.ts";
import type { AttemptId } from "../ids.ts";
import type { Observed } from "../inputs.ts";
import { specOf } from "../queries.ts";
import type { Answer, Ask } from "../attempt.ts";
import { answeredText, decideYourselfText, deniedBeforeText, deniedText } from "../texts.ts";

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
      if (known === undefined || known.detached === true) return;
      // A session that muster ends takes its questions back; they are still the person's to answer.
      if (d.attempt(att).process.is === "ending") outliveProcess(d, att);
      else d.of(att, { type: "ask.withdrawn", ask: seen.ask, why: "the session took it back" });
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

/** Opens a question that muster itself asks; it has no deadline. */
export function askPerson(
  d: Decision,
  att: AttemptId,
  kind: Ask["kind"],
  text: string,
  commit: string | null,
  rule: string | null = null,
): void {
  const ask: Ask = {
    id: `${kind}-${d.attempt(att).questions + 1}`,
    kind,
    text,
    tool: null,
    input: null,
    rule,
    commit,
    openedAt: d.now,
    deadlineAt: null,
    answer: null,
  };
  d.of(att, { type: "ask.opened", ask, offset: null });
}

/** Records an answer; where the process that asked is gone, it becomes a message. */
export function giveAnswer(
  d: Decision,
  att: AttemptId,
  ask: Ask,
  answer: Answer,
  by: "person" | "policy" | "deadline",
): void {
  d.of(att, { type: "ask.answered", ask: ask.id, answer, by });
  if (ask.detached === true) tellAnswer(d, att, ask, answer);
}

function tellAnswer(d: Decision, att: AttemptId, ask: Ask, answer: Answer): void {
  d.of(att, { type: "ask.closed", ask: ask.id });
  queueMessage(d, att, "answer", answeredText(ask, answer));
}

/** The process that asked is gone or on its way out: open questions stay, answers that it did not take become messages. */
export function outliveProcess(d: Decision, att: AttemptId): void {
  for (const ask of d.attempt(att).asks) {
    if (ask.tool === null || ask.detached === true) continue;
    if (ask.answer === null) d.of(att, { type: "ask.detached", ask: ask.id });
    else tellAnswer(d, att, ask, ask.answer);
  }
}
