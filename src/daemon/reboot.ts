/** Whether the machine was restarted since a daemon last ran here, and which runs wait for a person's word then. */
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { type UserConfig, readUserConfig } from "../config/user.ts";
import { replaceFile } from "../config/write.ts";
import type { RunId } from "../core/ids.ts";
import type { Command } from "../core/inputs.ts";
import type { State } from "../core/state.ts";
import { bootId } from "../process/identity.ts";
import type { Callers } from "./callers/callers.ts";
import type { Engine } from "./engine.ts";
import type { Log } from "./log.ts";

/** Starts the engine; what the person wants to be asked about after a restart of the machine is paused before anything else. */
export async function startEngine(
  engine: Engine,
  home: string,
  callers: Callers,
  log: Log,
): Promise<void> {
  const restarted = wasRestarted(home);
  const { recorded, waits } = await engine.start((state) =>
    restarted ? pausesAfterRestart(state, callers, log) : [],
  );
  // Not before the pauses are durable: the next start would not know of the restart.
  const noted = recorded
    .then(() => noteBoot(home))
    .catch((error: unknown) => log("warn", "This boot was not noted", { error: String(error) }));
  if (!waits) await noted;
}

/** True where the last daemon of this home ran before the machine was restarted; false where none ever ran. */
function wasRestarted(home: string): boolean {
  try {
    return readFileSync(bootFile(home), "utf8").trim() !== bootId();
  } catch {
    return false;
  }
}

/** What ran before counts as known from here on. */
async function noteBoot(home: string): Promise<void> {
  await replaceFile(bootFile(home), `${bootId()}\n`);
}

/** Pauses of the runs whose person wants to be asked before anything goes on after a restart. */
function pausesAfterRestart(state: State, callers: Callers, log: Log): Command[] {
  const why = "the machine was restarted";
  return [...state.runs.values()]
    .filter(({ id, paused }) => !paused && policyOf(callers, id, log) === "ask")
    .map(({ id }) => ({ type: "pause", run: id, task: null, interrupt: false, why }));
}

/** A configuration that can't be read may say to ask, and must not keep the daemon from its start. */
function policyOf(callers: Callers, run: RunId, log: Log): UserConfig["resume"] {
  try {
    return (callers.get(run)?.config ?? readUserConfig(process.env)).resume;
  } catch (error) {
    log("warn", "A run waits for a person after the restart", { run, why: String(error) });
    return "ask";
  }
}

function bootFile(home: string): string {
  return join(home, "boot");
}
