/**
 * Chance as named streams of whole numbers, all of them from one seed or from a script of them. 0 is the quietest choice
 * everywhere, and what a script does not say is 0: a script too short, too long or changed by hand is still a run.
 */

export interface Random {
  /** A whole number in [0, below). */
  int(below: number): number;
  /** A whole number in [from, to]. */
  between(from: number, to: number): number;
  chance(probability: number): boolean;
  /** One of them; the first is the quietest. */
  pick<T>(items: readonly T[]): T;
  /** Always another one; it is no choice. */
  uuid(): string;
  /** Draws from the stream of that name while `act` runs: what happens in one place does not shift the choices of another. */
  as<T>(name: string, act: () => T): T;
  /** The name of the stream that is drawn from. */
  readonly stream: string;
  /** The choices so far, without the quiet ones at the ends. */
  script(): Script;
}

/** Choices by stream, in the order they are asked for. */
export type Script = Readonly<Record<string, readonly number[]>>;

interface Stream {
  readonly name: string;
  /** In [0, 1). */
  readonly next: () => number;
  readonly given: readonly number[] | null;
  readonly taken: number[];
}

/** Opens the source for a seed, the same on every machine, or for a script. */
export function random(from: number | Script): Random {
  const streams = new Map<string, Stream>();
  const open = (name: string): Stream => {
    const known = streams.get(name);
    if (known !== undefined) return known;
    const [seed, given] = typeof from === "number" ? [from, null] : [0, from[name] ?? []];
    const stream = { name, next: mulberry(seed ^ hash(name)), given, taken: [] };
    streams.set(name, stream);
    return stream;
  };
  const next = mulberry(0x5bd1e995);
  const hex = (digits: number): string =>
    Math.floor(next() * 16 ** digits)
      .toString(16)
      .padStart(digits, "0");
  let current = open("");
  const draw = (most: number, chosen: (next: () => number) => number): number => {
    const { given, taken } = current;
    const said = given === null ? chosen(current.next) : (given[taken.length] ?? 0);
    const value = Math.min(said, most);
    taken.push(value);
    return value;
  };
  const int = (below: number): number => draw(below - 1, (of) => Math.floor(of() * below));
  return {
    int,
    between: (from, to) => from + int(to - from + 1),
    chance: (probability) => draw(1, (of) => (of() < probability ? 1 : 0)) === 1,
    pick<T>(items: readonly T[]): T {
      if (items.length === 0) throw new Error("nothing to pick from");
      return items[int(items.length)] as T;
    },
    uuid: () => `${hex(8)}-${hex(4)}-4${hex(3)}-a${hex(3)}-${hex(6)}${hex(6)}`,
    as(name, act) {
      const outer = current;
      current = open(name);
      try {
        return act();
      } finally {
        current = outer;
      }
    },
    get stream() {
      return current.name;
    },
    script: () =>
      Object.fromEntries(
        [...streams.values()]
          .map(({ name, taken }) => [name, loud(taken)] as const)
          .filter(([, taken]) => taken.length > 0),
      ),
  };
}

/** Without the quiet choices at the end, which are the same as none. */
function loud(taken: readonly number[]): readonly number[] {
  return taken.slice(0, taken.findLastIndex((choice) => choice !== 0) + 1);
}

/** mulberry32 over one 32-bit state. */
function mulberry(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 4_294_967_296;
  };
}

/** FNV-1a. */
function hash(text: string): number {
  let sum = 0x811c9dc5;
  for (let i = 0; i < text.length; i++) sum = Math.imul(sum ^ text.charCodeAt(i), 0x01000193);
  return sum;
}
