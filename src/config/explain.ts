/** Where every value comes from, for `muster config explain`. */
import type { Place } from "../core/plan.ts";

export interface Source {
  /** What a value without a place comes from, such as `default` or `command line`. */
  readonly from: string;
  readonly values: Readonly<Record<string, unknown>>;
  readonly places?: Readonly<Record<string, Place>>;
}

export interface Explained {
  /** Dotted, such as `limits.usd`. */
  readonly key: string;
  readonly value: unknown;
  /** `file:line`, or the source's own name. */
  readonly from: string;
}

/**
 * One row for every key that any of `sources` says, by name. Later sources replace earlier ones; a value that is null or
 * undefined says nothing. Lists are values, mappings are not.
 */
export function explain(sources: readonly Source[]): readonly Explained[] {
  const rows = new Map<string, Explained>();
  for (const source of sources) {
    for (const [key, value] of leaves(source.values, "")) {
      const place = source.places?.[key];
      rows.set(key, {
        key,
        value,
        from: place === undefined ? source.from : `${place.file}:${place.line}`,
      });
    }
  }
  return [...rows.values()].toSorted((a, b) => (a.key < b.key ? -1 : 1));
}

function leaves(values: object, before: string): readonly (readonly [string, unknown])[] {
  return Object.entries(values).flatMap(([key, value]: [string, unknown]) => {
    const path = before === "" ? key : `${before}.${key}`;
    if (value === null || value === undefined) return [];
    return typeof value === "object" && !Array.isArray(value)
      ? leaves(value, path)
      : [[path, value] as const];
  });
}
