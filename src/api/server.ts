/** HTTP over a unix socket: hono in front of the service. Every refusal is a Fault as JSON; nothing else is ever an error page. */
import { chmodSync, lstatSync, renameSync, rmSync } from "node:fs";
import type { Server } from "node:http";
import { createAdaptorServer } from "@hono/node-server";
import { Hono } from "hono";
import { streamSSE } from "hono/streaming";
import type { z } from "zod";
import { Fault, exitCodes } from "../core/fault.ts";
import { toText } from "../core/serial.ts";
import {
  attachRequest,
  cleanRequest,
  commandRequest,
  repairRequest,
  restoreRequest,
  runRequest,
  trustGiven,
  trustRequest,
} from "./schema.ts";
import type { Service } from "./service.ts";
import { shellWord } from "../core/words.ts";

/** A comment this often keeps idle streams from looking dead. */
const keepAliveMs = 15_000;
/** A plan of 10,000 tasks with long prompts fits; nothing honest is larger. */
const maxBodyBytes = 64 * 1024 * 1024;

/** The routes of the service. */
export function routes(service: Service): Hono {
  const app = new Hono();
  app.onError((error, c) => {
    const fault =
      error instanceof Fault
        ? error
        : new Fault("internal", error.message.split("\n")[0] ?? "unknown", {
            remedy: "muster doctor",
          });
    return c.json({ schema: 1, error: fault.toJSON() }, exitCodes[fault.code] === 70 ? 500 : 400);
  });
  app.notFound((c) =>
    c.json({ schema: 1, error: new Fault("usage", `no such address ${c.req.path}`).toJSON() }, 404),
  );
  app.get("/version", (c) => c.json(service.version()));
  app.get("/host", (c) => c.json({ schema: 1, host: service.host() }));
  app.post("/host/stop", async (c) => {
    await service.stopHost({ sessions: c.req.query("sessions") === "1" });
    return c.json({ schema: 1 });
  });
  app.post("/plan", async (c) =>
    c.json({
      schema: 1,
      plan: await service.preview(parse(runRequest, await readBody(c.req.raw))),
    }),
  );
  app.post("/runs", async (c) =>
    c.json({ schema: 1, ...(await service.start(parse(runRequest, await readBody(c.req.raw)))) }),
  );
  app.get("/runs", async (c) =>
    c.json({ schema: 1, runs: await service.runs(Number(c.req.query("limit") ?? 20)) }),
  );
  app.get("/runs/:id", async (c) =>
    c.json({ schema: 1, ...(await service.run(c.req.param("id"))) }),
  );
  app.post("/commands", async (c) => {
    await service.command(parse(commandRequest, await readBody(c.req.raw)));
    return c.json({ schema: 1 });
  });
  app.get("/runs/:id/tasks/:task/diff", async (c) => {
    const { id, task } = c.req.param();
    const bytes = await service.diff(id, task, { stat: c.req.query("stat") === "1" });
    return c.body(Uint8Array.from(bytes));
  });
  addHousekeeping(app, service);
  app.get("/runs/:id/tasks/:task/transcript", (c) => {
    const { id, task } = c.req.param();
    return stream(c, (signal) =>
      service.transcript(id, task, c.req.query("follow") === "1", signal),
    );
  });
  app.get("/events", (c) => {
    const after = Number(c.req.header("last-event-id") ?? c.req.query("after") ?? 0);
    return stream(c, (signal) => service.events(after, c.req.query("run") ?? null, signal));
  });
  return app;
}

function addHousekeeping(app: Hono, service: Service): void {
  app.get("/clean", async (c) => {
    const {
      run = null,
      task = null,
      olderThanMs,
      largerThanBytes,
    } = c.req.query() as Partial<Record<string, string>>;
    const number = (text?: string): number | null => (text === undefined ? null : Number(text));
    const query = {
      run,
      task,
      olderThanMs: number(olderThanMs),
      largerThanBytes: number(largerThanBytes),
    };
    return c.json({ schema: 1, clean: await service.clean(query) });
  });
  app.post("/clean", async (c) => {
    const request = parse(cleanRequest, await readBody(c.req.raw));
    return c.json({ schema: 1, ...(await service.performClean(request)) });
  });
  app.get("/repair", async (c) => {
    const retentionMs = Number(c.req.query("retentionMs") ?? Number.NaN);
    const query = parse(repairRequest, { findings: [], retentionMs });
    return c.json({ schema: 1, repair: await service.repair(query) });
  });
  app.post("/repair", async (c) => {
    const request = parse(repairRequest, await readBody(c.req.raw));
    return c.json({ schema: 1, repaired: await service.performRepair(request) });
  });
  app.get("/runs/:id/tasks/:task/snapshots", async (c) => {
    const { id, task } = c.req.param();
    return c.json({ schema: 1, snapshots: await service.snapshots(id, task) });
  });
  app.post("/restore", async (c) =>
    c.json({
      schema: 1,
      restored: await service.restore(parse(restoreRequest, await readBody(c.req.raw))),
    }),
  );
  app.get("/disk", async (c) => c.json({ schema: 1, disk: await service.disk() }));
  app.post("/trust/look", async (c) =>
    c.json({
      schema: 1,
      config: await service.ownConfig(parse(trustRequest, await readBody(c.req.raw))),
    }),
  );
  app.post("/trust", async (c) =>
    c.json({
      schema: 1,
      config: await service.trust(parse(trustGiven, await readBody(c.req.raw))),
    }),
  );
  app.post("/attachments", async (c) =>
    c.json({
      schema: 1,
      attachment: await service.attachment(parse(attachRequest, await readBody(c.req.raw))),
    }),
  );
  app.get("/uninstall", async (c) => c.json({ schema: 1, plan: await service.uninstallPlan() }));
  app.post("/uninstall", async (c) => c.json({ schema: 1, plan: await service.uninstall() }));
}

type Context = Parameters<typeof streamSSE>[0];

/** Server-sent events; an event's `seq` is its id. A Fault in the middle is sent as `event: fault`. */
function stream(c: Context, open: (signal: AbortSignal) => AsyncIterable<object>): Response {
  return streamSSE(c, async (sse) => {
    const ended = new AbortController();
    sse.onAbort(() => ended.abort());
    const keepAlive = setInterval(() => void sse.write(": alive\n\n"), keepAliveMs);
    try {
      for await (const item of open(ended.signal)) {
        const seq = "seq" in item ? String(item.seq) : undefined;
        await sse.writeSSE({ data: toText(item), ...(seq === undefined ? {} : { id: seq }) });
      }
      await sse.writeSSE({ event: "end", data: "" });
    } catch (error) {
      const fault = error instanceof Fault ? error : new Fault("internal", String(error));
      await sse.writeSSE({ event: "fault", data: JSON.stringify(fault.toJSON()) });
    } finally {
      clearInterval(keepAlive);
    }
  });
}

async function readBody(request: Request): Promise<unknown> {
  const text = await request.text();
  if (text.length > maxBodyBytes)
    throw new Fault("usage", `a request of ${text.length} bytes is too large`);
  try {
    return JSON.parse(text);
  } catch (cause) {
    throw new Fault("usage", "the request is not JSON", { cause });
  }
}

function parse<T>(schema: z.ZodType<T>, value: unknown): T {
  const parsed = schema.safeParse(value);
  if (parsed.success) return parsed.data;
  const [issue] = parsed.error.issues;
  throw new Fault("usage", `${issue?.path.join(".") ?? ""}: ${issue?.message ?? "not understood"}`);
}

/**
 * Listens on `socket`, mode 0600. The caller holds the lock, so a socket that is there is a dead daemon's. Returns the server and
 * how to close it without removing a successor's socket (its inode is compared).
 */
export async function listen(
  service: Service,
  socket: string,
): Promise<{ readonly server: Server; close(): Promise<void> }> {
  dropDeadSocket(socket);
  const server = createAdaptorServer({ fetch: routes(service).fetch }) as Server;
  // Node unlinks the path that it was given to listen on, whoever's socket lies there by then: it gets one that is renamed away.
  const given = `${socket}~`;
  rmSync(given, { force: true });
  await new Promise<void>((resolve, reject) => {
    server.once("error", (cause) => reject(cannotListen(socket, cause)));
    server.listen(given, resolve);
  });
  chmodSync(given, 0o600);
  renameSync(given, socket);
  const { ino } = lstatSync(socket);
  return {
    server,
    async close() {
      const isOurs = lstatSync(socket, { throwIfNoEntry: false })?.ino === ino;
      const closed = new Promise<void>((resolve) => server.close(() => resolve()));
      server.closeAllConnections();
      await closed;
      if (isOurs) rmSync(socket, { force: true });
    },
  };
}

/** Only a socket is taken for a dead daemon's. */
function dropDeadSocket(socket: string): void {
  const found = lstatSync(socket, { throwIfNoEntry: false });
  if (found === undefined) return;
  if (!found.isSocket()) throw cannotListen(socket, new Error("it is no socket"));
  rmSync(socket, { force: true });
}

function cannotListen(socket: string, cause: Error): Fault {
  return new Fault("unwritable", `cannot listen on ${socket}: ${cause.message}`, {
    remedy: `To see what is in its place, run ls -la ${shellWord(socket)}`,
    cause,
  });
}
