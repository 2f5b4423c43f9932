/** The callers of runs: in memory whole, and on disk without secrets while a run is open, for the daemon that comes after this one. */
import type { Caller } from "../../api/schema.ts";
import { Fault } from "../../core/fault.ts";
import type { RunId } from "../../core/ids.ts";
import { type KnownCaller, knowCaller, knowPart } from "./caller.ts";
import type { Log } from "../log.ts";
import {
  type RunFile,
  dropRunFile,
  listRunFiles,
  readRunFile,
  unseal,
  writeRunFile,
} from "./run-file.ts";
import { shellWord } from "../../core/words.ts";

export interface Callers {
  /** The caller of a run; undefined where it was lost. */
  get(run: RunId): KnownCaller | undefined;
  /** The one that came last; undefined where there is none. */
  newest(): KnownCaller | undefined;
  /** From here on the run is this caller's. Throws Fault `no_space` or `unwritable` where that can't be kept. */
  bring(run: RunId, caller: KnownCaller): Promise<void>;
  /** The run has not come to be. */
  forget(run: RunId): void;
  /** The run is settled: a later daemon needs nothing for it. */
  settle(run: RunId): void;
  /** Settles every run that is not among these. */
  settleAllBut(open: ReadonlySet<RunId>): void;
}

interface CallersOptions {
  readonly home: string;
  /** What this daemon itself was started with: secrets are only taken from here. */
  readonly env: Readonly<Record<string, string | undefined>>;
  /** For a run without a file, from before there were any. */
  readonly own: KnownCaller | undefined;
  readonly log: Log;
}

/** Reads back what an earlier daemon kept. */
export async function openCallers({ home, env, own, log }: CallersOptions): Promise<Callers> {
  const known = new Map<RunId, KnownCaller>();
  const lost = new Set<RunId>();
  const know = onceForEach(knowCaller);
  const restored = listRunFiles(home).map(async (run) => {
    try {
      known.set(run, await readBack(readRunFile(home, run), run, env, know));
    } catch (error) {
      log("warn", "The environment of a run is lost", { run, why: String(error) });
      lost.add(run);
    }
  });
  await Promise.all(restored);
  return {
    get: (run) => known.get(run) ?? (lost.has(run) ? undefined : own),
    newest: () => [...known.values()].at(-1) ?? own,
    async bring(run, caller) {
      await keep(home, run, caller);
      known.delete(run); // The newest is at the end.
      known.set(run, caller);
      lost.delete(run);
    },
    forget(run) {
      known.delete(run);
      dropRunFile(home, run);
    },
    settle: (run) => dropRunFile(home, run),
    settleAllBut(open) {
      for (const run of listRunFiles(home)) if (!open.has(run)) dropRunFile(home, run);
    },
  };
}

type Know = (caller: Caller) => Promise<KnownCaller>;

/** Runs of one terminal have one caller; to look for its login takes seconds. */
function onceForEach(know: Know): Know {
  const asked = new Map<string, Promise<KnownCaller>>();
  return (caller) => {
    const key = JSON.stringify(caller);
    const answer = asked.get(key) ?? know(caller);
    asked.set(key, answer);
    return answer;
  };
}

async function keep(home: string, run: RunId, caller: KnownCaller): Promise<void> {
  try {
    await writeRunFile(home, run, caller);
  } catch (error) {
    const isFull = /\b(?:ENOSPC|EDQUOT)\b/.test(String(error));
    throw new Fault(isFull ? "no_space" : "unwritable", `${run} can't be kept in ${home}/runs`, {
      remedy: `to see how much space there is, run df -h ${shellWord(home)}`,
      cause: error,
    });
  }
}

/**
 * The caller as it was, where this daemon has the same secrets. Else the part of it that needs none: its sessions wait for a person,
 * and its gates do where they had a variable that is not here.
 */
async function readBack(
  file: RunFile,
  run: RunId,
  env: CallersOptions["env"],
  know: Know,
): Promise<KnownCaller> {
  const { configHome, claudeConfigDir, kind, fingerprint } = file;
  const keys = pick(env, ["SSH_AUTH_SOCK", "GNUPGHOME"]);
  const caller = (secrets: Readonly<Record<string, string>>): Caller => {
    return { env: { ...keys, ...file.env, ...secrets }, configHome, claudeConfigDir };
  };
  const ofSession = await unseal(file.session, env);
  const ofGate = await unseal(file.gate, env);
  const lacking = (why: string, cause?: unknown): Promise<KnownCaller> =>
    knowPart(caller(ofGate ?? {}), {
      kind,
      fingerprint,
      lost: ofGate === undefined ? file.gate.names : [],
      fault: new Fault("no_login", why, { remedy: `muster resume ${run}`, cause }),
    });
  if (ofSession === undefined)
    return lacking(
      `${file.session.names.join(", ")} of ${run} went with the daemon, which never writes secrets down`,
    );
  try {
    const whole = await know(caller({ ...ofGate, ...ofSession }));
    return whole.kind === kind
      ? whole
      : await lacking(`${run} was started with ${kind}, and that is ${whole.kind} by now`);
  } catch (error) {
    if (!(error instanceof Fault) || error.code !== "no_login") throw error;
    return lacking(error.message, error);
  }
}

function pick(env: CallersOptions["env"], names: readonly string[]): Record<string, string> {
  return Object.fromEntries(
    names.flatMap((name) => (env[name] === undefined ? [] : [[name, env[name]]])),
  );
}
