/** Notifications: the person's command gets the JSON of an ask, a finish or a failure on stdin. What it does is its own affair. */
import type { Event } from "../core/events.ts";
import { run } from "../process/run.ts";

export interface Notification {
  readonly schema: 1;
  readonly kind: "ask" | "finished" | "failed";
  /** null where it is about a credential, whoever uses it. */
  readonly run: string | null;
  readonly task: string | null;
  readonly text: string;
}

/** Long enough for a desktop notification or a web hook. */
const timeoutMs = 20_000;

/** What an event is worth telling a person about; undefined for most. */
export function notificationOf(event: Event): Notification | undefined {
  switch (event.type) {
    case "ask.opened":
      if (event.ask.answer !== null) return undefined;
      return { schema: 1, kind: "ask", run: event.run, task: event.task, text: event.ask.text };
    case "run.paused":
      if (event.why === undefined) return undefined;
      return {
        schema: 1,
        kind: "ask",
        run: event.run,
        task: null,
        text: `${event.why}; to go on, run muster resume ${event.run}`,
      };
    case "breaker.opened":
      if (event.reason !== "credentials") return undefined;
      return {
        schema: 1,
        kind: "ask",
        run: null,
        task: null,
        text: `the credentials were refused: ${event.detail}`,
      };
    case "task.failed":
      return {
        schema: 1,
        kind: "failed",
        run: event.run,
        task: event.task,
        text: `${event.reason}: ${event.detail}`,
      };
    case "run.settled":
      return { schema: 1, kind: "finished", run: event.run, task: null, text: event.state };
    default:
      return undefined;
  }
}

/** Runs the command; throws nothing that matters to a run: a failure is the result's text. */
export async function notify(
  command: readonly string[],
  notification: Notification,
  env: Readonly<Record<string, string>>,
): Promise<string | undefined> {
  const [file, ...args] = command;
  if (file === undefined) return undefined;
  try {
    const done = await run({
      argv: [file, ...args],
      cwd: "/",
      env,
      timeoutMs,
      input: `${JSON.stringify(notification)}\n`,
    });
    return done.code === 0 ? undefined : `exited ${done.code ?? done.signal}`;
  } catch (error) {
    return String(error);
  }
}
