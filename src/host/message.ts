/** A message as its session hears it: the core's words, with what only this host knows of folders, files and commits. */
import type { Effect } from "../core/effects.ts";
import { briefingText, promptText } from "../core/texts.ts";
import { beginsAnew } from "./anew.ts";
import type { Host } from "./context.ts";
import { groundText } from "./ground.ts";
import { handedOverText } from "./handed-over.ts";

/** The whole text; the same message may be put into other words when it is sent again. */
export async function wholeText(
  host: Host,
  effect: Extract<Effect, { do: "send" }>,
): Promise<string> {
  const { att, attempt, message, spec } = effect;
  const { kind, text } = message;
  const isAnew = await beginsAnew(host, effect);
  if (kind === "prompt") return `${text}${handedOverText(host, att)}`;
  if (!isAnew && kind !== "continue") return text;
  const ground = await groundText(host, effect);
  if (!isAnew) return `${text}\n\n${ground}`;
  const task = `${promptText(spec)}${handedOverText(host, att)}`;
  return briefingText(task, attempt.handover?.text ?? null, ground, text);
}
