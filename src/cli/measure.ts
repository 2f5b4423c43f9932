/** Sizes and ages as a person reads them. */

/** `812 B`, `34 KB`, `1.2 MB`, `3.4 GB`. */
export function sizeText(bytes: number): string {
  if (bytes < 1024) return `${bytes} B`;
  if (bytes < 1024 ** 2) return `${(bytes / 1024).toFixed(0)} KB`;
  if (bytes < 1024 ** 3) return `${(bytes / 1024 ** 2).toFixed(1)} MB`;
  return `${(bytes / 1024 ** 3).toFixed(1)} GB`;
}

const hourMs = 3_600_000;

/** Whole units, the largest that fits: `5m`, `3h`, `41d`. */
export function ageText(ms: number): string {
  if (ms < 60_000) return `${Math.max(0, Math.round(ms / 1_000))}s`;
  if (ms < hourMs) return `${Math.round(ms / 60_000)}m`;
  return ms < 48 * hourMs ? `${Math.round(ms / hourMs)}h` : `${Math.round(ms / (24 * hourMs))}d`;
}
