/** The words of an error: what a hostile value looks like in one line, and which known word a mistyped one was meant to be. */

const maxShown = 60;
/** Characters that move the cursor, break the line or turn its direction. */
const unseen = /[\p{Cc}\p{Zl}\p{Zp}\u202a-\u202e\u2066-\u2069]/u;
const everyUnseen = new RegExp(unseen, "gu");

/** True where `text` shows as what it is: no control character, no line or direction change, no half of a pair. */
export function isPlain(text: string): boolean {
  return text.isWellFormed() && !unseen.test(text);
}

/** `text` on one line, with what can't be seen written as `\u….` */
export function oneLine(text: string): string {
  return text
    .toWellFormed()
    .replace(everyUnseen, (c) => `\\u${c.charCodeAt(0).toString(16).padStart(4, "0")}`);
}

/** The first `chars` of `text`, never with half of a pair at the end: the API refuses a request with one. */
export function beginning(text: string, chars: number): string {
  const last = text.charCodeAt(chars - 1);
  const isHalf = last >= 0xd800 && last <= 0xdbff && text.length > chars;
  return text.slice(0, isHalf ? chars - 1 : chars);
}

/** A value as an error quotes it: in double quotes, on one line, cut after 60 characters. */
export function quote(text: string): string {
  const cut = text.length > maxShown ? `${text.slice(0, maxShown)}…` : text;
  return `"${oneLine(cut)}"`;
}

/** A file name as a shell takes it, for remedies. */
export function shellWord(text: string): string {
  return /^[\w./@%+,:=][\w./@%+,:=-]*$/.test(text)
    ? text
    : `'${oneLine(text).replaceAll("'", "'\\''")}'`;
}

/** `1 task`, `3 tasks`. */
export function count(n: number, noun: string): string {
  return n === 1 ? `1 ${noun}` : `${n} ${noun}s`;
}

/** The known word that `word` was probably meant to be: at most a third of its letters wrong. */
export function suggest(word: string, known: Iterable<string>): string | undefined {
  if (word.length > maxShown) return undefined;
  const wanted = word.toLowerCase();
  let best: string | undefined;
  let least = Math.max(1, Math.floor(wanted.length / 3)) + 1;
  for (const candidate of known) {
    if (Math.abs(candidate.length - wanted.length) >= least) continue;
    const distance = editDistance(wanted, candidate.toLowerCase());
    if (distance < least) [best, least] = [candidate, distance];
  }
  return best;
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
