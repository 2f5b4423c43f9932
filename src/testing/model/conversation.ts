/**
 * Reading the messages of a request: which texts a person (or muster) wrote, among everything that the program adds. The
 * shapes are those that claude 2.1.329 was seen to send.
 */

export interface Block {
  readonly type: string;
  readonly text?: string;
  readonly content?: unknown;
}

export interface Message {
  readonly role: string;
  readonly content: string | readonly Block[];
}

const reminder = /<system-reminder>[\s\S]*?<\/system-reminder>/g;
/** A text sent in the middle of a turn comes folded into a message of the role `system`. */
const steering =
  /The user sent a new message while you were working:\n([\s\S]*?)\n\nThis is how Claude Code surfaces/g;
const summaryRequest = "Your task is to create a detailed summary of ";

/** The blocks of a message; a plain text is one text block. */
export function blocksOf(message: Message): readonly Block[] {
  const { content } = message;
  return typeof content === "string" ? [{ type: "text", text: content }] : content;
}

/** What the user side says in a message: no tool results, nothing that the program wraps as a reminder. */
export function userTexts(message: Message): readonly string[] {
  if (message.role === "assistant") return [];
  const texts = blocksOf(message).flatMap((block) =>
    block.type === "text" ? (block.text ?? "") : [],
  );
  if (message.role === "system") return texts.flatMap(steeringTexts);
  return texts.map((text) => text.replace(reminder, "").trim()).filter((text) => text !== "");
}

/** A text sent in the middle of a turn, as the program folds it into a message of the role `system`. */
export function foldedText(text: string): string {
  return `The user sent a new message while you were working:\n${text}\n\nThis is how Claude Code surfaces messages sent mid-turn.`;
}

function steeringTexts(text: string): readonly string[] {
  return [...text.matchAll(steering)].map(([, sent]) => sent ?? "");
}

/** The newest user text, or an empty one. */
export function newestUserText(messages: readonly Message[]): string {
  return messages.flatMap(userTexts).at(-1) ?? "";
}

/** True for the text with which the program asks for the summary of a conversation before it compacts it. */
export function asksForSummary(text: string): boolean {
  return text.includes(summaryRequest) && text.includes("<summary>");
}

/** True for the message that the program itself puts behind a call without a result when it resumes a killed session. */
export function isFillIn(message: Message): boolean {
  const blocks = blocksOf(message);
  return blocks.length === 1 && blocks[0]?.text === "No response requested.";
}

/** The number of blocks of a type in some messages. */
export function countBlocks(messages: readonly Message[], type: string): number {
  return messages.flatMap(blocksOf).filter((block) => block.type === type).length;
}
