/** The client: the service over the socket. A daemon that can't be reached is Fault `daemon_unreachable`; its Faults come back as they were. */
import { type IncomingMessage, request } from "node:http";
import { Fault, type FaultJson } from "../core/fault.ts";
import { fromText } from "../core/serial.ts";
import type { Event } from "../core/events.ts";
import type {
  CleanOutcome,
  CleanPlan,
  DiskUse,
  Restoration,
  SnapshotItem,
} from "./housekeeping.ts";
import type { RepairPlan, RepairQuery, Repaired } from "./repair.ts";
import type {
  AttachRequest,
  CleanQuery,
  CleanRequest,
  CommandRequest,
  RepairRequest,
  RestoreRequest,
  RunRequest,
  TrustGiven,
  TrustRequest,
} from "./schema.ts";
import type {
  Attachment,
  HostInfo,
  OwnConfigView,
  Preview,
  RunDetail,
  RunSummary,
  TranscriptLine,
  UninstallPlan,
  VersionInfo,
} from "./service.ts";
import { shellWord } from "../core/words.ts";

export interface Client {
  version(): Promise<VersionInfo>;
  host(): Promise<HostInfo>;
  stopHost(sessions: boolean): Promise<void>;
  preview(request: RunRequest): Promise<Preview>;
  start(request: RunRequest): Promise<string>;
  runs(limit?: number): Promise<readonly RunSummary[]>;
  run(id: string): Promise<RunDetail>;
  command(request: CommandRequest): Promise<void>;
  diff(run: string, task: string, stat: boolean): Promise<Buffer>;
  clean(query: CleanQuery): Promise<CleanPlan>;
  performClean(request: CleanRequest): Promise<CleanOutcome>;
  repair(query: RepairQuery): Promise<RepairPlan>;
  performRepair(request: RepairRequest): Promise<readonly Repaired[]>;
  snapshots(run: string, task: string): Promise<readonly SnapshotItem[]>;
  restore(request: RestoreRequest): Promise<Restoration>;
  disk(): Promise<DiskUse>;
  ownConfig(request: TrustRequest): Promise<OwnConfigView>;
  trust(request: TrustGiven): Promise<OwnConfigView>;
  attachment(request: AttachRequest): Promise<Attachment>;
  uninstallPlan(): Promise<UninstallPlan>;
  uninstall(): Promise<UninstallPlan>;
  events(after: number, run: string | null, signal: AbortSignal): AsyncIterable<Event>;
  transcript(
    run: string,
    task: string,
    follow: boolean,
    signal: AbortSignal,
  ): AsyncIterable<TranscriptLine>;
}

/** A plan of 10,000 tasks is checked in a few seconds; a request that takes longer is stuck. */
const timeoutMs = 120_000;

export function client(socket: string): Client {
  const call = async (method: string, path: string, body?: unknown): Promise<unknown> => {
    const response = await send(socket, method, path, body);
    return parsed(socket, await readAll(response));
  };
  const encoded = (...parts: string[]): string => parts.map(encodeURIComponent).join("/");
  return {
    version: async () => (await call("GET", "/version")) as VersionInfo,
    host: async () => ((await call("GET", "/host")) as { host: HostInfo }).host,
    async stopHost(sessions) {
      await call("POST", `/host/stop?sessions=${sessions ? 1 : 0}`);
    },
    preview: async (body) => ((await call("POST", "/plan", body)) as { plan: Preview }).plan,
    start: async (body) => ((await call("POST", "/runs", body)) as { run: string }).run,
    runs: async (limit = 20) =>
      ((await call("GET", `/runs?limit=${limit}`)) as { runs: RunSummary[] }).runs,
    run: async (id) => (await call("GET", `/runs/${encoded(id)}`)) as RunDetail,
    async command(body) {
      await call("POST", "/commands", body);
    },
    async diff(run, task, stat) {
      return readBytes(
        await send(
          socket,
          "GET",
          `/runs/${encoded(run)}/tasks/${encoded(task)}/diff?stat=${stat ? 1 : 0}`,
        ),
      );
    },
    async clean(query) {
      const wanted = Object.entries(query).filter(([, value]) => value !== null);
      const text = new URLSearchParams(
        wanted.map(([key, value]): [string, string] => [key, String(value)]),
      );
      return ((await call("GET", `/clean?${text.toString()}`)) as { clean: CleanPlan }).clean;
    },
    performClean: async (body) => (await call("POST", "/clean", body)) as CleanOutcome,
    repair: async ({ retentionMs }) =>
      ((await call("GET", `/repair?retentionMs=${retentionMs}`)) as { repair: RepairPlan }).repair,
    performRepair: async (body) =>
      ((await call("POST", "/repair", body)) as { repaired: Repaired[] }).repaired,
    snapshots: async (run, task) => {
      const path = `/runs/${encoded(run)}/tasks/${encoded(task)}/snapshots`;
      return ((await call("GET", path)) as { snapshots: SnapshotItem[] }).snapshots;
    },
    restore: async (body) =>
      ((await call("POST", "/restore", body)) as { restored: Restoration }).restored,
    disk: async () => ((await call("GET", "/disk")) as { disk: DiskUse }).disk,
    ownConfig: async (body) =>
      ((await call("POST", "/trust/look", body)) as { config: OwnConfigView }).config,
    trust: async (body) =>
      ((await call("POST", "/trust", body)) as { config: OwnConfigView }).config,
    attachment: async (body) =>
      ((await call("POST", "/attachments", body)) as { attachment: Attachment }).attachment,
    uninstallPlan: async () => ((await call("GET", "/uninstall")) as { plan: UninstallPlan }).plan,
    uninstall: async () => ((await call("POST", "/uninstall")) as { plan: UninstallPlan }).plan,
    events: (after, run, signal) => {
      const query = run === null ? "" : `&run=${encodeURIComponent(run)}`;
      return items<Event>(socket, `/events?after=${after}${query}`, signal);
    },
    transcript: (run, task, follow, signal) =>
      items<TranscriptLine>(
        socket,
        `/runs/${encoded(run)}/tasks/${encoded(task)}/transcript?follow=${follow ? 1 : 0}`,
        signal,
      ),
  };
}

function send(
  socket: string,
  method: string,
  path: string,
  body?: unknown,
  signal?: AbortSignal,
): Promise<IncomingMessage> {
  return new Promise((resolve, reject) => {
    const options = {
      socketPath: socket,
      method,
      path,
      headers: { "content-type": "application/json" },
      // A stream is silent for as long as nothing happens; Node's agent ends it after 5 s where no timeout is named.
      ...(signal === undefined ? { timeout: timeoutMs } : { signal, timeout: 0 }),
    };
    const outgoing = request(options, (response) => {
      if ((response.statusCode ?? 500) < 400) resolve(response);
      else rejected(socket, response).catch(reject);
    });
    outgoing.on("timeout", () =>
      outgoing.destroy(
        new Fault("timed_out", `the daemon did not answer within ${timeoutMs / 1000} s`, {
          remedy: "muster host status",
        }),
      ),
    );
    outgoing.on("error", (cause) =>
      reject(cause instanceof Fault ? cause : unreachable(socket, cause)),
    );
    outgoing.end(body === undefined ? undefined : JSON.stringify(body));
  });
}

async function rejected(socket: string, response: IncomingMessage): Promise<never> {
  throw faultOf(socket, await readAll(response));
}

function unreachable(socket: string, cause: unknown): Fault {
  return new Fault("daemon_unreachable", `no daemon answers on ${socket}`, {
    remedy: "muster ls",
    cause,
  });
}

function faultOf(socket: string, text: string): Fault {
  const { error } = parsed(socket, text) as { error?: FaultJson };
  if (error === undefined)
    return new Fault("internal", "the daemon's answer was not understood", {
      remedy: "muster doctor",
    });
  return Fault.of(error);
}

/** Whatever answers on the socket without speaking JSON is no daemon of ours. */
function parsed(socket: string, text: string): unknown {
  try {
    return JSON.parse(text);
  } catch (cause) {
    throw new Fault("refused", `something that is not muster answers on ${socket}`, {
      remedy: `To see what it is, run lsof ${shellWord(socket)}`,
      cause,
    });
  }
}

async function readAll(response: IncomingMessage): Promise<string> {
  return (await readBytes(response)).toString("utf8");
}

async function readBytes(response: IncomingMessage): Promise<Buffer> {
  const chunks: Buffer[] = [];
  for await (const chunk of response) chunks.push(chunk as Buffer);
  return Buffer.concat(chunks);
}

/** Items of a server-sent event stream. Ends with the stream; throws the Fault that the daemon sends in the middle. */
async function* items<T>(socket: string, path: string, signal: AbortSignal): AsyncIterable<T> {
  const response = await send(socket, "GET", path, undefined, signal);
  let rest = "";
  response.setEncoding("utf8");
  try {
    for await (const chunk of response) {
      const blocks = (rest + String(chunk)).split("\n\n");
      rest = blocks.pop() ?? "";
      for (const block of blocks) {
        const fields = new Map(
          block
            .split("\n")
            .map((line): [string, string] => [
              line.slice(0, line.indexOf(":")),
              line.slice(line.indexOf(":") + 1).trimStart(),
            ]),
        );
        const data = fields.get("data");
        if (fields.get("event") === "end") return;
        if (fields.get("event") === "fault") throw faultOf(socket, `{"error":${data ?? "{}"}}`);
        if (data !== undefined && data !== "") yield fromText(data) as T;
      }
    }
  } catch (error) {
    if (signal.aborted || error instanceof Fault) {
      if (error instanceof Fault) throw error;
      return;
    }
    throw unreachable(socket, error);
  }
}
