/**
 * Values of the core as text and back: events and the state hold maps, written as `{"$map": [[key, value], …]}`. An object that
 * has such a key itself (what an agent sends may) is written as `{"$object": [[key, value], …]}`.
 */

export function toText(value: unknown): string {
  return JSON.stringify(value, (_key, inner: unknown) => {
    if (inner instanceof Map) return { $map: [...inner] };
    return isTagged(inner) ? { $object: Object.entries(inner) } : inner;
  });
}

function isTagged(value: unknown): value is object {
  return (
    typeof value === "object" &&
    value !== null &&
    (Object.hasOwn(value, "$map") || Object.hasOwn(value, "$object"))
  );
}

/** The value that `toText` wrote; the caller knows its type. */
export function fromText(text: string): unknown {
  return JSON.parse(text, revive);
}

function revive(_key: string, value: unknown): unknown {
  if (!isTagged(value)) return value;
  if ("$map" in value) return new Map(value.$map as [unknown, unknown][]);
  return Object.fromEntries((value as { $object: [string, unknown][] }).$object);
}
