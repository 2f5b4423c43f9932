/** The session effect: start n of an attempt, live and followed until it exits, and everything that is said to it meanwhile. */
import type { Attempt } from "../core/attempt.ts";
import type { Effect } from "../core/effects.ts";
import { Fault } from "../core/fault.ts";
import type { AttemptId } from "../core/ids.ts";
import { maxHandoverChars } from "../core/texts.ts";
import { beginning } from "../core/words.ts";
import type { Observed } from "../core/inputs.ts";
import type { AgentEvent, Live, SessionEnvironment } from "../core/runner.ts";
import { person } from "../git/merge.ts";
import { sweepSession } from "../process/end.ts";
import { sessionIn } from "../process/tagged.ts";
import { OpenInTerminal } from "../runner/attempt-folder.ts";
import { datedEnds } from "./busy.ts";
import { type Host, openProject } from "./context.ts";
import { cutTool, diskOf, wholeExit } from "./exit.ts";
import { speaker } from "./message.ts";
import { sessionEnvironment } from "./session-environment.ts";
import { portsOf } from "./ports.ts";
import { projectConfig } from "./project.ts";
import { type StallWatch, watchStalls } from "./stall.ts";
import { launchMade, prepareLaunch, wasMade } from "./launch.ts";
import { WorktreeGone } from "./worktree.ts";

type SessionEffect = Extract<Effect, { do: "session" }>;

/** How long a round gets to end after an interrupt before its process is ended. */
const interruptMs = 10_000;
/** Between asking a session to end and TERM, and between TERM and KILL. */
const stopGraceMs = 5_000;
const stallLookMs = 5_000;

export interface Sessions {
  perform(effect: SessionEffect): Promise<void>;
  send(effect: Extract<Effect, { do: "send" }>): Promise<void>;
  answer(effect: Extract<Effect, { do: "answer" }>): Promise<void>;
  end(effect: Extract<Effect, { do: "end_session" }>): Promise<void>;
  /** Ends the process of an attempt, whatever the core wants of it. */
  stop(att: AttemptId): Promise<void>;
  /** Lets go of what outlives us, ends the rest. */
  release(): Promise<void>;
  readonly live: ReadonlyMap<
    AttemptId,
    { readonly pid: number; readonly session: string; readonly task: string }
  >;
}

interface Entry {
  readonly pid: number;
  readonly session: string;
  readonly task: string;
  readonly handle: Live;
  readonly stalls: StallWatch;
}

/** Sessions that are up, those on their way, and those of them that we end. */
interface Registry {
  readonly starting: Map<AttemptId, Promise<Entry>>;
  readonly live: Map<AttemptId, Entry>;
  readonly ended: WeakSet<Entry>;
}

export function sessions(host: Host): Sessions {
  const registry: Registry = { starting: new Map(), live: new Map(), ended: new WeakSet() };
  const { starting, live } = registry;
  const speak = speaker(host);
  const entryOf = async (att: AttemptId): Promise<Entry | undefined> =>
    live.get(att) ?? (await starting.get(att)?.catch(() => undefined));
  const stop = async (entry: Entry | undefined): Promise<void> => {
    if (entry === undefined) return;
    registry.ended.add(entry);
    await entry.handle.stop(stopGraceMs);
  };
  return {
    live,
    perform: (effect) => keepLive(host, registry, effect),
    async send(effect) {
      const { att, message } = effect;
      await speak(effect, async (text) => {
        const entry = await entryOf(att);
        try {
          entry?.stalls.said(message.uuid, performance.now());
          await entry?.handle.send({ uuid: message.uuid, text });
        } catch (error) {
          // A session that can't be talked to is of no use: its exit puts the message back into the queue.
          await stop(entry);
          throw error;
        }
      });
    },
    async answer({ att, ask, answer, attempt, key }) {
      const input = attempt.asks.find(({ id }) => id === ask)?.input;
      const entry = await entryOf(att);
      if (entry === undefined) return;
      await entry.handle.answer(ask, answer, input);
      entry.stalls.answered(ask, performance.now());
      host.report(att, key, { saw: "answer_taken", ask });
    },
    async end({ att, interrupt }) {
      const entry = await entryOf(att);
      if (entry === undefined) return;
      if (interrupt) await withinMs(interruptMs, entry.handle.interrupt());
      await stop(entry);
    },
    async stop(att) {
      await stop(await entryOf(att));
    },
    async release() {
      await Promise.all([...live.values()].map(({ handle }) => handle.release()));
    },
  };
}

/** Has a start live, reports what the core is to hear of its stream, and returns once it has exited. */
async function keepLive(
  host: Host,
  { starting, live, ended }: Registry,
  effect: SessionEffect,
): Promise<void> {
  const { att, attempt, n } = effect;
  const report = (observed: Observed): void => host.report(att, effect.key, observed);
  const stalls = watchStalls(host.stall, performance.now());
  let tool: string | null = null;
  let lookedAt = performance.now();
  const timer = setInterval(() => {
    const now = performance.now();
    // A look that comes late finds a daemon that stood still: what was said meanwhile is not read yet.
    const isLate = now - lookedAt > 2 * stallLookMs;
    lookedAt = now;
    const silence = isLate ? undefined : stalls.look(now);
    if (silence !== undefined) report({ saw: "stalled", ...silence, ...within(tool) });
  }, stallLookMs);
  const exited = Promise.withResolvers<void>();
  // What was folded into events before a crash is not told again.
  const already = attempt.offset;
  const dated = datedEnds(host.now);
  const onEvent = (event: AgentEvent): void => {
    stalls.saw(event, performance.now());
    const told = dated(event);
    if (event.is === "asked" && event.offset <= already && !isOpen(attempt, event.ask))
      stalls.answered(event.ask, performance.now());
    if (event.is === "used_tool") tool = event.text;
    else if (event.is === "tool_done" || event.is === "round_ended") tool = null;
    if (event.is !== "exited" && event.offset <= already) return;
    const observed = observe(told, n);
    if (observed?.saw === "session_exited") {
      const up = live.get(att);
      const isOurs = up !== undefined && ended.has(up);
      report(wholeExit(host, attempt, observed, { tool, pid: up?.pid, isOurs }));
    } else if (observed !== undefined) report(observed);
    if (event.is === "exited") exited.resolve();
  };
  const entry = startSession(host, effect, onEvent, stalls);
  starting.set(att, entry);
  try {
    const up = await entry;
    live.set(att, up);
    report({ saw: "session_started", n, pid: up.pid, version: null });
    await exited.promise;
  } catch (error) {
    // What runs all the same must not: nobody follows it.
    await sweepSession(sessionIn(host.home, att));
    report({
      saw: "session_failed_to_start",
      n,
      why: messageOf(error),
      credentials: error instanceof Fault && error.code === "no_login",
      ...(error instanceof WorktreeGone ? { gone: true } : {}),
      ...(error instanceof OpenInTerminal ? { held: true } : {}),
      ...diskOf(host, attempt),
    });
  } finally {
    clearInterval(timer);
    starting.delete(att);
    live.delete(att);
  }
}

/** The tool call that a silent session is in. */
function within(tool: string | null): { readonly tool?: string } {
  return tool === null ? {} : { tool: cutTool(tool) };
}

/** False for a question that was answered and closed before this daemon began to follow. */
function isOpen({ asks }: Attempt, id: string): boolean {
  return asks.some((ask) => ask.id === id);
}

async function startSession(
  host: Host,
  effect: SessionEffect,
  onEvent: (event: AgentEvent) => void,
  stalls: StallWatch,
): Promise<Entry> {
  const { attempt } = effect;
  const runner = host.runners[attempt.runner];
  const handle = wasMade(host, effect)
    ? await runner.start(launchMade(host, effect), neverAsked, onEvent)
    : await runner.start(
        await prepareLaunch(host, effect),
        await environmentOf(host, effect),
        onEvent,
      );
  return {
    handle,
    stalls,
    pid: handle.pid,
    session: attempt.session,
    task: `${attempt.run}/${attempt.task}`,
  };
}

/** A start that was made before has its environment. */
function neverAsked(): never {
  throw new Error("no process is made for a start that was made before");
}

/** What a new process is started with, as it is when the process is made. */
async function environmentOf(host: Host, effect: SessionEffect): Promise<() => SessionEnvironment> {
  const { attempt, spec } = effect;
  const who = await person(await openProject(host, attempt.run, spec));
  const config = await projectConfig(host, attempt.run, spec, attempt.worktree?.config ?? "");
  const own = { ...config.env, ...(await portsOf(host, attempt.id, config.ports)) };
  return () => sessionEnvironment(host, attempt, who, config.hooks, own);
}

/** Waits for `act`, but no longer than `ms`; what comes later is of no interest. */
async function withinMs(ms: number, act: Promise<void>): Promise<void> {
  let timer: NodeJS.Timeout | undefined;
  await Promise.race([
    act.catch(() => {}),
    new Promise<void>((resolve) => (timer = setTimeout(resolve, ms))),
  ]);
  clearTimeout(timer);
}

function messageOf(error: unknown): string {
  return error instanceof Error ? (error.message.split("\n")[0] ?? "") : String(error);
}

/** What the core hears of an agent event; most of them are only for people, who read the stream itself. */
function observe(event: AgentEvent, n: number): Observed | undefined {
  switch (event.is) {
    case "taken":
      return { saw: "message_taken", uuid: event.uuid, offset: event.offset };
    case "asked": {
      const { ask, kind, tool, text, input, rule, offset } = event;
      return { saw: "asked", ask, kind, tool, text, input, rule, offset };
    }
    case "ask_withdrawn":
      return { saw: "ask_withdrawn", ask: event.ask, offset: event.offset };
    case "turn":
      return {
        saw: "used",
        turns: 1,
        usd: 0,
        offset: event.offset,
        ...(event.context === null ? {} : { context: event.context }),
      };
    case "round_ended": {
      const { failure, text, usd, offset } = event;
      return {
        saw: "round_ended",
        failure,
        text: beginning(text, maxHandoverChars),
        turns: 0,
        usd,
        offset,
      };
    }
    case "exited":
      return { saw: "session_exited", n, code: event.code, signal: event.signal, why: event.why };
    default:
      return undefined;
  }
}
