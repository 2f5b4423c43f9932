/** Runs `claude` or the stand-in, in a repository of its own and with an environment built from scratch. */
import type { ChildProcess } from "node:child_process";
import { spawn } from "node:child_process";
import { mkdir, mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";
import { afterEach, beforeEach } from "vitest";
import type { Model } from "../../../src/testing/model/model.ts";
import { startModel } from "../../../src/testing/model/model.ts";
import { run } from "../../../src/process/run.ts";

export interface Place {
  readonly program: string;
  readonly dir: string;
  readonly repo: string;
  readonly env: Readonly<Record<string, string>>;
  readonly children: Set<ChildProcess>;
  git(...args: readonly string[]): Promise<string>;
  /** Ends what still runs here and deletes everything. */
  remove(): Promise<void>;
}

/** A message on the wire: the fields that tests reach into, and any other. */
export interface Wire {
  readonly type?: string;
  readonly subtype?: string;
  readonly state?: string;
  readonly command_uuid?: string;
  readonly request_id?: string;
  readonly request?: {
    readonly subtype: string;
    readonly tool_use_id?: string;
    readonly input?: Readonly<Record<string, unknown>>;
  };
  readonly result?: string;
  readonly total_cost_usd?: number;
  readonly model_usage_since_last_result?: Readonly<Record<string, { readonly costUSD: number }>>;
  readonly [key: string]: unknown;
}

export interface Session {
  /** Every message so far. */
  readonly messages: readonly Wire[];
  send(message: Wire): void;
  /** Anything, as it is. */
  sendText(text: string): void;
  /** A user message, with a new uuid unless one is given. */
  say(text: string, uuid?: string): void;
  /** The next message that fits and that no earlier wait has taken. */
  next(fits: (message: Wire) => boolean, timeoutMs?: number): Promise<Wire>;
  /** Closes stdin and waits for the exit code. */
  end(): Promise<number | null>;
  /** Waits for the exit code. */
  exited(): Promise<number | null>;
  kill(): Promise<void>;
  stderr(): string;
}

/** Where a test is: new for each. */
export interface Here {
  readonly place: Place;
  readonly model: Model;
}

/** Gives each test of a file a model and a place. */
export function useHere(program: () => string): Here {
  let place: Place;
  let model: Model;
  beforeEach(async () => {
    model = await startModel();
    place = await createPlace(program(), model.url);
  });
  afterEach(async () => {
    await place.remove();
    await model.close();
  });
  return {
    get place() {
      return place;
    },
    get model() {
      return model;
    },
  };
}

/** The real binary, from the SDK's platform package. */
export const binary = fileURLToPath(
  new URL(
    `../../../node_modules/@anthropic-ai/claude-agent-sdk-${process.platform}-${process.arch}/claude`,
    import.meta.url,
  ),
);

/** A temporary repository with one commit, and an environment for sessions in it. */
async function createPlace(program: string, url: string): Promise<Place> {
  const dir = await mkdtemp(join(tmpdir(), "muster-model-"));
  const repo = join(dir, "repo");
  for (const name of ["home", "cfg", "tmp", "repo"]) await mkdir(join(dir, name));
  const base = {
    PATH: process.env["PATH"] ?? "",
    HOME: join(dir, "home"),
    GIT_CONFIG_GLOBAL: "/dev/null",
    GIT_AUTHOR_NAME: "test",
    GIT_AUTHOR_EMAIL: "test@localhost",
    GIT_COMMITTER_NAME: "test",
    GIT_COMMITTER_EMAIL: "test@localhost",
  };
  const git = async (...args: readonly string[]): Promise<string> => {
    const { stdout } = await run({
      argv: ["git", ...args],
      cwd: repo,
      env: base,
      timeoutMs: 10_000,
    });
    return stdout.toString().trim();
  };
  await git("init", "-q", "-b", "main");
  await git("commit", "-q", "--allow-empty", "-m", "start");
  const env = {
    ...base,
    ANTHROPIC_BASE_URL: url,
    ANTHROPIC_API_KEY: "dummy",
    CLAUDE_CONFIG_DIR: join(dir, "cfg"),
    CLAUDE_CODE_PROJECT_DIR_NAME: "p1",
    CLAUDE_CODE_TMPDIR: join(dir, "tmp"),
    CLAUDE_CODE_DISABLE_NONESSENTIAL_TRAFFIC: "1",
    DISABLE_TELEMETRY: "1",
    DISABLE_AUTOUPDATER: "1",
    DISABLE_ERROR_REPORTING: "1",
    CLAUDE_CODE_EMIT_SESSION_STATE_EVENTS: "1",
    CLAUDE_CODE_DISABLE_AUTO_MEMORY: "1",
    CLAUDE_CODE_DISABLE_BACKGROUND_TASKS: "1",
    CLAUDE_CODE_DISABLE_CRON: "1",
  };
  const children = new Set<ChildProcess>();
  const remove = async (): Promise<void> => {
    for (const child of children) child.kill("SIGKILL");
    // A killed session's own children may still be writing for a moment.
    await rm(dir, { recursive: true, force: true, maxRetries: 10 });
  };
  return { program, dir, repo, env, children, git, remove };
}

const flags = [
  "-p",
  "--input-format=stream-json",
  "--output-format=stream-json",
  "--verbose",
  "--permission-prompt-tool=stdio",
  "--permission-mode=acceptEdits",
  "--allowedTools=Bash(git add *),Bash(git commit *)",
  "--setting-sources=",
  "--strict-mcp-config",
];

/** Starts a session that speaks the control protocol. */
export function startSession(
  place: Place,
  args: readonly string[] = [],
  env: Readonly<Record<string, string>> = {},
): Session {
  const child = spawn(place.program, [...flags, ...args], {
    cwd: place.repo,
    env: { ...place.env, ...env },
    stdio: "pipe",
  });
  place.children.add(child);
  const messages: Wire[] = [];
  const taken = new Set<Wire>();
  const watchers = new Set<() => void>();
  let stderr = "";
  child.stderr.on("data", (chunk: Buffer) => (stderr += chunk.toString()));
  child.stdin.on("error", () => {});
  createInterface({ input: child.stdout }).on("line", (line) => {
    const message: Wire = JSON.parse(line);
    messages.push(message);
    for (const tell of watchers) tell();
  });
  const exited = new Promise<number | null>((resolve) =>
    child.once("close", (code) => {
      place.children.delete(child);
      resolve(code);
    }),
  );
  const send = (message: Wire): void => void child.stdin.write(`${JSON.stringify(message)}\n`);
  return {
    messages,
    send,
    sendText: (text) => void child.stdin.write(text),
    say: (content, uuid = crypto.randomUUID()) =>
      send({
        type: "user",
        message: { role: "user", content },
        parent_tool_use_id: null,
        uuid,
      }),
    next(fits, timeoutMs = 20_000) {
      return new Promise((resolve, reject) => {
        const look = (): void => {
          const found = messages.find((message) => !taken.has(message) && fits(message));
          if (found === undefined) return;
          clearTimeout(timer);
          watchers.delete(look);
          taken.add(found);
          resolve(found);
        };
        const timer = setTimeout(() => {
          watchers.delete(look);
          const seen = messages.map((message) => JSON.stringify(message).slice(0, 300)).join("\n");
          reject(
            new Error(`no such message in ${timeoutMs} ms; stderr: ${stderr}; seen:\n${seen}`),
          );
        }, timeoutMs);
        watchers.add(look);
        look();
      });
    },
    end() {
      child.stdin.end();
      return exited;
    },
    exited: () => exited,
    async kill() {
      child.kill("SIGKILL");
      await exited;
    },
    stderr: () => stderr,
  };
}
