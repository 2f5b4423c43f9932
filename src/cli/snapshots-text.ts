/** The snapshots of a task as a table: which, how old, how large, and what about. */
import type { SnapshotItem } from "../api/housekeeping.ts";
import { ageText, sizeText } from "./measure.ts";
import { oneLine, table } from "./output.ts";

/** Oldest first; `now` in wall-clock ms. */
export function snapshotsText(snapshots: readonly SnapshotItem[], now: number): string {
  return table(
    snapshots.map(({ at, takenAt, bytes, left, about }) => [
      at,
      `${ageText(now - takenAt)} ago`,
      bytes === null ? "?" : sizeText(bytes),
      `${oneLine(about, 80)}${left === 0 ? "" : `, without ${left} files`}`,
    ]),
  );
}
