/** Values of the core as text and back: events and the state hold maps, written as `{"$map": [[key, value], …]}`. */

export function toText(value: unknown): string {
  return JSON.stringify(value, (_key, inner: unknown) =>
    inner instanceof Map ? { $map: [...inner] } : inner,
  );
}

/** The value that `toText` wrote; the caller knows its type. */
export function fromText(text: string): unknown {
  return JSON.parse(text, revive);
}

function revive(_key: string, value: unknown): unknown {
  if (typeof value !== "object" || value === null || !("$map" in value)) return value;
  return new Map((value as { $map: [unknown, unknown][] }).$map);
}
