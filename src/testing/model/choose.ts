/**
 * Which step answers a conversation. Pure: the newest user text with a marker, or one that a rule matches, selects the steps;
 * the number of assistant messages after it is the index. A user text that selects nothing (a program's own "continue") lets
 * the steps go on.
 */
import type { Message } from "./conversation.ts";
import { asksForSummary, countBlocks, isFillIn, userTexts } from "./conversation.ts";
import { findMarker, readMarker, script } from "./marker.ts";
import type { FailureStep, MessageStep, Rule, Step } from "./script.ts";
import { isFailure } from "./script.ts";

export interface Choice {
  /** Names the steps and the index: the same for every try of the same step. */
  readonly key: string;
  /** Counted from 0; null where nothing was selected. */
  readonly index: number | null;
  /** What goes wrong first, in order. */
  readonly failures: readonly FailureStep[];
  readonly message: MessageStep;
}

/** What is said where no script says anything (more). */
const closing: MessageStep = { say: "Done." };

interface Turn {
  readonly failures: readonly FailureStep[];
  readonly message: MessageStep;
}

interface Walk {
  rulesName: string;
  rules: readonly Rule[];
  /** How many user texts each match has seen. */
  readonly seen: Map<string, number>;
  selected: { readonly name: string; readonly turns: readonly Turn[] } | null;
  index: number;
}

/**
 * The step for these messages. `rules` hold from the start; those of a marker or a rule that has `later` replace them.
 * Throws Fault `usage` for a marker that cannot be read.
 */
export function choose(messages: readonly Message[], rules: readonly Rule[] = []): Choice {
  const { selected, index } = walk(messages, rules);
  if (selected === null) return { key: "", index: null, failures: [], message: closing };
  const turn = selected.turns[index] ?? { failures: [], message: closing };
  return { key: `${selected.name}#${index}`, index, ...turn };
}

/**
 * The marker for the summary that replaces these messages: it goes on where they end. The messages that the program keeps
 * behind the summary are not in its request, so they are counted there.
 */
export function carriedMarker(messages: readonly Message[], rules: readonly Rule[] = []): string {
  const { selected, index, ...rest } = walk(messages, rules);
  const turns = selected?.turns.slice(index) ?? [];
  const left = rest.rules.flatMap((rule): readonly Rule[] => {
    if (rule.nth === undefined) return [rule];
    const nth = rule.nth - (rest.seen.get(patternOf(rest.rulesName, rule)) ?? 0);
    return nth > 0 ? [{ ...rule, nth }] : [];
  });
  return script(
    turns.map(({ failures, message }) => [...failures, message]),
    { later: left },
  );
}

function walk(messages: readonly Message[], rules: readonly Rule[]): Walk {
  const state: Walk = { rulesName: "rules", rules, seen: new Map(), selected: null, index: 0 };
  for (const message of messages) {
    if (message.role === "assistant") countAssistant(state, message);
    else for (const text of userTexts(message)) select(state, text);
  }
  return state;
}

/** A message with fewer calls than its step is the rest of one that was cut off: its step comes again. */
function countAssistant(state: Walk, message: Message): void {
  if (isFillIn(message)) return;
  const expected = state.selected?.turns[state.index]?.message.tools?.length ?? 0;
  if (countBlocks([message], "tool_use") >= expected) state.index++;
}

function select(state: Walk, text: string): void {
  const marker = findMarker(text);
  const found =
    marker === undefined ? matchRule(state, text) : { name: marker, ...readMarker(marker) };
  if (found === undefined) return;
  const { name, steps, later = [] } = found;
  if (later.length > 0) Object.assign(state, { rulesName: name, rules: later });
  Object.assign(state, { selected: { name, turns: turnsOf(steps) }, index: 0 });
}

function matchRule(
  { rules, rulesName, seen }: Walk,
  text: string,
): (Rule & { readonly name: string }) | undefined {
  if (asksForSummary(text)) return undefined;
  const fitting = rules.filter(({ match }) =>
    match instanceof RegExp ? match.test(text) : text.includes(match),
  );
  // Rules with the same match and different `nth` share one count.
  for (const pattern of new Set(fitting.map((rule) => patternOf(rulesName, rule)))) {
    seen.set(pattern, (seen.get(pattern) ?? 0) + 1);
  }
  for (const rule of fitting) {
    const count = seen.get(patternOf(rulesName, rule)) ?? 0;
    if (rule.nth !== undefined && rule.nth !== count) continue;
    return { ...rule, name: `${rulesName}>${rules.indexOf(rule)}.${count}` };
  }
  return undefined;
}

function patternOf(rulesName: string, rule: Rule): string {
  return `${rulesName}>${String(rule.match)}`;
}

/** Each message step with the failures in front of it; failures at the end stand before the closing text. */
function turnsOf(steps: readonly Step[]): readonly Turn[] {
  const turns: Turn[] = [];
  let failures: FailureStep[] = [];
  for (const step of steps) {
    if (isFailure(step)) {
      failures.push(step);
      continue;
    }
    turns.push({ failures, message: step });
    failures = [];
  }
  return failures.length > 0 ? [...turns, { failures, message: closing }] : turns;
}
