/** A message as its session hears it: the core's words, with what only this host knows of folders, files and commits. */
import type { Effect } from "../core/effects.ts";
import { briefingText, cutOffText, promptText } from "../core/texts.ts";
import { beginsAnew } from "./anew.ts";
import type { Host } from "./context.ts";
import { groundText } from "./ground.ts";
import { handedOverText } from "./handed-over.ts";

type Send = Extract<Effect, { do: "send" }>;

export type Speaker = (effect: Send, say: (text: string) => Promise<void>) => Promise<void>;

/**
 * Says the messages of a start one after another, as they are asked for: what comes first is heard first, however long its words
 * take to find, and only that one tells a session without a past of its task. One that fails does not stop the next.
 */
export function speaker(host: Host): Speaker {
  const last = new Map<string, Promise<void>>();
  return (effect, say) => {
    const start = `${effect.att}:${effect.n}`;
    const before = last.get(start) ?? Promise.resolve();
    const next = before.catch(() => {}).then(async () => say(await wholeText(host, effect)));
    last.set(start, next);
    const forget = (): void => {
      if (last.get(start) === next) last.delete(start);
    };
    void next.then(forget, forget);
    return next;
  };
}

/** The whole text; the same message may be put into other words when it is sent again. */
async function wholeText(host: Host, effect: Send): Promise<string> {
  const { att, attempt, message, spec } = effect;
  const { kind, text } = message;
  const isAnew = await beginsAnew(host, effect);
  const cutOff = attempt.mail.at(-1)?.uuid === message.uuid ? attempt.cutOff : null;
  const isPrompt = kind === "prompt";
  const whole = isPrompt ? `${text}${handedOverText(host, att)}` : text;
  const said = cutOff === null ? whole : `${whole}\n\n${cutOffText(cutOff)}`;
  const needsGround = kind === "continue" || cutOff !== null;
  if ((isPrompt || !isAnew) && !needsGround) return said;
  const ground = await groundText(host, effect);
  if (isPrompt || !isAnew) return `${said}\n\n${ground}`;
  const task = `${promptText(spec)}${handedOverText(host, att)}`;
  return briefingText(task, attempt.handover?.text ?? null, ground, said);
}
