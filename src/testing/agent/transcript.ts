/**
 * The transcript: append-only JSON lines where the real program keeps them, enough to resume from. Lines are written at once;
 * the real program writes them up to 100 ms later, so that a kill can lose the newest.
 */
import { appendFileSync, existsSync, mkdirSync, readFileSync, readdirSync } from "node:fs";
import { dirname, join } from "node:path";
import type { Block, Message } from "../model/conversation.ts";
import { foldedText } from "../model/conversation.ts";
import type { Totals } from "./usage.ts";
import type { Content } from "./wire.ts";

export interface Past {
  readonly messages: readonly Message[];
  /** Uuids of the user messages that were started. */
  readonly uuids: ReadonlySet<string>;
  readonly totals: Totals | null;
}

export interface Transcript {
  readonly path: string;
  user(content: Content | readonly unknown[], uuid: string): void;
  /** A message that was folded into a running turn. */
  folded(prompt: string, uuid: string): void;
  /** A block of an assistant message; blocks of one id are one message. */
  assistant(id: string, block: unknown): void;
  totals(totals: Totals): void;
}

type Environment = Readonly<Record<string, string | undefined>>;

function projectsFolder(env: Environment): string {
  return join(env["CLAUDE_CONFIG_DIR"] ?? join(env["HOME"] ?? "/", ".claude"), "projects");
}

/** Where the transcript of a session that starts here goes. */
export function transcriptPath(sessionId: string, cwd: string, env: Environment): string {
  // Without an own config dir the real program ignores the name.
  const named =
    env["CLAUDE_CONFIG_DIR"] === undefined ? undefined : env["CLAUDE_CODE_PROJECT_DIR_NAME"];
  return join(
    projectsFolder(env),
    named ?? cwd.replace(/[^a-zA-Z0-9]/g, "-"),
    `${sessionId}.jsonl`,
  );
}

/** The transcript of a session in any project of this config dir. */
export function findTranscript(sessionId: string, env: Environment): string | undefined {
  const projects = projectsFolder(env);
  if (!existsSync(projects)) return undefined;
  return readdirSync(projects)
    .map((project) => join(projects, project, `${sessionId}.jsonl`))
    .find((path) => existsSync(path));
}

/** Opens a transcript for appending; the file comes with the first line. */
export function openTranscript(path: string, sessionId: string, cwd: string): Transcript {
  const append = (line: object): void => {
    mkdirSync(dirname(path), { recursive: true });
    const stamp = { timestamp: new Date().toISOString(), sessionId, cwd };
    appendFileSync(path, `${JSON.stringify({ ...line, ...stamp })}\n`);
  };
  return {
    path,
    user: (content, uuid) => append({ type: "user", uuid, message: { role: "user", content } }),
    folded: (prompt, uuid) =>
      append({
        type: "attachment",
        attachment: { type: "queued_command", prompt, source_uuid: uuid },
      }),
    assistant: (id, block) =>
      append({ type: "assistant", message: { id, role: "assistant", content: [block] } }),
    totals: (totals) => append({ type: "cost-state", totals }),
  };
}

interface Line {
  readonly type: string;
  readonly uuid?: string;
  readonly message?: Message & { readonly id?: string };
  readonly attachment?: { readonly prompt: string; readonly source_uuid: string };
  readonly totals?: Totals;
}

/** Reads what a transcript says; a line torn by a kill is not there. */
export function readTranscript(path: string): Past {
  const messages: Message[] = [];
  const uuids = new Set<string>();
  let totals: Totals | null = null;
  let openId: string | undefined;
  let blocks: Block[] = [];
  for (const { type, uuid, message, attachment, totals: newer } of readLines(path)) {
    if (type === "assistant" && message?.id !== undefined && Array.isArray(message.content)) {
      if (openId !== message.id) {
        openId = message.id;
        blocks = [];
        messages.push({ role: "assistant", content: blocks });
      }
      blocks.push(...message.content);
    } else if (type === "user" && message !== undefined) {
      messages.push(message);
      if (uuid !== undefined) uuids.add(uuid);
    } else if (attachment !== undefined) {
      messages.push({ role: "system", content: foldedText(attachment.prompt) });
      uuids.add(attachment.source_uuid);
    }
    totals = newer ?? totals;
  }
  return { messages, uuids, totals };
}

function readLines(path: string): readonly Line[] {
  return readFileSync(path, "utf8")
    .split("\n")
    .flatMap((text): readonly Line[] => {
      try {
        const line: Line = JSON.parse(text);
        return [line];
      } catch {
        return [];
      }
    });
}
