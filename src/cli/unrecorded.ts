/** What a person is told while nothing can be recorded: everything that is shown stands as it did. */
import type { Unrecorded } from "../api/service.ts";
import { oneLine } from "./output.ts";

/** Why, and the command that tells more; no line where all is well. */
export function unrecordedText(unrecorded: Unrecorded | null): string[] {
  if (unrecorded === null) return [];
  const { why, command } = unrecorded;
  return [
    `▲ nothing can be recorded: ${oneLine(why, 200)}`,
    `↳ It goes on by itself once that is mended; to look, run ${command}`,
  ];
}
