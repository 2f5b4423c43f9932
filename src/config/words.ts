/** The words of a configuration error: values on one line, and the known word that a mistyped one was meant to be. */

const maxShown = 60;
const everyUnseen = /[\p{Cc}\p{Zl}\p{Zp}\u202a-\u202e\u2066-\u2069]/gu;

/** `text` on one line, with what can't be seen written as `\u….` */
export function oneLine(text: string): string {
  return text
    .toWellFormed()
    .replace(everyUnseen, (c) => `\\u${c.charCodeAt(0).toString(16).padStart(4, "0")}`);
}

/** A value as an error quotes it: in double quotes, on one line, cut after 60 characters. */
export function quote(text: string): string {
  return `"${oneLine(text.length > maxShown ? `${text.slice(0, maxShown)}…` : text)}"`;
}

/** The known word that `word` was probably meant to be: at most a third of its letters wrong. */
export function suggest(word: string, known: readonly string[]): string | undefined {
  if (word.length > maxShown) return undefined;
  const ranked = known
    .map((candidate) => ({
      candidate,
      wrong: editDistance(word.toLowerCase(), candidate.toLowerCase()),
    }))
    .toSorted((a, b) => a.wrong - b.wrong);
  const best = ranked[0];
  return best !== undefined && best.wrong <= Math.max(1, Math.floor(word.length / 3))
    ? best.candidate
    : undefined;
}

/** Letters to insert, delete, replace or swap with their neighbor (optimal string alignment). */
function editDistance(a: string, b: string): number {
  let before: number[] = [];
  let previous = Array.from({ length: b.length + 1 }, (_, j) => j);
  for (let i = 1; i <= a.length; i++) {
    const current = [i];
    for (let j = 1; j <= b.length; j++) {
      const same = a[i - 1] === b[j - 1];
      let cost = Math.min(
        at(previous, j) + 1,
        at(current, j - 1) + 1,
        at(previous, j - 1) + (same ? 0 : 1),
      );
      const swapped = i > 1 && j > 1 && a[i - 1] === b[j - 2] && a[i - 2] === b[j - 1];
      if (swapped) cost = Math.min(cost, at(before, j - 2) + 1);
      current.push(cost);
    }
    before = previous;
    previous = current;
  }
  return at(previous, b.length);
}

function at(row: readonly number[], index: number): number {
  return row[index] ?? 0;
}
