/** Structural equality of plain values: primitives, arrays, objects and maps (in order). */

/** Where `a` and `b` first differ, as a path; null where they are equal. */
export function difference(a: unknown, b: unknown, path = "$"): string | null {
  if (Object.is(a, b)) return null;
  if (typeof a !== "object" || typeof b !== "object" || a === null || b === null) return path;
  if (a instanceof Map || b instanceof Map) {
    if (!(a instanceof Map) || !(b instanceof Map)) return path;
    return difference([...a], [...b], path);
  }
  const keys = Object.keys(a);
  if (keys.length !== Object.keys(b).length) return `${path} (keys)`;
  for (const key of keys) {
    if (!Object.hasOwn(b, key)) return `${path}.${key}`;
    const found = difference(
      (a as Record<string, unknown>)[key],
      (b as Record<string, unknown>)[key],
      `${path}.${key}`,
    );
    if (found !== null) return found;
  }
  return null;
}
