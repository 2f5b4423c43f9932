/** A person's word on a task: answers, approvals, rejections, trust, and what is said to a session unasked. */
import { giveAnswer } from "./ask.ts";
import { type Decision, queueMessage, windDown } from "./decision.ts";
import { verify } from "./proof.ts";
import { requireActive, requireRun } from "./target.ts";
import { Fault } from "../fault.ts";
import type { AttemptId, RunId } from "../ids.ts";
import type { Command } from "../inputs.ts";
import { gateOf, openAsks, ownAsk, specOf } from "../queries.ts";
import type { Answer, Ask, Attempt } from "../attempt.ts";

export function tell(d: Decision, attempt: Attempt, text: string): void {
  const { phase, id } = attempt;
  if (
    phase.at === "ending" ||
    phase.at === "ended" ||
    (phase.at === "queued" && phase.step.is === "landing")
  )
    throw new Fault(
      "refused",
      `${attempt.run}/${attempt.task} is past its session: it is ${phase.at === "queued" ? "landing" : phase.at}`,
      {
        remedy: `muster show ${attempt.run}`,
      },
    );
  for (const ask of attempt.asks)
    if (ask.tool === null && ask.kind !== "trust") d.of(id, { type: "ask.closed", ask: ask.id });
  queueMessage(d, id, "tell", text);
}

function requireAsk(attempt: Attempt, id: string | null): Ask {
  const open = openAsks(attempt);
  const found = id === null ? open[0] : open.find((ask) => ask.id === id);
  if (found !== undefined) return found;
  const what = id === null ? "has no open question" : `has no open question ${id}`;
  throw new Fault("refused", `${attempt.run}/${attempt.task} ${what}`, { remedy: "muster ls" });
}

export function answer(d: Decision, command: Extract<Command, { type: "answer" }>): void {
  const attempt = requireActive(d, command.run, command.task);
  const ask = requireAsk(attempt, command.ask);
  if (!requireRun(d, command.run).attended) d.emit({ type: "run.attended", run: command.run });
  if (ask.tool === null) {
    answerOwn(d, attempt, ask, command);
    return;
  }
  const given = toAnswer(ask, command.answer);
  giveAnswer(d, attempt.id, ask, given, "person");
  if (ask.kind !== "permission" || ask.rule === null) return;
  const { run } = command;
  d.emit({ type: "answer.remembered", run, rule: ask.rule, allow: given.is === "allow" });
  answerAlike(d, attempt.run, ask.rule, given);
}

/** An answer holds for the same rule in the run: whoever else waits with it is answered too. */
function answerAlike(d: Decision, run: RunId, rule: string, given: Answer): void {
  for (const { id, ...other } of [...d.state.attempts.values()])
    if (other.run === run)
      for (const ask of other.asks)
        if (ask.answer === null && ask.kind === "permission" && ask.rule === rule)
          giveAnswer(d, id, ask, given, "policy");
}

/** A question of muster's own: yes approves, no rejects, a text goes to the session. */
function answerOwn(
  d: Decision,
  attempt: Attempt,
  ask: Ask,
  command: Extract<Command, { type: "answer" }>,
): void {
  const { run, task, answer: given } = command;
  const isYesOrNo = ask.kind === "trust";
  if (given.is === "text" && !isYesOrNo) tell(d, attempt, given.text);
  else if (given.is === "text")
    throw new Fault("usage", `${run}/${task} asks for a yes or a no`, {
      remedy: `muster answer ${run}/${task} --allow, or --deny`,
    });
  else if (given.is === "deny") reject(d, { type: "reject", run, task, because: given.because });
  else if (ask.kind === "approval") approve(d, { type: "approve", run, task, gate: false });
  else if (ask.kind === "trust") trustAsked(d, attempt, ask);
  else
    throw new Fault("usage", `${run}/${task} asks what to do, not yes or no`, {
      remedy: `muster answer ${run}/${task} "TEXT"`,
    });
}

function toAnswer(ask: Ask, given: Extract<Command, { type: "answer" }>["answer"]): Answer {
  switch (given.is) {
    case "allow":
      return { is: "allow", text: null, answers: null };
    case "deny":
      return { is: "deny", because: given.because };
    case "text":
      if (ask.kind !== "question") return { is: "deny", because: given.text };
      return { is: "allow", text: given.text, answers: questionAnswers(ask.input, given.text) };
  }
}

/** AskUserQuestion takes its answers by question text; one text answers all of them. */
function questionAnswers(input: unknown, text: string): Record<string, string> {
  const questions: unknown = (input as { questions?: unknown } | null)?.questions;
  if (!Array.isArray(questions)) return {};
  const asked = questions.map((one: { question?: unknown } | null) => one?.question);
  return Object.fromEntries(
    asked.filter((question) => typeof question === "string").map((question) => [question, text]),
  );
}

export function approve(
  d: Decision,
  { run, task, gate }: Extract<Command, { type: "approve" }>,
): void {
  const attempt = requireActive(d, run, task);
  const ask = openAsks(attempt).find(({ kind }) => kind === "approval" || kind === "trust");
  if (ask?.kind === "trust" && !gate) {
    trustAsked(d, attempt, ask);
    return;
  }
  if (ask === undefined || attempt.phase.at !== "verified")
    throw new Fault("refused", `${run}/${task} does not wait for an approval`, {
      remedy: `muster show ${run}`,
    });
  const spec = specOf(d.state, attempt);
  if (!gate) {
    const { approved, head } = attempt.phase;
    const gateless = gateOf(d.state, spec) === null;
    d.of(attempt.id, { type: "ask.closed", ask: ask.id });
    d.of(attempt.id, {
      type: "attempt.approved",
      commit: head.commit,
      gateless,
      // Approved before, and asked about again: its landing could not be signed.
      ...(approved ? { unsigned: true } : {}),
    });
    return;
  }
  if (spec.gateFrom === "said" || spec.gate === null || spec.gate.length === 0)
    throw new Fault("refused", `no gate is proposed for ${run}/${task}`, {
      remedy: `add \`gate:\` to muster.yaml, then: muster retry ${run}/${task}`,
    });
  d.emit({ type: "gate.accepted", project: spec.project, commands: spec.gate });
  for (const other of d.state.attempts.values()) proveAgain(d, other.id, spec.project);
}

/** After a project's gate was accepted, what waits there without one is verified with it. */
function proveAgain(d: Decision, att: AttemptId, project: string): void {
  const attempt = d.attempt(att);
  const spec = specOf(d.state, attempt);
  if (attempt.phase.at !== "verified" || spec.project !== project || spec.gateFrom === "said")
    return;
  for (const ask of attempt.asks) d.of(att, { type: "ask.closed", ask: ask.id });
  verify(d, att);
}

export function reject(
  d: Decision,
  { run, task, because }: Extract<Command, { type: "reject" }>,
): void {
  const attempt = requireActive(d, run, task);
  const ask = ownAsk(attempt);
  if (ask === undefined)
    throw new Fault("refused", `${run}/${task} does not wait for a word of yours`, {
      remedy: `muster tell ${run}/${task} TEXT`,
    });
  if (ask.kind === "approval")
    tell(
      d,
      attempt,
      `The result was rejected: ${because}\nChange it accordingly, commit, and leave the tree clean.`,
    );
  else
    windDown(d, attempt.id, {
      is: "failed",
      reason: ask.kind === "conflict" || ask.kind === "stalled" ? ask.kind : "rejected",
      detail: because,
    });
}

/** Records that a person trusts a project's own configuration; whoever waits for that goes on. */
export function trust(d: Decision, { project, tree }: Extract<Command, { type: "trust" }>): void {
  if (d.state.projects.get(project)?.trusted.includes(tree) !== true)
    d.emit({ type: "config.trusted", project, tree });
  for (const { id, asks, ...other } of [...d.state.attempts.values()])
    if (specOf(d.state, d.attempt(id)).project === project && other.phase.at === "provisioning")
      for (const ask of asks)
        if (ask.kind === "trust" && ask.rule === tree)
          d.of(id, { type: "ask.closed", ask: ask.id });
}

/** An ask of this kind is remembered under the hash of what it is about. */
function trustAsked(d: Decision, attempt: Attempt, ask: Ask): void {
  const { project } = specOf(d.state, attempt);
  trust(d, { type: "trust", project, tree: ask.rule ?? "" });
}
