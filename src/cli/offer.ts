/** On a terminal, an open question is offered where everything waits for a person. */
import { createInterface } from "node:readline/promises";
import type { CommandRequest } from "../api/schema.ts";
import type { RunDetail, TaskDetail } from "../api/service.ts";
import type { Connection } from "./connect.ts";
import { followRun } from "./follow.ts";
import { canAsk, clean, note, tint } from "./output.ts";

type Ask = TaskDetail["asks"][number];
type Reply = Extract<CommandRequest, { type: "answer" }>["answer"];

const moving = new Set(["ready", "provisioning", "working", "verifying", "queued", "parked"]);

/** True where a question is open and nothing moves without an answer, a deadline or not. */
export function waitsForPerson({ run, tasks }: RunDetail): boolean {
  return (
    tasks.some(({ asks }) => asks.length > 0) && !run.tasks.some(({ state }) => moving.has(state))
  );
}

function isYesOrNo(kind: string): boolean {
  return kind === "permission" || kind === "approval" || kind === "trust";
}

/** What a typed line means: y or n where yes and no are answers, else a text; undefined for nothing. */
export function replyTo(kind: string, line: string): Reply | undefined {
  const text = line.trim();
  if (text === "") return undefined;
  if (isYesOrNo(kind)) {
    if (/^(?:y|yes|a|allow)$/i.test(text)) return { is: "allow" };
    if (/^(?:n|no|d|deny)$/i.test(text)) return { is: "deny", because: "a person said no" };
  }
  return { is: "text", text };
}

/** Offers the oldest question of every task that asks; true where at least one was answered, by whomever. */
export async function offerQuestions(daemon: Connection, detail: RunDetail): Promise<boolean> {
  if (!canAsk()) return false;
  let answered = false;
  for (const { key, asks } of detail.tasks) {
    const [ask] = asks;
    if (ask === undefined) continue;
    if (!(await offer(daemon, detail.run.id, key, ask))) return answered;
    answered = true;
  }
  return answered;
}

async function offer(daemon: Connection, run: string, task: string, ask: Ask): Promise<boolean> {
  note(`${tint("ask", "▲", process.stderr)} ${task} asks (${ask.kind}):`);
  for (const line of clean(ask.text).split("\n")) note(`  ${line}`);
  const line = await readReply(daemon, run, ask);
  if (line === undefined) {
    note("◎ answered elsewhere");
    return true;
  }
  const answer = replyTo(ask.kind, line);
  if (answer === undefined) return false;
  await daemon.command({ type: "answer", run, task, ask: ask.id, answer });
  return true;
}

/** The typed line; undefined where the question was settled meanwhile. Ctrl-C is the terminal's own SIGINT. */
async function readReply(daemon: Connection, run: string, ask: Ask): Promise<string | undefined> {
  const gone = new AbortController();
  const done = new AbortController();
  const isGone = (detail: RunDetail): boolean =>
    !detail.tasks.some(({ asks }) => asks.some(({ id }) => id === ask.id));
  void followRun(daemon, run, () => {}, { until: isGone, signal: done.signal })
    .then((detail) => isGone(detail) && gone.abort())
    .catch(() => {}); // The daemon is away: the answer will say so.
  const lines = createInterface({ input: process.stdin, output: process.stderr });
  lines.on("SIGINT", () => process.kill(process.pid, "SIGINT"));
  const choices = isYesOrNo(ask.kind) ? "[y]es, [n]o, or a text" : "a text";
  try {
    return await lines.question(`${choices}; Enter leaves it open: `, { signal: gone.signal });
  } catch (error) {
    if (!gone.signal.aborted) throw error;
    return undefined;
  } finally {
    done.abort();
    lines.close();
  }
}
