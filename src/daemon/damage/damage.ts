/**
 * A ledger that can be trusted, at every start: one that is damaged is set aside and rebuilt, what the world proves beyond it is
 * recorded, sessions that nobody knows any more are ended, and a person is told. Nothing is deleted.
 */
import {
  appendFileSync,
  existsSync,
  readFileSync,
  renameSync,
  rmSync,
  writeFileSync,
} from "node:fs";
import { join } from "node:path";
import { replaceFile } from "../../config/write.ts";
import type { EventBody } from "../../core/events.ts";
import { Fault } from "../../core/fault.ts";
import type { AttemptId, RunId } from "../../core/ids.ts";
import type { Ledger } from "../../core/ports.ts";
import type { Attempt } from "../../core/attempt.ts";
import { count, shellWord } from "../../core/words.ts";
import type { Host } from "../../host/context.ts";
import { whyOf } from "../../ledger/check.ts";
import {
  type Damage,
  finishRebuild,
  noteDamage,
  readDamages,
  rebuildLedger,
} from "../../ledger/rebuild.ts";
import { type LedgerOptions, openLedger } from "../../ledger/sqlite.ts";
import { sweepSession } from "../../process/end.ts";
import { sessionIn } from "../../process/tagged.ts";
import { type Trace, readKnown, readTraces, unrecorded } from "./evidence.ts";
import type { Log } from "../log.ts";
import { findRun } from "../projection.ts";
import { type Proved, proveRun } from "./prove.ts";
import { type Stranded, reportText } from "./report.ts";
import { readState } from "../state-cache.ts";

/** Attempts of a run beyond the last known one; a folder with a higher number was made by somebody else. */
const maxLost = 1_000;
/** An answer that is under way still goes out. */
const endMs = 250;

const reportName = "report.txt";
const strandedName = "stranded.json";

export interface SoundOptions {
  readonly home: string;
  readonly log: Log;
  /** Called where only a new start helps. */
  readonly fail: (error: unknown) => void;
}

export function ledgerPath(home: string): string {
  return join(home, "ledger.db");
}

/** Read by the next command. */
function notePath(home: string): string {
  return join(home, "daemon.note");
}

/** Left by a daemon that met damage while it ran, or by whoever does as doctor says: the next start looks at every row. */
export function suspectPath(home: string): string {
  return join(home, "ledger.suspect");
}

/** Opens the ledger of a home, rebuilt where it is damaged. Throws Fault `no_space`, `unwritable`, `locked`, `version_mismatch`. */
export function openSound({ home, log, fail }: SoundOptions): Ledger {
  const path = ledgerPath(home);
  const onDamage = (fault: Fault): void => {
    log("error", "The ledger is damaged", { why: fault.message });
    suspect(home, fault);
    setTimeout(() => fail(fault), endMs);
  };
  finishRebuild(path);
  const onMended = (why: string): void => {
    log("warn", "Made an index of the ledger anew", { why });
    tellMended(home, why);
  };
  const all = existsSync(suspectPath(home));
  const ledger = openOrRebuild(path, { all, onDamage, onMended }, log);
  rmSync(suspectPath(home), { force: true });
  return ledger;
}

function tellMended(home: string, why: string): void {
  const said = `an index of the ledger was damaged (${why}) and is made anew: no event is lost`;
  try {
    appendFileSync(notePath(home), `${said}\n`, { mode: 0o600 });
  } catch {
    // A full disk must not keep the daemon from its start for the sake of a note.
  }
}

function openOrRebuild(path: string, options: LedgerOptions, log: Log): Ledger {
  try {
    return openLedger(path, options);
  } catch (error) {
    if (!(error instanceof Fault) || error.code !== "damaged") throw error;
    setAside(path, whyOf(error, path), log);
    return openLedger(path, options);
  }
}

function setAside(path: string, why: string, log: Log): void {
  const { folder, kept, known } = rebuildLedger(path, why, Date.now());
  log("error", "Set a damaged ledger aside", { why, folder, kept, known });
}

function suspect(home: string, fault: Fault): void {
  try {
    writeFileSync(`${suspectPath(home)}.new`, `${fault.message}\n`, { mode: 0o600 });
    renameSync(`${suspectPath(home)}.new`, suspectPath(home));
  } catch {
    // A disk that takes nothing: the next start finds what quick_check finds.
  }
}

/**
 * Records what the world proves beyond the ledger, ends sessions of runs that the ledger does not know, and reports. Called before
 * the engine starts; costs one look at the folders where nothing is wrong.
 */
export async function recoverLost(host: Host, ledger: Ledger): Promise<void> {
  const path = ledgerPath(host.home);
  const all = readDamages(path);
  const damages = all.filter(({ folder }) => !existsSync(join(folder, reportName)));
  const told = new Set(all.flatMap(({ folder }) => readStranded(folder)));
  const known = await readKnown(ledger);
  const { attempts, runs } = await readState(ledger);
  const beyond = unrecorded(readTraces(host.home), known).filter(
    ({ att, run, n }) =>
      !told.has(att) &&
      (attempts.has(att) || n > (known.attempts.get(run) ?? 0)) &&
      n <= (known.attempts.get(run) ?? n) + maxLost,
  );
  const isWhole = damages.every(isComplete);
  const looked = new Set([
    ...beyond.map(({ run }) => run).filter((run) => known.attempts.has(run)),
    ...[...attempts.values()].filter(isWorktreeGone).map(({ run }) => run),
    ...(isWhole ? [] : runs.keys()),
  ]);
  const proved = await recordProofs(host, ledger, looked, { traces: beyond, isWhole });
  const stranded = await endStranded(
    host.home,
    beyond.filter(({ run }) => !known.attempts.has(run)),
  );
  if (damages.length === 0 && proved.length === 0 && stranded.length === 0) return;
  if (damages.length === 0) {
    const why = "folders and refs tell of more than it";
    damages.push(noteDamage(path, why, Date.now(), await ledger.head()));
  }
  for (const damage of damages) await report(host, damage, proved, stranded);
}

/** A person may have taken it away, or muster itself after a landing that was forgotten: the target's history says which. */
function isWorktreeGone({ worktree, phase }: Attempt): boolean {
  return worktree !== null && phase.at !== "ended" && !existsSync(worktree.path);
}

/** True where the copy was there and names nothing that is missing. */
function isComplete({ folder, kept, known }: Damage): boolean {
  return kept === known && existsSync(join(folder, "ledger.copy"));
}

/** What is known to be lost, or may be. */
interface Lost {
  /** Of attempts and starts that the ledger does not know. */
  readonly traces: readonly Trace[];
  /** False where events may be missing that no trace tells of. */
  readonly isWhole: boolean;
}

/** Proves run by run; one that can't be looked at is paused, so that nothing of it comes to stand where its lost part stood. */
async function recordProofs(
  host: Host,
  ledger: Ledger,
  runs: Iterable<RunId>,
  lost: Lost,
): Promise<string[]> {
  const lines: string[] = [];
  for (const run of runs) {
    const traces = lost.traces.filter((trace) => trace.run === run);
    const proved = await proveOne(host, ledger, run, { ...lost, traces });
    const state = await readState(ledger);
    await ledger.append(state.seq, proved.bodies, Math.max(host.now(), state.now));
    lines.push(...proved.lines);
  }
  return lines;
}

async function proveOne(
  host: Host,
  ledger: Ledger,
  run: RunId,
  { traces, isWhole }: Lost,
): Promise<Proved> {
  const state = await readState(ledger);
  const found = await findRun(state, ledger, run);
  const reopened: EventBody[] = found.settled
    ? [{ type: "run.reopened", run, snapshot: found.run }]
    : [];
  const open = found.settled
    ? { ...state, runs: new Map(state.runs).set(run, { ...found.run, endedAt: null }) }
    : state;
  try {
    const { bodies, lines } = await proveRun(host, open, run, traces);
    return { bodies: [...reopened, ...bodies], lines };
  } catch (error) {
    const why = error instanceof Error ? (error.message.split("\n")[0] ?? "") : String(error);
    host.log("error", "A run could not be looked at", { run, why });
    // A worktree that is gone with its whole project is no sign of damage.
    if (isWhole && traces.length === 0) return { bodies: [], lines: [] };
    const line = `${run}: could not be looked at (${why}), so it is paused; muster resume ${run}`;
    return { bodies: [...reopened, { type: "run.paused", run }], lines: [line] };
  }
}

/** Nobody can follow or answer them: their processes end, and everything they wrote stays where it is. */
async function endStranded(home: string, traces: readonly Trace[]): Promise<Stranded[]> {
  const stranded: Stranded[] = [];
  for (const { att, run, worktree } of traces)
    stranded.push({ att, run, worktree, ended: await sweepSession(sessionIn(home, att)) });
  return stranded;
}

async function report(
  host: Host,
  damage: Damage,
  proved: readonly string[],
  stranded: readonly Stranded[],
): Promise<void> {
  const { folder } = damage;
  const names = stranded.map(({ att }) => att);
  await replaceFile(join(folder, strandedName), `${JSON.stringify(names)}\n`);
  const path = join(folder, reportName);
  await replaceFile(path, reportText(host.home, damage, proved, stranded));
  const gone = damage.known - damage.kept;
  const said = [
    `the ledger was damaged (${damage.why}) and is rebuilt: ${count(damage.kept, "event")} kept`,
    gone === 0 ? "none is known to be lost" : `${count(gone, "event")} lost`,
    ...(stranded.length === 0 ? [] : [`${count(stranded.length, "attempt")} of unknown runs`]),
  ];
  // Read by the next command; a note that is still there stays.
  appendFileSync(notePath(host.home), `${said.join(", ")}; cat ${shellWord(path)}\n`, {
    mode: 0o600,
  });
  host.log("warn", "Wrote a report of a damaged ledger", { path });
}

function readStranded(folder: string): AttemptId[] {
  try {
    return JSON.parse(readFileSync(join(folder, strandedName), "utf8")) as AttemptId[];
  } catch {
    return [];
  }
}
