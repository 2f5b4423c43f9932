/**
 * `claude-sdk`: the Agent SDK over the same binary. We spawn the process ourselves and keep its raw stream, so the fold is the
 * one of `claude-cli`. It does not outlive the daemon: a start found alive is ended by identity and reported as exited; the next
 * start resumes the same session. The SDK is an optional peer dependency, imported on first use.
 */
import { join } from "node:path";
import type {
  CanUseTool,
  Options,
  PermissionResult,
  Query,
  SDKUserMessage,
} from "@anthropic-ai/claude-agent-sdk";
import { Fault } from "../core/fault.ts";
import type { AgentEvent, Launch, Live, Runner, SessionEnvironment } from "../core/runner.ts";
import { endProcess } from "../process/end.ts";
import { awaitFile } from "../process/files.ts";
import { isAlive } from "../process/identity.ts";
import { startPiped } from "../process/piped.ts";
import { isRunning, readShim } from "../process/shim.ts";
import { openAttempt } from "./attempt-folder.ts";
import type { Binary } from "./binary.ts";
import { permissionResult } from "./control.ts";
import { type Followed, followStart } from "./followed.ts";
import { environmentOf, projectRoot, settingsOf, toolsOf } from "./profile.ts";

/** What a process that belonged to a dead daemon gets before KILL. */
const leftoverGraceMs = 2_000;
/** A binary that has not answered after this long is taken as it is (a cold one takes under a second). */
const startTimeoutMs = 20_000;

export function claudeSdk(findBinary: () => Promise<Binary>): Runner {
  return {
    name: "claude-sdk",
    outlivesDaemon: false,
    async start(launch, environment, onEvent) {
      const dir = join(launch.dir, String(launch.n));
      const found = readShim(dir);
      if (found.claimed) return finishLeftover(dir, launch, onEvent);
      return startFresh(dir, launch, await findBinary(), environment(), onEvent);
    },
  };
}

/** True where the SDK can be imported. */
export async function isSdkInstalled(): Promise<boolean> {
  return (await importSdk()) !== undefined;
}

async function importSdk(): Promise<typeof import("@anthropic-ai/claude-agent-sdk") | undefined> {
  try {
    return await import("@anthropic-ai/claude-agent-sdk");
  } catch {
    return undefined;
  }
}

async function finishLeftover(
  dir: string,
  launch: Launch,
  onEvent: (event: AgentEvent) => void,
): Promise<Live> {
  const { id } = readShim(dir);
  if (id !== undefined && isAlive(id.child)) await endProcess(id.child, leftoverGraceMs);
  const followed = followStart(dir, launch, readShim(dir), onEvent);
  const nothing = async (): Promise<void> => {};
  return {
    pid: 0,
    send: nothing,
    answer: nothing,
    interrupt: nothing,
    stop: () => followed.gone,
    release: () => followed.gone,
  };
}

async function startFresh(
  dir: string,
  launch: Launch,
  binary: Binary,
  given: SessionEnvironment,
  onEvent: (event: AgentEvent) => void,
): Promise<Live> {
  const sdk = await importSdk();
  if (sdk === undefined)
    throw new Fault("no_claude", "the runner claude-sdk needs the Agent SDK", {
      remedy: "npm install @anthropic-ai/claude-agent-sdk",
    });
  openAttempt(launch);
  const inbox = mailbox();
  const asks = openAsks();
  const options = optionsOf(dir, launch, binary, given, asks.canUseTool);
  const query = sdk.query({ prompt: inbox.messages, options });
  const ended = drain(query);
  const cause = await comesUp(query, dir);
  const state = readShim(dir);
  // One that came up and ended at once is followed to its end like any other: its stream says why.
  if (state.id === undefined && state.exit === undefined) {
    query.close();
    throw cause instanceof Fault
      ? cause
      : new Fault("timed_out", `the session in ${dir} did not come up`, { cause });
  }
  const followed = followStart(dir, launch, state, onEvent);
  return live({ query, ended, inbox, asks, followed, dir, launch });
}

/** Waits until the binary has answered or has ended; returns what went wrong, undefined where nothing did. */
async function comesUp(query: Query, dir: string): Promise<unknown> {
  const ended = new AbortController();
  const answered = query.initializationResult().then(
    () => undefined,
    (cause: unknown) => cause,
  );
  const cause = await Promise.race([
    answered,
    awaitFile(dir, ["exit"], startTimeoutMs, ended.signal),
  ]);
  ended.abort();
  return cause;
}

interface Parts {
  readonly query: Query;
  readonly ended: Promise<void>;
  readonly inbox: Mailbox;
  readonly asks: OpenAsks;
  readonly followed: Followed;
  readonly dir: string;
  readonly launch: Launch;
}

/** As in 0.3.329, whose types do not name the option: without it what waits runs on after the interrupt. */
interface Interruptible {
  interrupt(options: { readonly cancelQueued: true }): Promise<unknown>;
}

function live({ query, ended, inbox, asks, followed, dir, launch }: Parts): Live {
  const interruptible: Interruptible = query;
  const stop = async (graceMs: number): Promise<void> => {
    inbox.close();
    query.close();
    const { id } = readShim(dir);
    if (id !== undefined) await endProcess(id.child, graceMs);
    await ended;
    await followed.gone;
  };
  return {
    pid: readShim(dir).id?.child.pid ?? 0,
    async send({ uuid, text }) {
      if (!isRunning(readShim(dir))) throw new Fault("not_found", `no session runs in ${dir}`);
      inbox.push(userMessage(uuid, text, launch.session));
    },
    async answer(ask, answer, input) {
      asks.resolve(ask, permissionResult(answer, input));
    },
    async interrupt() {
      if (!isRunning(readShim(dir))) throw new Fault("not_found", `no session runs in ${dir}`);
      await interruptible.interrupt({ cancelQueued: true });
    },
    stop,
    release: () => stop(leftoverGraceMs),
  };
}

/** The messages are in our own copy of the stream; the SDK's iterator is only kept moving. Its end is the process's. */
async function drain(query: Query): Promise<void> {
  try {
    for await (const _message of query);
  } catch {
    // A start-up failure or a killed process: its exit record says so.
  }
}

function optionsOf(
  dir: string,
  launch: Launch,
  binary: Binary,
  given: SessionEnvironment,
  canUseTool: CanUseTool,
): Options {
  const settings = settingsOf(launch);
  return {
    cwd: launch.cwd,
    env: environmentOf(launch, given),
    pathToClaudeCodeExecutable: binary.path,
    ...(launch.profile === "isolated"
      ? { settingSources: [], strictMcpConfig: true }
      : { settingSources: ["project"], projectConfigRoot: projectRoot(launch) }),
    tools: toolsOf(launch),
    permissionMode: "acceptEdits",
    settings,
    systemPrompt: {
      type: "preset",
      preset: "claude_code",
      ...(launch.instructions === "" ? {} : { append: launch.instructions }),
    },
    model: launch.model,
    maxTurns: Math.max(1, launch.turns),
    maxBudgetUsd: Math.max(0.01, launch.usd),
    canUseTool,
    ...(launch.resume ? { resume: launch.session } : { sessionId: launch.session }),
    spawnClaudeCodeProcess: ({ command, args, cwd, env }) =>
      startPiped({
        dir,
        argv: [command, ...args],
        cwd: cwd ?? launch.cwd,
        env: defined(env),
        ...(given.apiKey === null ? {} : { secret: given.apiKey }),
      }),
  };
}

function defined(env: Readonly<Record<string, string | undefined>>): Record<string, string> {
  return Object.fromEntries(
    Object.entries(env).filter((entry): entry is [string, string] => entry[1] !== undefined),
  );
}

function userMessage(uuid: string, text: string, session: string): SDKUserMessage {
  return {
    type: "user",
    message: { role: "user", content: text },
    parent_tool_use_id: null,
    uuid,
    session_id: session,
  } as SDKUserMessage;
}

interface Mailbox {
  readonly messages: AsyncIterable<SDKUserMessage>;
  push(message: SDKUserMessage): void;
  close(): void;
}

/** An endless list of messages that is read as it is written. */
function mailbox(): Mailbox {
  const waiting: SDKUserMessage[] = [];
  let closed = false;
  let wake = (): void => {};
  async function* read(): AsyncGenerator<SDKUserMessage> {
    while (!closed) {
      const next = waiting.shift();
      if (next !== undefined) yield next;
      else await new Promise<void>((resolve) => (wake = resolve));
    }
  }
  return {
    messages: read(),
    push(message) {
      waiting.push(message);
      wake();
    },
    close() {
      closed = true;
      wake();
    },
  };
}

interface OpenAsks {
  readonly canUseTool: CanUseTool;
  resolve(ask: string, result: PermissionResult): void;
}

/** Questions that the binary waits on; the stream has already said that they are open. */
function openAsks(): OpenAsks {
  const open = new Map<string, (result: PermissionResult) => void>();
  return {
    canUseTool: (_tool, _input, { requestId, signal }) =>
      new Promise((resolve) => {
        open.set(requestId, resolve);
        signal.addEventListener("abort", () => {
          open.delete(requestId);
          resolve({ behavior: "deny", message: "withdrawn" });
        });
      }),
    resolve(ask, result) {
      open.get(ask)?.(result);
      open.delete(ask);
    },
  };
}
