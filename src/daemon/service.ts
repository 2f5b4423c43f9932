/** The service behind the wire: prepares, asks the core, and projects. */
import { randomBytes } from "node:crypto";
import type { CommandRequest, RunRequest } from "../api/schema.ts";
import { apiVersion } from "../api/version.ts";
import type { HostInfo, Service, Unrecorded } from "../api/service.ts";
import type { Event } from "../core/events.ts";
import { Fault } from "../core/fault.ts";
import type { RunId } from "../core/ids.ts";
import type { Command } from "../core/inputs.ts";
import type { Ledger } from "../core/ports.ts";
import { latestAttempt } from "../core/queries.ts";
import type { Attempt } from "../core/attempt.ts";
import { shellWord } from "../core/words.ts";
import { type Host, gitEnvironment } from "../host/context.ts";
import type { Sessions } from "../host/session.ts";
import { openRepository } from "../git/git.ts";
import { diffBytes } from "../git/inspect.ts";
import { attachmentOf, requireDetached } from "./attach.ts";
import { type Continued, findContinued } from "./continued.ts";
import { type KnownCaller, knowCaller } from "./callers/caller.ts";
import type { Callers } from "./callers/callers.ts";
import { ledgerPath } from "./damage/damage.ts";
import type { Engine } from "./engine.ts";
import { housekeeping } from "./keeping/housekeeping.ts";
import { type Prepared, prepare } from "./prepare.ts";
import { previewOf } from "./preview.ts";
import { type Found, findRun, listRuns, requireTask, runDetail } from "./projection.ts";
import { refusedCredentials } from "./refused.ts";
import { transcriptOf } from "./transcript.ts";
import { giveTrust, lookAtOwnConfig } from "./trust.ts";

export interface ServiceParts {
  readonly engine: Engine;
  readonly ledger: Ledger;
  readonly host: Host;
  readonly sessions: Sessions;
  readonly callers: Callers;
  readonly version: string;
  readonly socket: string;
  readonly scratch: string;
  heldBack(): HostInfo["heldBack"];
  stop(options: { readonly sessions: boolean }): void;
}

export function service(parts: ServiceParts): Service {
  const { engine, ledger, host, callers } = parts;
  const find = (id: string): Promise<Found> => findRun(engine.state, ledger, id);
  const unrecorded = (): Unrecorded | null => unrecordedOf(engine.heldBy, host.home);
  const house = { host, ledger, state: () => engine.state };
  const prepared = (request: RunRequest): Promise<Prepared> =>
    prepare(request, engine.state, parts.scratch, (plans, projects) =>
      findContinued(engine.state, ledger, plans, projects),
    );
  return {
    version: () => ({ version: parts.version, api: apiVersion, pid: process.pid }),
    host: () => ({
      pid: process.pid,
      version: parts.version,
      socket: parts.socket,
      sessions: [...parts.sessions.live.values()].map(({ task, session, pid }) => ({
        task,
        session,
        pid,
      })),
      heldBack: parts.heldBack(),
      unrecorded: unrecorded(),
      refused: refusedCredentials(engine.state, host.now()),
    }),
    async stopHost(options) {
      parts.stop(options);
    },
    async preview(request) {
      return previewOf(await prepared(request), await knowCaller(request));
    },
    async start(request) {
      const ready = await prepared(request);
      const caller = await knowCaller(request);
      if (ready.into !== null) return { run: await extend(parts, request, ready.into, caller) };
      const run: RunId = `run_${newName()}`;
      await callers.bring(run, caller);
      try {
        await engine.command(startCommand(run, request, ready, caller));
      } catch (error) {
        callers.forget(run);
        throw error;
      }
      return { run };
    },
    runs: (limit) => listRuns(engine.state, ledger, host.now(), limit),
    run: async (id) => ({
      ...runDetail(await find(id), host.now()),
      unrecorded: unrecorded(),
    }),
    command: (request) => command(parts, find, request),
    ownConfig: (request) => lookAtOwnConfig(request, engine.state, parts.scratch),
    trust: (request) => giveTrust(request, engine, parts.scratch),
    diff: async (id, key, options) => diffOf(host, await find(id), key, options.stat),
    events: (after, run, signal) => events(ledger, after, run, signal),
    async *transcript(id, key, following, signal) {
      const { run } = await find(id);
      requireTask(run, key);
      yield* transcriptOf(house, run, key, following, signal);
    },
    ...housekeeping(parts, house, find),
    attachment: (request) => attachmentOf(host, () => find(request.run), engine.tick, request),
  };
}

/** Full, or held by something else: the command shows by what. */
function unrecordedOf(heldBy: Fault | null, home: string): Unrecorded | null {
  if (heldBy === null) return null;
  const [program, path] =
    heldBy.code === "no_space" ? ["df -h", home] : ["fuser -v", ledgerPath(home)];
  return { why: heldBy.message, command: `${program} ${shellWord(path)}` };
}

/** Gives a run the tasks that are new in its plans; its environment is this caller's from here on. */
async function extend(
  { engine, ledger, callers }: ServiceParts,
  { attended, acceptGates, options }: RunRequest,
  { found, added }: Continued,
  caller: KnownCaller,
): Promise<RunId> {
  const { id } = found.run;
  const former = callers.get(id);
  if (added.length > 0) await callers.bring(id, caller);
  // To look for a login takes seconds, and others may have settled it anew meanwhile.
  const { run, settled } = await findRun(engine.state, ledger, id);
  try {
    await engine.command({
      type: "run.extend",
      run: id,
      tasks: added,
      settled: settled ? run : null,
      usd: options.usd ?? null,
      credential: caller.fingerprint,
      attended,
      acceptGates,
    });
  } catch (error) {
    if (settled || former === undefined) callers.forget(id);
    else await callers.bring(id, former);
    throw error;
  }
  return id;
}

/** Eight letters and digits: readable, unique enough for one person's runs, fit for a ref. */
function newName(): string {
  return BigInt(`0x${randomBytes(8).toString("hex")}`)
    .toString(36)
    .slice(0, 8)
    .padStart(8, "0");
}

/** What a run started without a person waits for permissions: not at all; with one, 15 minutes (design §8). */
const attendedWaitMs = 15 * 60_000;

function startCommand(
  run: RunId,
  request: RunRequest,
  prepared: Prepared,
  { fingerprint }: KnownCaller,
): Command {
  const { attended, acceptGates, options } = request;
  return {
    type: "run.start",
    run,
    name: prepared.name,
    parallel: prepared.parallel,
    usd: prepared.usd,
    plans: prepared.plans.map(({ id, parallel, usd }) => ({ id, parallel, usd })),
    tasks: prepared.tasks,
    waitMs: options.waitMs === undefined ? (attended ? attendedWaitMs : 0) : options.waitMs,
    attended,
    acceptGates,
    credential: fingerprint,
  };
}

/** Throws the Fault of a command that is refused. */
async function command(
  { engine, host, callers }: ServiceParts,
  find: (id: string) => Promise<Found>,
  request: CommandRequest,
): Promise<void> {
  const found = await find(request.run);
  const { id } = found.run;
  const bring = async (): Promise<void> => {
    if ("env" in request) await callers.bring(id, await knowCaller(request));
  };
  if (request.type === "resume") requireDetached(host, attemptsNamed(found, request.task));
  await bring();
  if (request.type === "resume") requireDetached(host, attemptsNamed(found, request.task));
  const caller = callers.get(id);
  try {
    await engine.command(toCommand(request, found, caller));
  } catch (error) {
    // It settled between the look and the command: from there on it is read from its own rows.
    if (found.settled || engine.state.runs.has(id)) throw error;
    await bring();
    await engine.command(toCommand(request, await find(request.run), caller));
  }
}

/** Open attempts of a task, or of the whole run. */
function attemptsNamed({ state, run }: Found, task: string | null): Attempt[] {
  return [...state.attempts.values()].filter(
    (attempt) => attempt.run === run.id && (task === null || attempt.task === task),
  );
}

function toCommand(
  request: CommandRequest,
  { run, settled }: Found,
  caller: KnownCaller | undefined,
): Command {
  const id = run.id;
  const credential = caller === undefined ? {} : { credential: caller.fingerprint };
  switch (request.type) {
    case "retry":
      return {
        type: "retry",
        run: id,
        task: request.task,
        settled: settled ? run : null,
        ...credential,
      };
    case "resume":
      return {
        type: "resume",
        run: id,
        task: request.task,
        usd: request.usd,
        ...credential,
      };
    default:
      return { ...request, run: id };
  }
}

/** The work of a task against what it started from. */
async function diffOf(
  host: Host,
  { state, run }: Found,
  key: string,
  stat: boolean,
): Promise<Uint8Array> {
  const task = requireTask(run, key);
  const attempt = latestAttempt(state, run, task);
  const base = attempt?.base;
  const head = attempt?.head?.commit;
  if (base === undefined || base === null || head === undefined)
    throw new Fault("refused", `${run.id}/${key} has no commit to show yet`, {
      remedy: `muster logs ${run.id}/${key}`,
    });
  const repo = await openRepository(task.spec.root, gitEnvironment(host, run.id));
  return diffBytes(repo, base, head, { stat });
}

async function* events(
  ledger: Ledger,
  after: number,
  run: string | null,
  signal: AbortSignal,
): AsyncIterable<Event> {
  const waiting: Event[] = [];
  let wake = (): void => {};
  const stop = ledger.subscribe((added) => {
    waiting.push(...added);
    wake();
  });
  const onAbort = (): void => wake();
  signal.addEventListener("abort", onAbort);
  const isWanted = (event: Event): boolean => run === null || ("run" in event && event.run === run);
  let last = after;
  try {
    for await (const event of ledger.read(after, run === null ? {} : { run: run as RunId })) {
      last = event.seq;
      yield event;
    }
    while (!signal.aborted) {
      const next = waiting.shift();
      if (next === undefined) await new Promise<void>((resolve) => (wake = resolve));
      else if (next.seq > last && isWanted(next)) yield next;
    }
  } finally {
    stop();
    signal.removeEventListener("abort", onAbort);
  }
}
