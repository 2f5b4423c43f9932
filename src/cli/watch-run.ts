/** Watching a run to its end, the same for `run` and `watch`: progress, Ctrl-C, questions, and the exit code. */
import type { RunDetail } from "../api/service.ts";
import { exitCodes } from "../core/fault.ts";
import type { Connection } from "./connect.ts";
import { followRun, isAtRest } from "./follow.ts";
import { offerQuestions, waitsForPerson } from "./offer.ts";
import { canAsk, note, ring } from "./output.ts";
import { progress } from "./progress.ts";

const interrupted = 130;

/**
 * Follows a run until it is settled, or waits for a person who is not at this terminal. Ctrl-C leaves it going. `onChange` gets
 * every state instead of the progress block where it is given.
 */
export async function watchToEnd(
  daemon: Connection,
  id: string,
  onChange?: (detail: RunDetail) => void,
): Promise<RunDetail> {
  const shown = progress();
  const leave = (): void => {
    shown.end();
    note(`\n◎ ${id} goes on without this terminal`);
    note(`↳ To come back, run muster watch ${id}`);
    process.exit(interrupted);
  };
  const offers = onChange === undefined && canAsk();
  process.once("SIGINT", leave);
  try {
    for (;;) {
      const until = (now: RunDetail): boolean => isAtRest(now) || (offers && waitsForPerson(now));
      const detail = await followRun(daemon, id, onChange ?? ((now) => shown.show(now)), { until });
      shown.clear();
      ring(`muster: ${detail.run.id} ${detail.run.state.replace("_", " ")}`);
      if (detail.settled || !offers || !(await offerQuestions(daemon, detail))) return detail;
    }
  } finally {
    process.removeListener("SIGINT", leave);
  }
}

/** What a watched run says to the shell: 0 done, 1 the work said no, 3 needs a person. */
export function exitCodeOf({ run, settled }: RunDetail): number {
  if (!settled) return exitCodes.needs_person;
  return run.state === "succeeded" ? 0 : 1;
}
